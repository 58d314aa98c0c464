"""Secrets never get past the redaction; what lighttpd itself says always does."""

import string
import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lpaudit.errorlog import parse, redact
from lpaudit.errorlog.redact import spans
from lpaudit.redaction import MASK, covers

UTC = ZoneInfo("UTC")
HEAD = "2026-11-23 10:16:33: (mod_auth.c.850) "
GATEWAY = "2026-11-23 10:16:33: (mod_fastcgi.c.478) "
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (HEAD + "missing ':' in s3cret with spaces", "s3cret with spaces"),
        (HEAD + "missing ':' in pnu_abcdefghijklmnop", "abcdefghijklmnop"),
        (HEAD + "decoding base64-string failed dXNlcjpw!!", "dXNlcjpw!!"),
        (HEAD + "decoding GSSAPI authentication header failed YII!", "YII!"),
        (HEAD + "Trying to get TGT for user: bob password: hun ter2", "hun ter2"),
        (HEAD + "password doesn't match for /x username: pnb_abcdefghijkl IP: 192.0.2.7", "abcdefghijkl"),
        (HEAD + f"password doesn't match for /hook/{JWT} username: bob IP: 192.0.2.7", JWT[3:]),
        (HEAD + "fd:7 rqst: Authorization: Basic dTpw", "dTpw"),
        (HEAD + "fd:7 id:1 rqst: x-api-key: 12345", "12345"),
        (HEAD + "fd:7 rqst: Cookie: session=abc; other=def", "session=abc; other=def"),
        (HEAD + "all handlers for /api/x?token=abcdef123 on / are down.", "abcdef123"),
        (HEAD + "all handlers for /x?key=" + "pnu_" + "a" * 900 + " are down", "a" * 400),
        (HEAD + "digest: auth failed: uri mismatch (/a?x=1 != /a?token=s3cret), IP: 192.0.2.7", "s3cret"),
        (HEAD + "digest: auth failed: uri mismatch (/a?token=s3cret != /a), IP: 192.0.2.7", "s3cret"),
        (HEAD + "digest: (token=s3cret): invalid", "s3cret"),
        (GATEWAY + "FastCGI-stderr: GET /x?token=s3cret -> 404", "s3cret"),
        (HEAD + "rqst: Authorization: Bearer s3cret -> 400", "s3cret"),
        (HEAD.replace("mod_auth", "h2") + "h2: 192.0.2.7 x token=s3cret", "s3cret"),
        (f"{JWT[:21]}{'p' * 5000}.{'s' * 43}", "pppp"),
        (f"{JWT[:21]}{'p' * 5000}.{'s' * 43}", "ssss"),
        ("eyJhbGciOiJkaXIifQ..aXZpdg.Y2lwaGVy.dGFndGFn", "Y2lwaGVy"),
        ("{'password': 'hunter2'}", "hunter2"),
        ('{"token" : "hunter2"}', "hunter2"),
        (r"{\"token\": \"hunter2\"}", "hunter2"),
        ("config['password'] = 'hunter2'", "hunter2"),
        ("{'secret' => 'hunter2'}", "hunter2"),
        ("password = hunter2", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY=hunter2", "hunter2"),
        ("SECRET_KEY=hunter2", "hunter2"),
        ("PREFECT_API_AUTH_STRING=admin:hunter2", "hunter2"),
        ("passphrase: hunter2", "hunter2"),
        ("private_key=hunter2", "hunter2"),
        ("credential=hunter2", "hunter2"),
        ("pass=hunter2 x", "hunter2"),
        ("DB_PASS=a,b;c&d", "b;c&d"),
        ("Cookie:sid=hunter2", "hunter2"),
        ("Set-Cookie:a=hunter2", "hunter2"),
        ("authorization:basic dTpw", "dTpw"),
        ("X-Session-Id: hunter2", "hunter2"),
        ("X-Auth-Key: hunter2", "hunter2"),
        ("postgres://:pw@h", "pw"),
        ("redis://u:p@ss@h", "ss"),
        ('password="correct horse" x', "horse"),
        ("password='correct horse' x", "horse"),
        (r'password="correct \" horse" x', "horse"),
        (r"password=\"correct horse\" x", "horse"),
        ('password="correct horse', "horse"),
        (r"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END", "MIIEow"),
        ("MIIEowIBAAKCAQEAx" + "xB3/" * 11 + "abc", "xB3/"),
        (GATEWAY + "FastCGI-stderr: " + "xB3/" * 16, "xB3/"),
        (r"\tpnu_abcdefghijkl", "abcdefghijkl"),
        (r"\xc3\xa9pnu_abcdefghijkl", "abcdefghijkl"),
        (r"\tBearer abcdefghijkl", "abcdefghijkl"),
        (rf"\n{JWT}", JWT[3:]),
        ("psycopg2.OperationalError: password=hunter2 host=db", "hunter2"),
        ("postgresql://prefect:hunter2@db/prefect", "hunter2"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_a_secret_is_not_there_any_more(line: str, secret: str) -> None:
    data = (line + "\n").encode()
    redacted = redact(data)
    assert secret.encode() not in redacted
    assert len(redacted) == len(data)
    columns, _ = parse(redacted, UTC)
    assert columns["secrets"].to_list() == [1]
    assert secret not in columns["message"].to_list()[0]


WORDS = st.sampled_from(
    ["Bearer", "token:", "password:", "Authorization: x", "missing ':' in x", "pnu_" + "a" * 20, JWT, "Basic",
     " username: alice", " IP: 1.1.1.1", "secret=abcdef", "://u:pw12345@", "*", "e", " "]
)  # fmt: skip
PATHS = st.lists(st.one_of(WORDS, st.text(string.printable[:95], max_size=8)), max_size=5).map("".join)


@given(PATHS, PATHS.map(lambda text: text.replace(":", "")), st.sampled_from(["192.0.2.7", "2001:db8::1"]))
@example("/Bearer", "bob", "192.0.2.7")
@example("/token: x", "bob", "192.0.2.7")
def test_no_client_can_hide_who_it_was(path: str, user: str, client: str) -> None:
    """Whatever it asks for and calls itself: time, event, address stay, and of the name what is no secret."""
    line = f"{HEAD}password doesn't match for /{path} username: {user} IP: {client}\n"
    columns, _ = parse(redact(line.encode()), UTC)
    [row] = columns.to_dicts()
    assert (row["event"], row["client"]) == ("login-failed", client)
    assert len(row["url"]) == len(path) + 1
    assert all(shown in (char, "*") for shown, char in zip(row["url"], "/" + path, strict=True))
    assert len(row["user"]) == len(user)
    assert all(shown in (char, "*") for shown, char in zip(row["user"], user, strict=True))
    kept = redact(line.encode()).decode()
    assert kept.endswith(f" IP: {client}\n")
    assert kept.startswith(f"{HEAD}password doesn't match for /")
    assert kept[len(HEAD) + 28 + len(path) :].startswith(" username: ")


LINES = st.lists(
    st.one_of(
        st.binary(max_size=60).filter(lambda line: b"\n" not in line and MASK not in line),
        st.sampled_from(
            [HEAD.encode() + b"missing ':' in x y z", b"token=abcdefgh", JWT.encode(), HEAD.encode()]
        ),
        PATHS.map(lambda path: (HEAD + path).encode()),
    ),
    max_size=6,
).map(b"\n".join)


@given(LINES)
def test_length_lines_and_everything_else_stay(data: bytes) -> None:
    redacted = redact(data)
    assert len(redacted) == len(data)
    assert [i for i, byte in enumerate(redacted) if byte == 10] == [i for i, b in enumerate(data) if b == 10]
    assert all(new in (old, MASK[0]) for new, old in zip(redacted, data, strict=True))
    assert redact(redacted) == redacted
    assert covers(redacted, data)
    columns, lengths = parse(redacted, UTC)
    assert lengths.sum() == len(data)
    assert len(columns) == len(lengths)


def test_a_log_is_recognised_whatever_was_redacted_when_it_was_stored() -> None:
    data = b"token=abcdefgh and more\n"
    assert covers(data, data)
    assert covers(b"token=" + MASK * 8 + b" and more\n", data)
    assert not covers(b"token=" + MASK * 8 + b" and less\n", data)
    assert not covers(data, data + b"x")


@given(LINES)
def test_the_quick_look_misses_nothing(data: bytes) -> None:
    """Line by line, each with every expression: the same is redacted."""
    expected = bytearray(data)
    start = 0
    for line in data.split(b"\n"):
        for begin, end in spans(data, start, start + len(line)):
            expected[begin:end] = MASK * (end - begin)
        start += len(line) + 1
    assert redact(data) == expected


@pytest.mark.parametrize(
    "line",
    [
        HEAD + "password doesn't match for /x username: bob IP: 192.0.2.7",
        HEAD.replace("mod_auth", "request") + "invalid header missing ':' -> 400",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "GET /x HTTP/1.1 bypass=1",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact(line.encode()) == line.encode()


def seconds(data: bytes) -> float:
    """Return the processor time that redacting ``data`` and reading it takes."""
    began = time.process_time()
    parse(redact(data), UTC)
    return time.process_time() - began


UNITS = [
    "-eyJ", ".eyJaaaaaa", "eyJaaaaaa.", "://a:", "://a:b@", "@", "pnu_", "pnu_aaaaaa.", "token: ", "token", "token =",
    'token="', "token='", "token=x ", 'password"', " password: ", "Basic ", "Basic aaaaaaaa,", "?token=", "?a", "[]%",
    "passw", "session", "a ", " ", "\\", "-----BEGIN PRIVATE KEY-----", "xB3/", "\r", "\xe9", "api", " != ", "), IP: x",
    " username: a IP: b", " username: ", ": wrong password, IP: x", " password: x", " timed out after writing ",
]  # fmt: skip
STARTS = [
    "",
    GATEWAY + "FastCGI-stderr: ",
    HEAD + "password doesn't match for /",
    HEAD + "digest: auth failed: uri mismatch (/",
    HEAD + "digest: auth failed for ",
    "2026-11-23 10:16:33: (h1.c.5) NOTE: a request from 192.0.2.7 for /",
    "2026-11-23 10:16:33: (mod_authn_gssapi.c.5) Trying to get TGT for user: ",
    "2026-11-23 10:16:33: (server.c.5) opening errorlog '",
]


@pytest.mark.parametrize("start", STARTS)
def test_hostile_lines_take_time_in_proportion(start: str) -> None:
    """Sixteen times as much takes about sixteen times as long: the expressions do not go back and forth."""
    slow = {}
    for unit in UNITS:
        few, many = (
            (start + unit * (size // len(unit)) + "\n").encode("latin-1") for size in (1 << 14, 1 << 18)
        )
        taken = seconds(many)
        if taken > 1 and taken > 4 * 16 * min(seconds(few) for _ in range(3)):
            slow[unit] = taken
    assert slow == {}
