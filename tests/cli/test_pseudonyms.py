"""Addresses and users under pseudonyms: in no file of the store, as good to count and join by, and revealed on record."""

import gzip
import json
import re
import shutil
import sys
from base64 import b32decode
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from deltalake import DeltaTable

from lpaudit import logformat
from lpaudit.errors import ConfigError
from lpaudit.model import LogKind
from lpaudit.pseudonyms import COLUMNS, Pseudonyms
from lpaudit.reading import AccessReading, ErrorReading, identity, kept
from lpaudit.redaction import ADDRESSES, MASK, USERS, address_spans
from lpaudit.rows import Rows
from lpaudit.veil import _here, veiled
from tests.conftest import CHECKOUT
from tests.follower import Following, append

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BOTH = frozenset((ADDRESSES, USERS))
ACCESS = """\
192.0.2.7 gw alice [23/Nov/2026:10:15:00 +0000] "GET /api/flows HTTP/1.1" 200 22 "-" "curl"
192.0.2.9 gw al [23/Nov/2026:10:16:00 +0000] "GET /api/flows HTTP/1.1" 200 22 "-" "curl"
2001:db8::7 gw - [23/Nov/2026:10:16:00 +0000] "DELETE /api/flow_runs/7 HTTP/1.1" 401 22 "-" "curl"
192.0.2.9 no line of lighttpd's, by bobby
"""
ERROR = """\
2026-11-23 10:15:00: (server.c.1704) server started (lighttpd/1.4.69)
2026-11-23 10:15:59: (mod_auth.c.828) password doesn't match for /api/flow_runs/7 username: bobby IP: 2001:db8::7
2026-11-23 10:15:59: (connections.c.1) NOTE: a request from 192.0.2.9 for /x timed out after writing 5 bytes
2026-11-23 10:16:09: (mod_proxy.c.1) nobody knows what 192.0.2.9:80 is
"""
ROSTER = """\
[[identity]]
name = "alice"
kind = "human"
display_name = "Alice Archer"
owner = "alice"
aliases = ["al"]
groups = ["ops"]

[[entitlement]]
identity = "alice"
actions = ["read"]
"""
CLEAR = re.compile(rb"192\.0\.2|2001:db8|alice|bobby|Archer|\bal\b")
ON = {"LPAUDIT_PSEUDONYMS": "addresses,users", "LPAUDIT_PSEUDONYM_KEY": "people.key"}


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "access.log").write_text(ACCESS)
    (tmp_path / "error.log").write_text(ERROR)
    (tmp_path / "roster.toml").write_text(ROSTER)
    return tmp_path


@pytest.fixture
def stored(logs, lpaudit):
    for command in (
        ["ingest", "--host", "gw1", "access.log", "error.log"],
        ["identities", "import", "roster.toml"],
    ):
        ran = lpaudit(*command, env=ON)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert not CLEAR.search(ran.stdout.encode().replace(b"roster", b"")), ran.stdout
    return logs


def ask(lpaudit, query, **keywords):
    ran = lpaudit("sql", "--format", "json", query, **keywords)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def everything(store):
    """Yield what every file of a store holds, decompressed."""
    for file in store.rglob("*"):
        if file.is_file() and file.suffix != ".parquet":
            data = file.read_bytes()
            yield file, zstd.decompress(data) if file.suffix == ".zst" else data
    for table in {log.parent.parent for log in store.glob("*/_delta_log/*.json")}:
        yield table, str(DeltaTable(table).to_pyarrow_table().to_pylist()).encode()


def test_nobody_is_in_any_file_of_the_store(stored):
    seen = list(everything(stored / "lpaudit-store"))
    assert len(seen) > 15
    assert [file for file, data in seen if CLEAR.search(data)] == []
    (segment,) = (data for file, data in seen if b"GET /api/flows" in data and file.suffix == ".zst")
    lines = ACCESS.encode().splitlines(keepends=True)
    assert list(map(len, segment.splitlines(keepends=True))) == list(map(len, lines))
    assert segment.splitlines()[0] == b"\x1d" * 9 + b" gw " + b"\x1d" * 5 + lines[0][18:-1]


