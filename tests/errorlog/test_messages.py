"""What lighttpd's versions have said in their error logs, and what it means."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lpaudit.errorlog import is_error_log, parse, redact
from lpaudit.errorlog.messages import EVENTS
from lpaudit.schema import tables

# Message, the file that writes it, and the columns that must come of it.
SAID = [
    ("server started (lighttpd/1.4.69)", "server.c", {"event": "server-started"}),
    ("server stopped by UID = 0 PID = 4711", "server.c", {"event": "server-stopped"}),
    ("server stopped after idle timeout", "server.c", {"event": "server-stopped"}),
    ("[note] graceful shutdown started", "server.c", {"event": "server-stopping"}),
    ("logfiles cycled UID = 0 PID = 4711", "server.c", {"event": "logs-rotated"}),
    ("logfiles cycled", "server.c", {"event": "logs-rotated"}),
    ("error flushing log /var/log/lighttpd/access.log", "fdlog_maint.c", {"event": "logs-failed"}),
    ("[note] sockets disabled, connection limit reached", "server.c", {"event": "overload-began"}),
    ("[note] sockets enabled again", "server.c", {"event": "overload-ended"}),
    ("warning: clock jumped -3600 secs", "server.c", {"event": "clock-jumped"}),
    (
        "password doesn't match for /api/flows username: bob IP: 192.0.2.7",
        "mod_auth.c",
        {"event": "login-failed", "url": "/api/flows", "user": "bob", "client": "192.0.2.7"},
    ),
    (
        "password doesn't match for /api/flows username: bob, IP: 192.0.2.7",  # its name ends in a comma
        "mod_auth.c",
        {"event": "login-failed", "url": "/api/flows", "user": "bob,", "client": "192.0.2.7"},
    ),
    (
        "password doesn't match for /api/flows username:  admin  IP: 192.0.2.7",
        "mod_auth.c",
        {"event": "login-failed", "url": "/api/flows", "user": " admin ", "client": "192.0.2.7"},
    ),
    (
        "password doesn't match for /api/flows username: bob IP: 192.0.2.7",
        "mod_authn_gssapi.c",
        {"event": "login-failed", "url": "/api/flows", "user": "bob", "client": "192.0.2.7"},
    ),
    (
        "password doesn't match for /x username: alice username: bob IP: 2001:db8::1",
        "mod_auth.c",
        {"event": "login-failed", "url": "/x username: alice", "user": "bob", "client": "2001:db8::1"},
    ),
    (
        "password doesn't match for /x username: ev IP: 1.1.1.1 username: bob IP: 192.0.2.7",
        "mod_auth.c",
        {"url": "/x username: ev IP: 1.1.1.1", "user": "bob", "client": "192.0.2.7"},
    ),
    (
        "password doesn't match for / username:  IP: 192.0.2.7",
        "mod_auth.c",
        {"event": "login-failed", "url": "/", "user": "", "client": "192.0.2.7"},
    ),
    (
        "digest: auth failed for bob: wrong password, IP: 192.0.2.7",
        "mod_auth.c",
        {"event": "login-failed", "user": "bob", "client": "192.0.2.7"},
    ),
    (
        "digest: auth failed for  bob : wrong password, IP: 192.0.2.7",
        "mod_auth.c",
        {"event": "login-failed", "user": "bob", "client": "192.0.2.7"},  # up to 1.4.55: line 850
    ),
    (
        "digest: auth failed: uri mismatch ( /a != /b ), IP: 192.0.2.7",  # 1.4.55
        "mod_auth.c",
        {"event": "login-malformed", "url": "/a", "client": "192.0.2.7"},
    ),
    (
        "digest: auth failed: uri mismatch (/a != /b), IP: 192.0.2.7",
        "mod_auth.c",
        {"event": "login-malformed", "url": "/a", "client": "192.0.2.7"},
    ),
    ("digest: nonce invalid", "mod_auth.c", {"event": "login-malformed"}),
    ("missing ':' in hunter2", "mod_auth.c", {"event": "login-malformed", "secrets": 1}),
    ("decoding base64-string failed !!!!", "mod_auth.c", {"event": "login-malformed", "secrets": 1}),
    (
        "Trying to get TGT for user: bob password: hunter2",
        "mod_authn_gssapi.c",
        {"event": "login-failed", "user": "bob", "secrets": 1},
    ),
    ("auth.backend not configured for /api", "mod_auth.c", {"event": "login-error"}),
    ("ldap: ldap_initialize()", "mod_authn_ldap.c", {"event": "login-error"}),
    (
        "invalid request-line -> sending Status 400 (192.0.2.7)",
        "connections.c",
        {"event": "request-malformed", "status": 400, "client": "192.0.2.7"},
    ),
    (
        "oversized request-header -> sending Status 431",
        "h1.c",
        {"event": "request-malformed", "status": 431, "client": None},
    ),
    ("request-size too long: 70000 -> 413", "h2.c", {"event": "request-malformed", "status": 413}),
    ("request-size too long: 70000 -> 413 ", "response.c", {"event": "request-malformed", "status": 413}),
    (
        "chunked header line too long -> 400",
        "connections-glue.c",
        {"event": "request-malformed", "status": 400},
    ),
    ("invalid request-line -> sending Status 400 ()", "h1.c", {"event": "request-malformed", "status": 400}),
    ("invalid character in URI -> 400 ('<')", "request.c", {"event": "request-malformed", "status": 400}),
    ("invalid character in header -> 400 (0x1f)", "request.c", {"event": "request-malformed", "status": 400}),
    (r"invalid character in header key -> 400 ('\xff')", "request.c", {"event": "request-malformed"}),
    ("invalid header missing ':' -> 400", "request.c", {"event": "request-malformed", "secrets": 0}),
    ("GET/HEAD with content-length -> 400", "request.c", {"event": "request-malformed", "status": 400}),
    ("invalid character in URI -> 400 /a b ", "response.c", {"event": "request-malformed", "status": 400}),
    (
        "uri-path does not begin with '/': x -> 400 ",
        "response.c",
        {"event": "request-malformed", "status": 400, "url": "x"},
    ),
    (
        "HTTP/1.0 with Transfer-Encoding (bad HTTP/1.0 proxy?) -> 400",
        "request.c",
        {"event": "request-malformed", "status": 400},
    ),
    (
        "[note] idle timeout 300s exceeded, initiating graceful shutdown",
        "server.c",
        {"event": "server-stopping"},
    ),
    (
        "[note] idle timeout 300 s exceeded, initiating graceful shutdown",
        "server.c",
        {"event": "server-stopping"},
    ),
    # What others say in lighttpd's words.
    ("FastCGI-stderr: x, initiating graceful shutdown", "mod_fastcgi.c", {"event": "other"}),
    ("server stopped by UID = 0 PID = 1", "mod_cgi.c", {"event": "other"}),
    ("rqst: X: -> 431 (6.6.6.6)", "request.c", {"event": "other", "client": None, "status": None}),
    ("fd:7 rqst: X: a -> 431 (6.6.6.6)", "h1.c", {"event": "other", "client": None, "status": None}),
    (
        "url denied as we match access_deny /x -> 400 (6.6.6.6)",
        "mod_access.c",
        {"event": "request-denied", "url": "/x -> 400 (6.6.6.6)", "client": None},
    ),
    (
        "url denied as we match access_deny /.env",
        "mod_access.c",
        {"event": "request-denied", "url": "/.env"},
    ),
    (
        "NOTE: a request from 192.0.2.7 for /api/flows timed out after writing 42 bytes. We waited 360 s",
        "h1.c",
        {"event": "client-timeout", "client": "192.0.2.7", "url": "/api/flows"},
    ),
    (
        "all handlers for /api/flows? on  are down.",
        "gw_backend.c",
        {"event": "backend-failed"},
    ),
    ("gw-server re-enabled: tcp:127.0.0.1:4200", "gw_backend.c", {"event": "backend-recovered"}),
    ("SSL: 1 error:0A000416:SSL routines::alert", "mod_openssl.c", {"event": "tls"}),
    ("(lua-print) hello", "mod_magnet.c", {"event": "script"}),
    ("WARNING: unknown config-key: x (ignored)", "configfile.c", {"event": "configuration"}),
    ("something new", "mod_new.c", {"event": "other", "message": "something new"}),
]


def rows(text: str, zone: str = "UTC") -> list[dict[str, object]]:
    columns, lengths = parse(redact(text.encode()), ZoneInfo(zone))
    assert lengths.sum() == len(text.encode())
    return columns.to_dicts()


@pytest.mark.parametrize(("message", "file", "expected"), SAID, ids=[message[:40] for message, _, _ in SAID])
def test_a_message_is_understood(message: str, file: str, expected: dict[str, object]) -> None:
    [row] = rows(f"2026-11-23 10:16:33: ({file}.850) {message}\n")
    told = {"time": datetime(2026, 11, 23, 10, 16, 33, tzinfo=UTC), "code_file": file, "code_line": 850}
    assert {name: row[name] for name in told | expected} == told | expected
    assert row["event"] in EVENTS


@pytest.mark.parametrize(
    ("place", "message", "user"),
    [
        ("mod_auth.c.603", "password doesn't match for /x username: bob, IP: 192.0.2.7", "bob"),
        ("mod_auth.c.603", "password doesn't match for /x username: bob,, IP: 192.0.2.7", "bob,"),
        ("mod_authn_gssapi.c.792", "password doesn't match for /x username: bob, IP: 192.0.2.7", "bob"),
        ("mod_auth.c.826", "password doesn't match for /x username: bob, IP: 192.0.2.7", "bob,"),
        ("mod_auth.c.1135", "digest: auth failed for  bob : wrong password, IP: 192.0.2.7", "bob"),
        ("mod_auth.c.1563", "digest: auth failed for  bob : wrong password, IP: 192.0.2.7", " bob "),
    ],
)
def test_what_stood_around_a_name_until_1_4_55_is_not_of_it(place: str, message: str, user: str) -> None:
    [row] = rows(f"2026-11-23 10:16:33: ({place}) {message}\n")
    assert (row["event"], row["user"], row["client"]) == ("login-failed", user, "192.0.2.7")


def test_the_schema_names_every_event() -> None:
    [field] = [f for f in tables()["server_event"].fields if f.name == "event"]
    assert {event for event in EVENTS if not re.search(rf"\b{event}\b", field.description)} == set()


@pytest.mark.parametrize(
    ("stamp", "zone", "expected"),
    [
        ("2026-11-23 10:16:33", "Asia/Kathmandu", "2026-11-23T04:31:33+00:00"),
        ("2026-11-23 10:16:33.123456789", "UTC", "2026-11-23T10:16:33.123456+00:00"),
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),  # repeated: the first
        ("2026-03-29 02:30:00", "Europe/Berlin", None),  # never was
        ("2026-02-30 02:30:00", "UTC", None),
        ("0001-01-01 00:00:00", "Europe/Berlin", None),
    ],
)
def test_times_are_those_of_the_zone(stamp: str, zone: str, expected: str | None) -> None:
    said = "password doesn't match for /x username: bob IP: 192.0.2.7"
    [row] = rows(f"{stamp}: (mod_auth.c.850) {said}\n", zone)
    assert row["time"] == (datetime.fromisoformat(expected) if expected else None)
    names = ("event", "user", "url", "client", "message", "timezone")
    assert [row[name] for name in names] == ["login-failed", "bob", "/x", "192.0.2.7", said, zone]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Traceback (most recent call last):\n", "Traceback (most recent call last):"),
        ("\n", ""),
        ("no end", "no end"),
        ("carriage\r\n", "carriage"),
        ("nul \0 here\n", r"nul \x00 here"),
        ("é\n", "é"),
    ],
)
def test_lines_that_lighttpd_did_not_write_are_kept(text: str, shown: str) -> None:
    [row] = rows(text)
    assert (row["event"], row["time"], row["message"]) == ("unstructured", None, shown)


def test_a_byte_that_is_not_utf8_is_shown_as_such() -> None:
    columns, _ = parse(b"caf\xe9\n", UTC)
    assert columns["message"].to_list() == ["caf\\xe9"]


def test_what_looks_like_a_header_in_other_digits_and_letters_is_none() -> None:
    for line in (
        "２０２６-11-23 10:16:33: (mod_auth.c.850) pam: x\n",
        "2026-11-23 10:16:33: (möd.c.850) pam: x\n",
    ):
        [row] = rows(line)
        assert row["event"] == "unstructured"


@pytest.mark.parametrize("space", ["\x85", "\u2028", "\u3000", "\xa0", "\x1c"])
def test_what_is_redacted_is_what_is_read(space: str) -> None:
    """A message is found with the same bytes' groups before and after its secrets are gone."""
    line = f"password doesn't match for /pnu_abcdefgh{space} username: bob{space} IP: 192.0.2.7"
    [row] = rows(f"2026-11-23 10:16:33: (mod_auth.c.850) {line}\n")
    assert (row["user"], row["url"]) == (f"bob{space}", f"/pnu_{'*' * 8}{space}")


