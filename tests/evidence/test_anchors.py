"""Copies of checkpoints in other hands, among them an authority's time stamp; and what `status` says of them."""

import http.server
import json
import shutil
import subprocess
import threading
from hashlib import sha256

import pytest
from report.small import line
from typer.testing import CliRunner

from lpaudit import anchors
from lpaudit.cli.commands import app
from lpaudit.store import open_store
from lpaudit.verification import Asked, verify

from .conftest import NOW

_CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
crypto_device = builtin
ess_cert_id_alg = sha256
"""


def openssl(*arguments, data=b""):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Authority:
    """OpenSSL's own time-stamp authority, behind a small HTTP server."""

    def __init__(self, folder):
        self.folder = folder
        self.asked = None  # instead of what is asked: an authority that answers something else
        subject = ["-subj", "/CN=Time Stamps", "-newkey", "rsa:2048", "-nodes"]
        openssl("req", "-x509", *subject, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", 2)
        openssl("req", *subject, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr")
        (folder / "ext").write_text("extendedKeyUsage = critical, timeStamping\n")
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))
        issuer = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"]
        extension = ["-extfile", folder / "ext", "-days", 2]
        openssl("x509", "-req", "-in", folder / "tsa.csr", *issuer, *extension, "-out", folder / "tsa.pem")
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                answer = owner.answer(query)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"tsa+http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, query):
        file = self.folder / "query.tsq"
        file.write_bytes(query if self.asked is None else self.asked)
        return openssl("ts", "-reply", "-config", self.folder / "tsa.cnf", "-queryfile", file)


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "tsa"
    folder.mkdir()
    made = Authority(folder)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def send(evidence, tmp_path):
    """Sign a new line, and give the checkpoint to anchors; returns who failed, in words."""
    numbers = iter(range(60))

    def send(*wanted):
        evidence.write("access.log", line(f"10:00:{next(numbers):02d}", "GET /api/flows/1", user="alice"))
        environ = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
        target = open_store(str(evidence.root))
        signed, failed = anchors.sign(
            target, evidence.signer, wanted, now=lambda: NOW, unique=evidence.unique, environ=environ
        )
        assert signed is not None
        assert anchors.remembered(target, environ)[0][1] == signed.note
        return signed, failed, anchors.read(target, environ)

    return send


def test_a_directory_and_a_command_get_the_checkpoint_as_it_is_in_the_store(send, tmp_path):
    copy = tmp_path / "elsewhere"
    signed, failed, states = send(str(copy), f"|cp /dev/stdin {tmp_path}/piped")
    assert failed == []
    assert [path.read_text() for path in copy.iterdir()] == [signed.note]
    assert (tmp_path / "piped").read_text() == signed.note
    assert {state.size for state in states.values()} == {signed.checkpoint.size}
    assert anchors.kept([str(copy)]) == ([(f"{copy}/{next(copy.iterdir()).name}", signed.note)], [])


def test_one_that_is_down_holds_up_nothing_and_gets_the_next(send, tmp_path):
    gone = tmp_path / "mount"
    gone.write_text("not mounted")
    before, failed, states = send(f"{gone}/copy", "|false", str(tmp_path / "good"))
    assert len(failed) == 2
    assert len(list((tmp_path / "good").iterdir())) == 1
    assert states["|false"].size is None
    gone.unlink()
    after, failed, states = send(f"{gone}/copy", "|true")
    assert failed == []
    assert [path.read_text() for path in (gone / "copy").iterdir()] == [after.note]
    assert states[f"{gone}/copy"] == anchors.State(after.checkpoint.size, NOW.isoformat(), None)
    assert after.checkpoint.size > before.checkpoint.size