def test_rows_join_and_count_as_with_names(stored, lpaudit):
    assert lpaudit("ingest", "--host", "gw1", "--store", "clear", "access.log", "error.log").returncode == 0
    assert lpaudit("identities", "import", "--store", "clear", "roster.toml").returncode == 0
    questions = [
        'select count(distinct client) as c, count(distinct "user") as u, count(*) as n from access',
        "select access_line_id is not null as found, url, event from failed_login",
        "select count(*) as n from access join server_event using (client)",
        "select kind, groups, state from access_identity order by time, state",
        "select event, status, url, secrets from server_event order by byte_offset",
        "select reason, byte_length from quarantine",
        "select count(*) as n from leaked_secret",
        "select count(*) as n from entitlement join identity_login on principal = login",
    ]
    for query in questions:
        told, clear = ask(lpaudit, query), ask(lpaudit, query, env={"LPAUDIT_STORE": "clear"})
        assert told == clear, query
    names = {
        row["identity"] for row in ask(lpaudit, "select identity from access_identity where kind = 'human'")
    }
    assert len(names) == 1, "the alias and the name are one identity"


def test_verify_reads_the_lines_again_and_compares_the_log(stored, lpaudit):
    assert lpaudit("keys", "init").returncode == 0
    assert lpaudit("sign").returncode == 0
    ran = lpaudit("verify", "--full")
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("compared with the log") == 2


def test_the_same_log_is_not_stored_again_and_goes_on(stored, lpaudit):
    more = ACCESS.splitlines()[0].replace("10:15:00", "10:17:00").replace("alice", "carol")
    with (stored / "access.log").open("a") as log:
        log.write(more + "\n")
    ran = lpaudit("ingest", "--host", "gw1", "access.log", "error.log", env=ON)
    assert "access.log: 1 new line, 4 already stored" in ran.stdout
    assert ask(lpaudit, "select count(distinct source_id) as n from source") == [{"n": 2}]
    behind = lpaudit("status", "--format", "json")
    assert behind.returncode == 0
    ran = lpaudit("status", "--check", "--max-lag", "10")
    assert "ok" in ran.stdout.splitlines()[0], ran.stdout


def test_a_log_that_was_begun_with_names_goes_on_with_pseudonyms(logs, lpaudit):
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    with (logs / "access.log").open("a") as log:
        log.write(ACCESS.splitlines()[0].replace("10:15:00", "10:17:00") + "\n")
    ran = lpaudit("ingest", "--host", "gw1", "access.log", env=ON)
    assert "1 new line, 4 already stored" in ran.stdout
    rows = ask(lpaudit, 'select "user", client from access order by byte_offset')
    assert rows[0] == {"user": "alice", "client": "192.0.2.7"}
    assert rows[-1]["user"].startswith("u~")
    assert rows[-1]["client"].startswith("a~")


def test_a_follower_makes_the_same_of_it(logs, lpaudit):
    (logs / "logs").mkdir()
    log, store = logs / "logs" / "access.log", logs / "store"
    content = append(log, ACCESS.encode())
    key = {"LPAUDIT_PSEUDONYMS": "addresses,users", "LPAUDIT_PSEUDONYM_KEY": str(logs / "people.key")}
    with Following(store, log, env=key) as follower:
        follower.until_stored(4)
        content += append(log, ACCESS.encode().replace(b"10:1", b"11:1"))
        follower.until_stored(8)
        follower.stop()
    assert [file for file, data in everything(store) if CLEAR.search(data)] == []
    ran = lpaudit("ingest", "--store", store, log, env=ON)
    assert "nothing new" in ran.stdout or "0 new lines" in ran.stdout, ran.stdout + ran.stderr
    assert (
        len(ask(lpaudit, 'select distinct "user", client from access', env={"LPAUDIT_STORE": str(store)}))
        == 3
    )