def test_many_short_lines_take_little_memory() -> None:
    program = (
        "import resource; from lpaudit.errorlog import parse; from datetime import UTC\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); columns, lengths = parse(b'\\n' * (1 << 22), UTC)\n"
        "assert len(columns) == lengths.sum() == 1 << 22; print((peak() - before) >> 10)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 400  # MiB


def test_of_a_very_long_line_its_beginning_is_kept() -> None:
    columns, lengths = parse(b"x" * 3_000_000 + b"\n", UTC)
    assert (columns["message"].str.len_chars().to_list(), lengths.to_list()) == ([65_536], [3_000_001])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"2026-11-23 10:16:33: (mod_auth.c.850) x", True),
        (b"2026-11-23 10:16:33.000000001: (../src/server.c.1) x", True),
        (b'192.0.2.1 gw - [23/Nov/2026:10:16:33 +0000] "GET / HTTP/1.1" 200 5 "-" "-"', False),
        (b"2026-11-23 10:16:33 [error] 7#7: *1 open() failed", False),  # nginx
        (b"[Mon Nov 23 10:16:33.000000 2026] [core:error] [pid 7] AH00128", False),  # Apache
        (b"", False),
    ],
)
def test_an_error_log_is_recognised(line: bytes, expected: bool) -> None:
    assert is_error_log(line) is expected
