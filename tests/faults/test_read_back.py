"""Every file that is read back may be damaged: a command says so, or answers; it never falls over."""

import gzip
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lpaudit import pipeline
from lpaudit.store import commitlog, packing

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "sample_logs"
ROSTER = """\
[[identity]]
name = "alice"
kind = "human"
groups = ["ops"]
valid_from = 2026-01-01
"""
SETTINGS = """\
host = "gw1"
key = "key.pem"
fingerprint_key = "fingerprint.key"
pseudonyms = "users"
pseudonym_key = "pseudonym.key"
segment_bytes = 150
anchors = "anchor"
reports = "mine"
"""
MINE = """\
/*
id = "mine"
title = "Mine"
question = "Which requests were there?"
kind = "figures"
section = "S1"
severity = "info"
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
*/
select line_id from access where time >= $start and time < $end order by line_id
"""
LIGHTTPD = """\
server.modules = ("mod_accesslog", "mod_auth", "mod_proxy")
accesslog.filename = "access.log"
accesslog.format = "%h %V %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\""
$HTTP["host"] == "x" { proxy.server = ("/api" => (("host" => "127.0.0.1", "port" => 4200))) }
"""
PERIOD = ["--from", "2026-11-23", "--to", "2026-11-24"]
LINE, KEY = "LINE", "KEY"  # what only a store that is there can say
SCRIPT = str(CHECKOUT / "docs" / "verify_store.py")
PREPARE = [
    ["keys", "init", "--as", "gw1"],
    ["ingest", "access.log"],
    ["ingest", "error.log"],
    ["sync", "--from-dump", "dump"],
    ["correlate"],
    ["identities", "import", "roster.toml"],
    ["sql", "select count(*) from access"],
    ["sign"],
    ["keys", "rotate"],
    ["report", "access", *PERIOD, "--out", "written", "--format", "json"],
    ["signoff", "written/access.json", "--as", "gw1", "--decision", "accepted", "--comment", "seen"],
    ["exceptions", "list"],
    ["compact"],
    ["ingest", "old.log.gz"],
    ["sign"],
    ["binder", *PERIOD, "--out", "binder.zip"],
]
# Every kind of file that is read back, by a pattern of its path. What is missing here nobody damages.
KINDS = {
    "settings": r"lpaudit\.toml",
    "a check of one's own": r"mine/checks/mine\.sql",
    "lighttpd's configuration": r"lighttpd\.conf",
    "a list of identities": r"roster\.toml",
    "an access log": r"access\.log",
    "a compressed log": r"old\.log\.gz",
    "an error log": r"error\.log",
    "a dump": r"dump/.*\.json.*",
    "a private key": r"key\.pem",
    "a private key that was exchanged": r"key\.pem\..+|key-.+\.pem",
    "a key of fingerprints": r"fingerprint\.key",
    "a key of pseudonyms": r"pseudonym\.key",
    "an anchor's checkpoint": r"anchor/.*\.checkpoint",
    "how far a store had come": r"\.local/state/lpaudit/.*",
    "a report": r"written/access\.json",
    "a binder": r"binder\.zip",
    "the marker": r"lpaudit-store/lpaudit-store\.json",
    "a segment": r"lpaudit-store/segments/.*[0-9a-f]{64}\.zst",
    "a pack": r"lpaudit-store/segments/.*\.pack\.zst",
    "a commit": r"lpaudit-store/access_event/_delta_log/\d+\.json",
    "Delta's checkpoint": r"lpaudit-store/access_event/_delta_log/.*\.checkpoint\.parquet",
    "which checkpoint is the last": r"lpaudit-store/access_event/_delta_log/_last_checkpoint",
    "commits in an archive": r"lpaudit-store/commits/access_event/.*\.tar\.zst",
    "rows of lines": r"lpaudit-store/access_event/.*\.parquet",
    "rows of an error log": r"lpaudit-store/server_event/.*\.parquet",
    "rows of the trail": r"lpaudit-store/audit_trail/.*\.parquet",
    "Prefect's records": r"lpaudit-store/flow_run/.*\.parquet",
    "how far correlation came": r"lpaudit-store/correlation/.*\.parquet",
    "identities": r"lpaudit-store/identity/.*\.parquet",
    "a sign-off": r"lpaudit-store/signoff/.*\.parquet",
    "a public key": r"lpaudit-store/keys/.*\.json",
    "whose pseudonyms": r"lpaudit-store/keys/.*\.pseudonyms",
    "a batch of leaves": r"lpaudit-store/evidence/.*\.batch",
    "a time stamp": r"lpaudit-store/timestamps/.*\.tsr",
}
COMMANDS = [
    ["status"],
    ["sql", "--format", "csv", "select * from access"],
    ["sql", "--format", "csv", "select * from server_event, log_format"],
    ["sql", "--format", "csv", "select * from access_run"],
    ["sql", "--format", "csv", "select * from audit_trail"],
    ["sql", "--format", "csv", "select * from access_identity"],
    ["verify", "--full"],
    ["verify", "--full", "--format", "json", "--checkpoint", "anchor"],
    ["report", "access", *PERIOD, "--out", "out", "--format", "md,json"],
    ["signoff", "written/access.json", "--verify"],
    ["show", LINE],
    ["reveal", "--find", "alice", "--reason", "x"],
    ["keys", "list"],
    ["keys", "rotate"],
    ["status", "--check"],
    ["ingest", "old.log.gz"],
    ["ingest", "--log-format", "@lighttpd.conf", "access.log"],
    ["doctor", "--lighttpd-config", "lighttpd.conf", "access.log"],
    ["explain", "cerulean-perch"],
    ["bypass"],
    ["orphans"],
    ["binder", *PERIOD, "--out", "another.zip"],
    [SCRIPT, "lpaudit-store", KEY],
    [SCRIPT, "--key", KEY, "binder.zip"],
    ["ingest", "access.log", "error.log"],
    ["compact"],
    ["correlate"],
    ["sync", "--from-dump", "dump"],
    ["identities", "import", "roster.toml"],
    ["identities", "list"],
    ["checks", "list"],
    ["checks", "test", "mine"],
    ["denied"],
    ["exceptions", "list"],
    ["config"],
    ["sign"],
    ["tables", "--files"],
    ["doctor", "access.log"],
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, nursery):
    """A directory with a small store that has everything, what it was made from, and a copy of it all."""
    folder = tmp_path_factory.mktemp("whole") / "here"
    (folder / "mine" / "checks").mkdir(parents=True)
    lines = (SAMPLES / "default.log").read_bytes().splitlines(True) * 4
    (folder / "access.log").write_bytes(b"".join(lines[:200]))
    (folder / "old.log.gz").write_bytes(gzip.compress(b"".join(lines[200:206])))
    shutil.copy(SAMPLES / "error.log", folder)
    (folder / "roster.toml").write_text(ROSTER)
    (folder / "lighttpd.conf").write_text(LIGHTTPD)
    (folder / "mine" / "checks" / "mine.sql").write_text(MINE)
    dump(folder / "dump")
    (folder / "lpaudit.toml").write_text(SETTINGS)
    for command in PREPARE:
        if command == ["compact"]:
            compact_much(folder / "lpaudit-store")
        status, _, errors = run(nursery, folder, command)
        assert status in (0, 1), (command, errors)
    shutil.copytree(folder, folder.with_name("copy"), symlinks=True)
    return folder