def test_a_source_does_not_tell_whose_its_first_line_is():
    first, other = ACCESS.splitlines()[0].encode(), ACCESS.splitlines()[0].replace("alice", "carol").encode()
    assert identity(LogKind.ACCESS, first, veiled=True) == identity(LogKind.ACCESS, other, veiled=True)
    assert identity(LogKind.ACCESS, first) != identity(LogKind.ACCESS, other)
    later = first.replace(b"10:15:00", b"10:15:01")
    assert identity(LogKind.ACCESS, first, veiled=True) != identity(LogKind.ACCESS, later, veiled=True)


def test_one_kind_alone_leaves_the_other(logs, lpaudit):
    users = {**ON, "LPAUDIT_PSEUDONYMS": "users"}
    assert lpaudit("ingest", "access.log", "error.log", env=users).returncode == 0
    rows = ask(lpaudit, 'select client, "user" from access order by time, client')
    assert rows[0]["client"] == "192.0.2.7"
    assert rows[0]["user"].startswith("u~")
    rows = ask(
        lpaudit, "select message from server_event where client is not null order by byte_offset limit 1"
    )
    assert rows[0]["message"].endswith("username: ~~~~~ IP: 2001:db8::7")


def test_who_it_is_is_told_and_on_record_before(stored, lpaudit):
    row = ask(lpaudit, 'select "user", client from access where "user" is not null order by time limit 1')[0]
    ran = lpaudit("reveal", row["user"], row["client"], "--reason", "ticket 7", "--format", "csv", env=ON)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["pseudonym,name", f"{row['user']},alice", f"{row['client']},192.0.2.7"]
    told = ask(
        lpaudit,
        "select text, outcome, rows, answer_sha256, uid from audit_trail where command = 'reveal' order by asked_at, outcome",
    )
    assert [(json.loads(r["text"]), r["outcome"], r["rows"], r["answer_sha256"]) for r in told] == [
        ({"find": False, "reason": "ticket 7", "values": [row["user"], row["client"]]}, outcome, rows, None)
        for outcome, rows in (("asked", None), ("ok", 2))
    ]
    ran = lpaudit("reveal", "--find", "alice", "192.0.2.7", "--reason", "request", "--format", "csv", env=ON)
    assert ran.stdout.split()[1:] == [f"{row['user']},alice", f"{row['client']},192.0.2.7"]
    assert [file for file, data in everything(stored / "lpaudit-store") if CLEAR.search(data)] == []


def test_what_cannot_be_recorded_is_not_told(stored, lpaudit):
    (row,) = ask(lpaudit, 'select "user" from access where "user" is not null order by time limit 1')
    shutil.rmtree(stored / "lpaudit-store" / "audit_trail")
    (stored / "lpaudit-store" / "audit_trail").write_text("in the way")
    ran = lpaudit("reveal", row["user"], "--reason", "ticket 7", env=ON)
    assert ran.returncode == 3
    assert "alice" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["u~" + "a" * 34, "--reason", "x"], {}, "is no pseudonym that this key has made"),
        (["alice", "--reason", "x"], {}, "is no pseudonym that this key has made"),
        (["alice", "--reason", " "], {}, "--reason is empty"),
        (["alice"], {}, "--reason"),
        (["alice", "--reason", "x"], {"LPAUDIT_PSEUDONYM_KEY": "none.key"}, "there is no key of pseudonyms"),
        (["alice", "--reason", "x"], {"LPAUDIT_PSEUDONYM_KEY": "access.log"}, "is no key of pseudonyms"),
    ],
)
def test_what_reveal_cannot_do_it_says(arguments, environment, said, stored, lpaudit):
    ran = lpaudit("reveal", *arguments, env={**ON, **environment})
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stdout == ""


