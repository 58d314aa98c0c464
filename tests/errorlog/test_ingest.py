"""Error logs on their way into the store, alone and beside access logs; from files and from a real lighttpd."""

import base64
import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lpaudit.errorlog import redact
from lpaudit.model import LogKind
from tests.conftest import find_lighttpd
from tests.follower import Driven, Following, append, copytruncate, gaps, lines, rotate, table
from tests.rig import base_configuration, exchange, free_ports, request, running
from tests.stores import stored_sources, without_fingerprints

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]

SECRET = "pnu_0123456789abcdefghij"
LONG = 25.0


def said(number: int, message: str = "") -> bytes:
    """A line of an error log; every third has a secret in it."""
    told = f"missing ':' in {SECRET}{number}" if number % 3 == 0 else f"something {number}"
    return f"2026-11-23 10:{number // 60:02}:{number % 60:02}: (mod_auth.c.805) {message or told}\n".encode()


def errors(first: int, count: int) -> bytes:
    return b"".join(said(number) for number in range(first, first + count))


def rows(lpaudit: Lpaudit, query: str) -> list[dict[str, object]]:
    ran = lpaudit("sql", "--format", "jsonl", query)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def everything(store: Path) -> bytes:
    """Every byte of a store, and what is in its compressed files."""
    held = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    return (
        held
        + b"".join(stored_sources(store, "server_event").values())
        + str(table(store, "server_event")).encode()
    )


def check(store: Path, *generations: bytes) -> None:
    stored = stored_sources(store, "server_event").values()
    assert sorted(map(without_fingerprints, stored)) == sorted(map(redact, generations))
    assert SECRET[4:].encode() not in everything(store)


@pytest.mark.parametrize("options", [[], ["--kind", "error"], ["--kind", "auto"]])
def test_ingest(options: list[str], tmp_path: Path, lpaudit: Lpaudit) -> None:
    store = tmp_path / "lpaudit-store"
    log = tmp_path / "error.log"
    log.write_bytes(errors(1, 10))
    ran = lpaudit("ingest", *options, "error.log")
    assert ran.returncode == 0, ran.stderr
    assert "error.log: 10 new lines, format errorlog\n" in ran.stdout
    assert "ingested 10 lines from 1 source: 0 access, 0 quarantine, 10 server events" in ran.stdout
    assert "next: lpaudit sql 'select * from server_event'" in ran.stdout
    append(log, errors(11, 5))
    assert "ingested 5 lines" in lpaudit("ingest", *options, "error.log").stdout
    assert "nothing new in 1 source" in lpaudit("ingest", *options, "error.log").stdout
    (tmp_path / "error.log.1.gz").write_bytes(gzip.compress(errors(1, 15)))
    assert "nothing new in 1 source" in lpaudit("ingest", *options, "error.log.1.gz").stdout
    check(store, errors(1, 15))
    assert [row["line_number"] for row in rows(lpaudit, "from server_event order by byte_offset")] == list(
        range(1, 16)
    )


def test_status_and_views_count_both_kinds(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "error.log").write_bytes(errors(1, 7))
    (tmp_path / "logs" / "access.log").write_bytes(lines("one", 4) + b"garbage\n")
    assert lpaudit("ingest", "logs").returncode == 0
    ran = lpaudit("status")
    assert "lines       12 = 4 access + 1 quarantine + 7 server events, from 2 sources" in ran.stdout
    status = json.loads(lpaudit("status", "--format", "json").stdout)
    assert (status["lines"], status["access"], status["quarantine"], status["events"]) == (12, 4, 1, 7)
    assert status["missing_segments"] == []
    sources = {row["kind"]: row for row in rows(lpaudit, "select * from source")}
    assert {kind: (s["lines"], s["access"], s["quarantine"], s["events"]) for kind, s in sources.items()} == {
        "access": (5, 4, 1, 0),
        "error": (7, 0, 0, 7),
    }
    segments = rows(lpaudit, "select kind, lines, sha256 from segment order by kind")
    assert [(row["kind"], row["lines"]) for row in segments] == [("access", 5), ("error", 7)]
    assert len(rows(lpaudit, "select * from log_line")) == 12