def test_openssl_verifies_what_an_authority_has_stamped(send, authority, evidence, tmp_path):
    signed, failed, _ = send(authority.url)
    assert failed == []
    [token] = (evidence.root / "timestamps").iterdir()
    note = tmp_path / "note"
    note.write_text(signed.note)
    trusted = ["-CAfile", authority.folder / "ca.pem"]
    assert b"OK" in openssl("ts", "-verify", "-data", note, "-in", token, *trusted)
    later, _, _ = send()
    assert evidence.verify(kept=[("here", later.note)]).findings == [], "the token is signed like all else"
    stamped = token.read_bytes()
    token.write_bytes(stamped[:-1] + bytes([stamped[-1] ^ 1]))
    assert [(str(f.what), f.where) for f in evidence.verify().findings] == [
        ("changed", f"timestamps/{token.name}")
    ]


def test_an_authority_that_answers_another_question_or_none(send, authority, evidence):
    authority.asked = openssl("ts", "-query", "-digest", sha256(b"other").hexdigest(), "-sha256", "-cert")
    _, [failed], _ = send(authority.url)
    assert "another checkpoint" in failed
    authority.asked = b"nonsense"  # its answer is a refusal
    _, [failed], _ = send(authority.url)
    assert "did not take the checkpoint" in failed
    assert not (evidence.root / "timestamps").exists()


@pytest.mark.parametrize("setting", ["tsa+ftp://x/", "tsa+x"])
def test_what_is_no_authority(setting):
    with pytest.raises(anchors.ConfigError, match="no time-stamp authority"):
        anchors.parse(setting)


def test_status_says_how_each_stands_and_what_is_not_signed(evidence, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LPAUDIT_ANCHORS", f"{tmp_path}/copy,|false")
    monkeypatch.setenv("LPAUDIT_KEY", str(evidence.key))
    evidence.write("access.log", line("10:00:00", "GET /api/flows/1", user="alice"))

    def status(*options):
        done = CliRunner().invoke(app, ["status", "--store", str(evidence.root), *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "signed      nothing" in status()
    assert f"anchor      {tmp_path}/copy: nothing yet\n" in status()
    CliRunner().invoke(app, ["sign", "--store", str(evidence.root)])
    evidence.write("access.log", line("10:00:01", "GET /api/flows/2", user="alice"))
    found = json.loads(status("--format", "json"))
    assert found["signed"]["unsigned_commits"] == 1
    copy, command = found["anchors"]
    assert copy["leaves"] == found["signed"]["leaves"] > 0
    assert copy["error"] is None
    assert command["error"]
    assert command["leaves"] is None
    assert "; 1 commit since\n" in status()
    assert "anchor      |false: nothing yet; the last try failed: " in status()
    batch = max((evidence.root / "evidence").iterdir())
    batch.write_bytes(b"x")
    assert "signed      cannot be told: it is no batch of leaves\n" in status()
    shutil.rmtree(evidence.root / "evidence")
    assert "signed      nothing" in status()


def test_an_anchor_that_cannot_be_asked_is_a_finding_and_holds_up_no_verification(evidence, monkeypatch):
    """Whoever takes an anchor away does not get rid of the question; all else is still verified."""
    evidence.write("access.log", line("10:00:00", "GET /api/flows"))
    evidence.sign()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    found, lost = anchors.kept(["s3://not-there/x"])
    assert found == []
    ((where, reason),) = lost
    assert where == "s3://not-there/x"
    result = verify(str(evidence.root), Asked((evidence.signer.public,), lost=tuple(lost)))
    assert [(str(f.what), f.where) for f in result.findings] == [("unreadable", where)]
    assert reason in result.findings[0].text
    assert result.read_again == 1


def test_a_command_that_fails_is_told_in_words(evidence):
    evidence.write("access.log", line("10:00:00", "GET /api/flows"))
    signed = evidence.sign()
    target = open_store(str(evidence.root))
    wanted = ["|false", "tsa+http://127.0.0.1:9/"]
    states = anchors.send(
        target, wanted, signed, now=NOW, unique=evidence.unique(), environ={"HOME": str(evidence.folder)}
    )
    assert [states[name].error for name in wanted] == ["false ended with 1", "connection refused"]