def test_a_pseudonym_of_another_key_is_told_apart(stored, lpaudit):
    (row,) = ask(lpaudit, 'select "user" from access where "user" is not null order by time limit 1')
    (stored / "other.key").write_text("00" * 32 + "\n")
    ran = lpaudit("reveal", row["user"], "--reason", "x", env={**ON, "LPAUDIT_PSEUDONYM_KEY": "other.key"})
    assert ran.returncode == 2
    assert "is no pseudonym that this key has made" in ran.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["ingest", "access.log"],
        ["ingest", "--dry-run", "access.log"],
        ["identities", "import", "roster.toml"],
    ],
)
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "the store holds pseudonyms of addresses, and the settings do not ask for them"),
        ({**ON, "LPAUDIT_PSEUDONYMS": "addresses"}, "holds pseudonyms of users"),
        ({**ON, "LPAUDIT_PSEUDONYM_KEY": "other.key"}, "were made with another key"),
        ({**ON, "LPAUDIT_PSEUDONYMS": "adresses"}, "'adresses' means nothing"),
    ],
)
def test_nobody_comes_into_the_store_by_name_because_of_a_slip(command, environment, said, stored, lpaudit):
    (stored / "other.key").write_text("00" * 32 + "\n")
    (stored / "access.log").write_text(ACCESS.replace("10:1", "12:1"))
    before = {
        str(file): data
        for file, data in everything(stored / "lpaudit-store")
        if "audit_trail" not in str(file)
    }
    ran = lpaudit(*command, env=environment)
    assert ran.returncode == 2, ran.stdout
    assert said in ran.stderr
    assert "hint: " in ran.stderr
    after = {
        str(file): data
        for file, data in everything(stored / "lpaudit-store")
        if "audit_trail" not in str(file)
    }
    assert after == before


KEY = bytes(range(32))


def test_a_pseudonym_is_aes_siv_and_nothing_else():
    made = Pseudonyms(BOTH, KEY).of(USERS, "alice")
    cipher = AESSIV(HKDF(SHA256(), 64, None, b"lpaudit pseudonyms 1").derive(KEY))
    sealed = made.removeprefix("u~").upper()
    assert cipher.decrypt(b32decode(sealed + "=" * (-len(sealed) % 8)), [b"u~"]) == b"alice"
    assert Pseudonyms(BOTH, KEY).of(ADDRESSES, "alice")[2:] != made[2:]
    assert Pseudonyms(BOTH, KEY[::-1]).of(USERS, "alice") != made
    with pytest.raises(ConfigError):
        Pseudonyms(BOTH, KEY).name_of(f"a~{made[2:]}")
    assert "0001" not in repr(Pseudonyms(BOTH, KEY))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"from 192.0.2.7: no", [b"192.0.2.7"]),
        (b"(2001:db8::7)", [b"2001:db8::7"]),
        (b"::1 and ::ffff:192.0.2.7", [b"::1", b"::ffff:192.0.2.7"]),
        (b"1:2:3:4:5:6:7:8", [b"1:2:3:4:5:6:7:8"]),
        (b"at 10:15:00, std::map, lighttpd/1.4.69", []),
    ],
)
def test_addresses_are_told_from_times_and_versions(text, found):
    assert [text[a:b] for a, b in address_spans(text)] == found


def readings():
    zone = ZoneInfo("UTC")
    for name, preset in logformat.PRESETS.items():
        lines = "".join(f"{line}\n" for line in preset.samples).encode()
        yield pytest.param(
            AccessReading((logformat.compile_layout(preset.log_format(zone)),)), lines, id=name
        )
    everything_known = tuple(logformat.compile_layout(p.log_format(zone)) for p in logformat.PRESETS.values())
    for file in ("audit.log.gz", "default.log", "combined.log", "audit.json.log"):
        data = (CHECKOUT / "sample_logs" / file).read_bytes()
        data = gzip.decompress(data) if file.endswith(".gz") else data
        yield pytest.param(
            AccessReading(everything_known), data[: 1 << 20].rpartition(b"\n")[0] + b"\n", id=file
        )
    errors = (CHECKOUT / "sample_logs" / "error.log").read_bytes() + ERROR.encode()
    yield pytest.param(ErrorReading(zone), errors, id="error.log")