def test_a_segment_that_is_gone_is_missed(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "error.log").write_bytes(errors(1, 7))
    assert lpaudit("ingest", "error.log").returncode == 0
    [segment] = (tmp_path / "lpaudit-store" / "segments").rglob("*.zst")
    segment.unlink()
    assert "MISSING     1 segment" in lpaudit("status").stdout


def test_what_is_no_error_log_is_refused_if_named_and_skipped_in_a_directory(
    tmp_path: Path, lpaudit: Lpaudit
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "access.log").write_bytes(lines("one", 4))
    (tmp_path / "logs" / "error.log").write_bytes(errors(1, 4))
    ran = lpaudit("ingest", "--kind", "error", "logs/access.log")
    assert ran.returncode == 3
    assert "access.log is not lighttpd's error log; line 1 reads:" in ran.stderr
    assert "\nhint: " in ran.stderr
    ran = lpaudit("ingest", "--kind", "error", "logs")
    assert ran.returncode == 0, ran.stderr
    assert "access.log: 0 new lines, not lighttpd's error log: skipped" in ran.stdout
    ran = lpaudit("ingest", "--kind", "access", "logs/error.log")
    assert ran.returncode == 3
    assert "error.log is stored as an error log already" in ran.stderr
    ran = lpaudit("ingest", "--kind", "access", "logs")
    assert ran.returncode == 0, ran.stderr
    assert "error.log: 0 new lines, stored as an error log: skipped" in ran.stdout
    ran = lpaudit("ingest", "--kind", "access", "--store", "other", "logs/error.log")
    assert ran.returncode == 3
    assert "none of the known formats" in ran.stderr


def test_a_refusal_shows_no_secret(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "other.log").write_bytes(f"password=hunter2 {SECRET}\n".encode())
    ran = lpaudit("ingest", "--kind", "error", "other.log")
    assert "password=******* pnu_****" in ran.stderr
    assert "hunter2" not in ran.stderr


def test_another_programs_lines_first(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "error.log").write_bytes(b"Traceback (most recent call last):\n" + errors(1, 3))
    assert lpaudit("ingest", "--kind", "error", "error.log").returncode == 0
    events = [row["event"] for row in rows(lpaudit, "from server_event order by byte_offset")]
    assert events == ["unstructured", "login-error", "login-error", "login-malformed"]


def test_times_are_those_of_the_zone_that_is_told(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "error.log").write_bytes(said(1))
    assert lpaudit("ingest", "--timezone", "America/New_York", "error.log").returncode == 0
    [row] = rows(lpaudit, "select time, timezone from server_event")
    assert row == {"time": "2026-11-23T15:00:01Z", "timezone": "America/New_York"}


def test_from_a_pipe(tmp_path: Path, lpaudit: Lpaudit) -> None:
    assert lpaudit("ingest", "--kind", "error", "-", input=errors(1, 9).decode()).returncode == 0
    check(tmp_path / "lpaudit-store", errors(1, 9))


def test_a_dry_run_stores_nothing(tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "error.log").write_bytes(errors(1, 9))
    ran = lpaudit("ingest", "--dry-run", "error.log")
    assert "read 9 lines" in ran.stdout
    assert not (tmp_path / "lpaudit-store").exists()