def compact_much(store):
    """Make of few commits what else only thousands become; and lay down an answer of an authority."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "LEAST", 4)
        patch.setattr(commitlog, "LEAST", 2)
        patch.setattr(commitlog, "KEEP", 3)
        for number in range(2):
            pipeline.compact(str(store), keep_replaced=24, unique=lambda n=number: f"{n:032x}")
    (store / "timestamps").mkdir(exist_ok=True)
    (store / "timestamps" / f"{1:020d}.tsr").write_bytes(b"0\x03\x02\x01\x00")


def dump(folder):
    """Prefect's own records, but for the many."""
    many = shutil.ignore_patterns("events*", "task_runs*")
    shutil.copytree(SAMPLES / "prefect", folder, ignore=many)


def run(nursery, folder, command):
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "TZ": "Asia/Kathmandu"}
    if command[0] == SCRIPT:
        script = [sys.executable, *command]
        ran = subprocess.run(
            script, cwd=folder, env=environment, capture_output=True, check=False, timeout=120
        )
        return ran.returncode, ran.stdout, ran.stderr
    return nursery.run(command, folder, environment, None, 120)


def damaged(data, rng):
    """Return bytes with something wrong."""
    place = rng.randrange(len(data) + 1)
    other = rng.randrange(place, min(len(data), place + 40) + 1)
    return rng.choice(
        [
            lambda: data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :],
            lambda: data[:place],
            lambda: data[:place] + data[other:],
            lambda: data[:other] + data[place:],
            lambda: (
                data[:place]
                + rng.choice([b"\0" * 8, b"\xff" * 8, b"}", b"\n", b'"', b"9" * 30, b"-1", b"null"])
                + data[other:]
            ),
            lambda: b"",
            lambda: data + data,
            lambda: data[:place] + rng.randbytes(other - place) + data[other:],
        ]
    )()


def kinds_of(folder):
    """Return the files of each kind, and those of none."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    found = {kind: sorted(n for n in files if re.fullmatch(pattern, n)) for kind, pattern in KINDS.items()}
    return found, sorted(files - {name for names in found.values() for name in names})


def test_every_kind_of_file_is_there_to_be_damaged(whole):
    found, others = kinds_of(whole)
    assert [kind for kind, names in found.items() if not names] == []
    # What else there is are tables' own files, of kinds that are there.
    known = re.compile(r"lpaudit-store/\w+/(_delta_log/)?[^/]+|lpaudit-store/commits/.*|written/.*|binder.*")
    assert [name for name in others if not known.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("seed", "times"),
    [
        (1, 12),
        pytest.param(
            int(os.environ.get("LPAUDIT_SEED", "2")),
            int(os.environ.get("LPAUDIT_DAMAGES", "600")),
            marks=[pytest.mark.soak, pytest.mark.timeout(0)],
        ),
    ],
)
def test_no_damage_makes_a_command_fall_over(seed, times, whole, nursery):
    rng = random.Random(seed)
    found, _ = kinds_of(whole)
    copy = whole.with_name("copy")
    line = run(nursery, whole, ["sql", "--format", "csv", "select line_id from access limit 1"])[1]
    key = run(nursery, whole, ["keys", "list", "--format", "csv"])[1]
    said = {LINE: line.decode().split()[-1], KEY: key.decode().split()[-1].rpartition(",")[2]}
    fell = []
    for number in range(times):
        name = rng.choice(found[rng.choice(list(KINDS))])
        command = [said.get(word, word) for word in rng.choice(COMMANDS)]
        data = damaged((copy / name).read_bytes(), rng)
        # In its place: the state beside a store goes by the path of this.
        (whole / name).write_bytes(data)
        status, _, errors = run(nursery, whole, command)
        if status not in (0, 1, 2, 3, 5) or b"Traceback" in errors:
            fell.append((number, name, command, status, errors[-1500:].decode(errors="replace")))
        shutil.rmtree(whole)
        shutil.copytree(copy, whole, symlinks=True)
    assert fell == []