@pytest.mark.parametrize(("reading", "data"), [*readings()])
def test_hiding_people_changes_nothing_else_of_the_rows(reading, data):
    """Of real logs, and of every format."""
    people = Pseudonyms(BOTH, KEY)
    hidden = veiled(reading, data, people)
    assert len(hidden.data) == len(data)
    assert [i for i, byte in enumerate(data) if byte == 10] == [
        i for i, byte in enumerate(hidden.data) if byte == 10
    ]
    clear = Rows(reading, data, _here(reading, 0))
    told = Rows(reading, hidden.data, _here(reading, 0), names=hidden.names)
    table = "access_event" if isinstance(reading, AccessReading) else "server_event"
    seen = 0
    for before, after in zip(
        (r for t in clear for r in t.to_pylist()), (r for t in told for r in t.to_pylist()), strict=True
    ):
        for column, value in before.items():
            if column in COLUMNS[table]:
                if value is not None:
                    seen += 1
                    names = [people.name_of(part) for part in re.findall(r"[au]~[a-z2-7]+", after[column])]
                    assert names == (
                        [value] if COLUMNS[table][column] == USERS else re.findall(r"[^\s,]+", value)
                    )
            elif column not in {"raw", "message", "fields"}:
                assert after[column] == value, column
    assert seen, "there is somebody"
    # And nobody is left where a line says who it was.
    for row in (r for t in Rows(reading, hidden.data, _here(reading, 0)) for r in t.to_pylist()):
        for column in COLUMNS[table]:
            assert row[column] is None or set(row[column]) == {"~"}


def test_a_line_with_a_secret_hides_its_people_too_and_is_read():
    reading = AccessReading(
        (logformat.compile_layout(logformat.PRESETS["default"].log_format(ZoneInfo("UTC"))),)
    )
    line = ACCESS.splitlines()[0].replace("/api/flows", "/api/flows?api_key=pnu_1a2B3c4D5e6F7g8H9i0J")
    data = kept(reading, line.encode() + b"\n", KEY)
    assert MASK in data
    hidden = veiled(reading, data, Pseudonyms(BOTH, KEY))
    (told,) = Rows(reading, hidden.data, _here(reading, 0), names=hidden.names)
    assert told.column("reject_reason").to_pylist() == [None]
    assert told.column("url_query")[0].as_py().startswith("api_key=pnu_*")
    assert told.column("user_name")[0].as_py().startswith("u~")
    assert hidden.data[18:] == data[18:]


def test_a_line_with_bytes_that_are_no_text_hides_its_people_too():
    zone = ZoneInfo("UTC")
    reading = AccessReading((logformat.compile_layout(logformat.PRESETS["auditjson"].log_format(zone)),))
    line = logformat.PRESETS["auditjson"].samples[0].encode()
    address = re.search(rb'"ra":"([^"]+)"', line)[1]
    line = line.replace(b'"ua":"', b'"ua":"\xff\xfe') + b"\n"
    (clear,) = Rows(reading, line, _here(reading, 0))
    hidden = veiled(reading, line, Pseudonyms(BOTH, KEY))
    (told,) = Rows(reading, hidden.data, _here(reading, 0), names=hidden.names)
    assert told.column("reject_reason").to_pylist() == clear.column("reject_reason").to_pylist()
    assert address not in hidden.data
    assert told.column("user_agent_original").to_pylist() == clear.column("user_agent_original").to_pylist()