def test_compaction_and_packing_change_nothing(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "error.log"
    with Driven(tmp_path / "lpaudit-store", log, segment_bytes=200) as follower:
        whole = append(log, errors(1, 300))
        follower.wait(60).stop()
    before = rows(lpaudit, "from server_event order by byte_offset")
    ran = lpaudit("compact", "--keep-replaced", "0")
    assert ran.returncode == 0, ran.stderr
    assert "in server_event" in ran.stdout
    assert "packed" in ran.stdout
    assert rows(lpaudit, "from server_event order by byte_offset") == before
    check(tmp_path / "lpaudit-store", whole)
    assert json.loads(lpaudit("status", "--format", "json").stdout)["missing_segments"] == []
    append(log, errors(301, 3))
    assert "ingested 3 lines" in lpaudit("ingest", "error.log").stdout


# Followed.


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory; in which case nothing is synced, as no power is cut here."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


@pytest.mark.parametrize("style", ["number", "gz", "delay", "date"])
def test_both_logs_of_a_directory_through_rotations(logs: Path, store: Path, style: str) -> None:
    error, access, told, asked = logs / "error.log", logs / "access.log", [], []
    with Driven(store, logs) as follower:
        for generation in range(4):
            told.append(append(error, errors(100 * generation + 1, 20)))
            asked.append(append(access, lines(f"g{generation}", 20)))
            follower.wait()
            told[-1] += append(error, errors(100 * generation + 21, 5))
            rotate(error, style)
            rotate(access, style)
        follower.wait(LONG).stop()
    check(store, *told)
    assert sorted(stored_sources(store).values()) == sorted(asked)
    assert gaps(store) == []
    assert follower.told.complaints == ""


def test_it_goes_on_after_a_crash(logs: Path, store: Path) -> None:
    error = logs / "error.log"
    with Driven(store, logs) as follower:
        whole = append(error, errors(1, 20))
        follower.wait().crash()
    whole += append(error, errors(21, 5))
    with Driven(store, logs) as follower:
        follower.wait().stop()
    check(store, whole)


def test_a_copy_that_is_cut(logs: Path, store: Path) -> None:
    error = logs / "error.log"
    with Driven(store, logs) as follower:
        old = append(error, errors(1, 20))
        follower.wait()
        old += append(error, errors(21, 5))
        copytruncate(error, logs / "error.log.1")
        new = append(error, errors(40, 3))
        follower.wait(LONG).stop()
    check(store, old, new)


def test_an_error_log_that_was_deleted_unread_is_a_gap(logs: Path, store: Path) -> None:
    error = logs / "error.log"
    with Driven(store, logs) as follower:
        old = append(error, errors(1, 20))
        follower.wait().stop()
    append(error, errors(21, 5))
    error.unlink()
    new = append(error, errors(40, 3))
    with Driven(store, logs) as follower:
        follower.wait(LONG).stop()
    check(store, old, new)
    [gap] = gaps(store)
    assert (gap["source"], gap["from_offset"], gap["cause"]) == (str(error), len(old), "replaced")


def test_two_followers_store_it_once(logs: Path, store: Path) -> None:
    error = logs / "error.log"
    with Driven(store, logs) as one, Driven(store, logs) as two:
        whole = b""
        for number in range(20):
            whole += append(error, errors(number * 10, 10))
            one.wait(1)
            two.wait(1)
        one.wait(LONG).stop()
        two.wait(LONG).stop()
    check(store, whole)


def test_only_error_logs(logs: Path, store: Path) -> None:
    append(logs / "access.log", lines("one", 5))
    with Driven(store, logs, kind=LogKind.ERROR) as follower:
        whole = append(logs / "error.log", errors(1, 5))
        follower.wait(LONG).stop()
    check(store, whole)
    assert stored_sources(store) == {} if (store / "access_event").exists() else True
    assert follower.told.complaints == ""


def test_the_health_check_looks_at_it(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "error.log"
    log.write_bytes(errors(1, 5))
    assert lpaudit("ingest", "error.log").returncode == 0
    assert lpaudit("status", "--check").returncode == 0
    append(log, errors(6, 1))
    ran = lpaudit("status", "--check", "--max-lag", "0.5")
    assert ran.returncode == 1
    assert "error.log still not stored" in ran.stdout


FOREIGN = b"PHP Warning:  oops, Authorization: Bearer SECRETSECRETSECRET in /srv/x.php\n"
BACKEND = b'127.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET /x HTTP/1.1" 200 12 "-" "curl"\n'


@pytest.mark.parametrize("first", [FOREIGN, BACKEND, FOREIGN * 5])
def test_another_program_may_have_written_the_first_line(
    first: bytes, tmp_path: Path, lpaudit: Lpaudit
) -> None:
    (tmp_path / "error.log").write_bytes(first + errors(1, 6))
    ran = lpaudit("ingest", "error.log")
    assert ran.returncode == 0, ran.stderr
    assert "format errorlog" in ran.stdout
    assert "SECRETSECRETSECRET" not in ran.stdout + ran.stderr
    check(tmp_path / "lpaudit-store", first + errors(1, 6))
    assert "nothing new" in lpaudit("ingest", "error.log").stdout


def test_a_rotated_error_log_may_begin_with_another_programs_line(logs: Path, store: Path) -> None:
    error = logs / "error.log"
    with Driven(store, logs) as follower:
        one = append(error, errors(1, 5))
        follower.wait()
        rotate(error)
        two = append(error, FOREIGN)
        follower.wait(LONG)
        two += append(error, errors(20, 2))
        follower.wait(LONG)
        rotate(error)
        three = append(error, errors(30, 2))
        follower.wait(LONG).stop()
    check(store, one, two, three)
    assert follower.told.complaints == ""


def test_what_is_refused_is_never_said_to_be_read_to_its_end(logs: Path, store: Path) -> None:
    error = logs / "error.log"
    with Driven(store, logs, kind=LogKind.ACCESS) as follower:
        for generation in range(3):
            append(error, errors(10 * generation + 1, 5))
            append(logs / "access.log", lines(f"g{generation}", 5))
            follower.wait(LONG)
            rotate(error)
            rotate(logs / "access.log")
        follower.wait(LONG).stop()
    assert {event["source"] for event in table(store, "source_event")} == {str(logs / "access.log")}


FORGEABLE = '%{X-Forwarded-For}i %h %u %t "%r" %>s %b'


@pytest.mark.parametrize("follow", [True, False])
def test_a_client_cannot_make_an_error_log_of_an_access_log(
    follow: bool, tmp_path: Path, lpaudit: Lpaudit
) -> None:
    """Its header is what the first line begins with."""
    forged = b"2026-11-23 10:00:00: (server.c.1) server stopped"
    end = b' 192.0.2.1 - [23/Nov/2026:10:00:00 +0000] "GET /admin/delete-all HTTP/1.1" 200 5\n'
    log = tmp_path / "access.log"
    log.write_bytes(forged + end + (b"-" + end) * 3)
    store = tmp_path / "lpaudit-store"
    if follow:
        with Following(store, log, env={"LPAUDIT_LOG_FORMAT": FORGEABLE}, options=()) as follower:
            follower.until_stored(4)
            follower.stop()
    else:
        assert lpaudit("ingest", "--log-format", FORGEABLE, log).returncode == 0
    assert [row["path"] for row in rows(lpaudit, "select path from access")] == ["/admin/delete-all"] * 4
    assert rows(lpaudit, "select * from server_event") == []


def test_a_log_stays_what_it_was_stored_as(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(BACKEND)
    assert "format default" in lpaudit("ingest", "x.log").stdout
    append(log, errors(1, 5))
    assert "1 already stored" in lpaudit("ingest", "x.log").stdout
    assert [row["kind"] for row in rows(lpaudit, "select kind from source")] == ["access"]
    ran = lpaudit("ingest", "--kind", "error", "x.log")
    assert ran.returncode == 3
    assert "x.log is stored as an access log already" in ran.stderr


def test_the_rest_of_a_line_whose_start_was_stored_is_not_kept(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log = tmp_path / "error.log"
    log.write_bytes(errors(1, 2) + said(3)[:-12])
    assert lpaudit("ingest", "--final", "error.log").returncode == 0
    append(log, said(3)[-12:] + errors(4, 3))
    assert lpaudit("ingest", "error.log").returncode == 0
    assert SECRET[-5:].encode() not in everything(tmp_path / "lpaudit-store")
    found = rows(lpaudit, "select message from server_event order by byte_offset")
    assert found[3]["message"] == "*" * 11
    assert found[-1]["message"].startswith("missing ':' in pnu_*")
    assert "nothing new" in lpaudit("ingest", "error.log").stdout


def test_a_table_of_error_logs_that_was_rolled_back_gives_an_alarm(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log, store = tmp_path / "error.log", tmp_path / "lpaudit-store"
    log.write_bytes(errors(1, 3))
    assert lpaudit("ingest", "error.log").returncode == 0
    shutil.copytree(store, tmp_path / "copy")
    append(log, errors(4, 3))
    assert lpaudit("ingest", "error.log").returncode == 0
    shutil.rmtree(store)
    (tmp_path / "copy").rename(store)
    ran = lpaudit("ingest", "error.log")
    assert "rolled back: server_event had come to version 2, and is at version 1" in ran.stderr
    check(store, errors(1, 6))


def test_what_is_wrong_with_one_table_does_not_hold_up_the_other(logs: Path, store: Path) -> None:
    error, access = logs / "error.log", logs / "access.log"
    with Driven(store, logs, segment_bytes=4000) as follower:
        told, asked = append(error, errors(1, 5)), append(access, lines("one", 5))
        follower.wait()
        table_files = store / "server_event"
        table_files.rename(store / "away")
        table_files.write_bytes(b"")
        told += append(error, errors(10, 200))
        for number in range(20):
            asked += append(access, lines(f"more{number}", 30))
            follower.wait(4)
        assert stored_sources(store) == {next(iter(stored_sources(store))): asked}
        table_files.unlink()
        (store / "away").rename(table_files)
        follower.wait(60).stop()
    check(store, told)
    assert list(stored_sources(store).values()) == [asked]


# A real lighttpd.


def basic(credentials: bytes) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(credentials)


@pytest.mark.lighttpd
def test_what_a_real_lighttpd_says(tmp_path: Path, lpaudit: Lpaudit) -> None:
    """Both logs are followed while requests come; who tried is found, and no secret is kept."""
    lighttpd = find_lighttpd()
    assert lighttpd, "lighttpd is not installed: apt-get install lighttpd"
    folder = tmp_path / "lighttpd"
    folder.mkdir()
    [port] = free_ports(1)
    configuration = base_configuration(folder) + (
        'server.modules += ("mod_accesslog")\n'
        f'accesslog.filename = "{folder}/access.log"\n'
        f'$SERVER["socket"] == "127.0.0.1:{port}" {{ }}\n'
    )
    store = tmp_path / "lpaudit-store"
    (folder / "error.log").touch()
    zone = {"LPAUDIT_TIMEZONE": os.environ["TZ"]}  # that lighttpd lives in here
    with (
        running(lighttpd, folder, configuration),
        Following(store, folder / "error.log", folder / "access.log", env=zone),
    ):
        exchange(port, request(b"/good", basic(b"bob:bob-pw"), login=False))
        exchange(port, request(b"/wrong%20password?token=x", basic(b"bob:guess"), login=False))
        exchange(port, request(b"/nobody", basic(b"mallory:x"), login=False))
        exchange(port, request(b"/key", basic(SECRET.encode()), login=False))
        exchange(port, request(b"/broken", b"Authorization: Basic !" + SECRET.encode(), login=False))
        exchange(port, b"\x01 is no method")
    both = (folder / "error.log", folder / "access.log")
    ran = lpaudit("ingest", "--timezone", os.environ["TZ"], *both)  # what came when it stopped
    assert ran.returncode == 0, ran.stderr
    found = rows(lpaudit, 'select event, "user", client, url, secrets from server_event order by byte_offset')
    assert found[0]["event"] == "server-started"
    assert [row for row in found if row["event"].startswith(("login", "request"))] == [
        {
            "event": "login-failed",
            "user": "bob",
            "client": "127.0.0.1",
            "url": "/wrong password",
            "secrets": 0,
        },
        {"event": "login-failed", "user": "mallory", "client": "127.0.0.1", "url": "/nobody", "secrets": 0},
        {"event": "login-malformed", "user": None, "client": None, "url": None, "secrets": 1},
        {"event": "login-malformed", "user": None, "client": None, "url": None, "secrets": 1},
        {"event": "request-malformed", "user": None, "client": "127.0.0.1", "url": None, "secrets": 0},
    ]
    assert "server-stopped" in [row["event"] for row in found]
    joined = rows(
        lpaudit,
        "select l.user, l.method, a.path, a.status, a.query from failed_login l"
        " join access a on a.line_id = l.access_line_id order by l.line_id",
    )
    assert joined == [
        {"user": "bob", "method": "GET", "path": "/wrong%20password", "status": 401, "query": "token=x"},
        {"user": "mallory", "method": "GET", "path": "/nobody", "status": 401, "query": None},
    ]
    assert SECRET.encode() in (folder / "error.log").read_bytes()
    assert SECRET[4:].encode() not in everything(store)
