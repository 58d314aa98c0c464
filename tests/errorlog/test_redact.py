"""Secrets never get past the redaction; what lighttpd itself says always does."""

import string
import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lpaudit.errorlog import parse, redact
from lpaudit.redaction import MASK, covers

UTC = ZoneInfo("UTC")
HEAD = "2026-11-23 10:16:33: (mod_auth.c.850) "
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
    kept = user.strip(" ")
    assert len(row["user"]) == len(kept)
    assert all(shown in (char, "*") for shown, char in zip(row["user"], kept, strict=True))


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


@pytest.mark.parametrize(
    "unit", [b"-eyJ", b"://a:", b"pnu_", b"token: ", b" password: ", b"Basic ", b"?token="]
)
def test_hostile_lines_take_time_in_proportion(unit: bytes) -> None:
    """Four times as much takes about four times as long: the expressions do not go back and forth."""

    def seconds(size: int) -> float:
        data = (unit * (size // len(unit)) + b"\n") * 2
        began = time.process_time()
        redact(data)
        return time.process_time() - began

    small = min(seconds(50_000) for _ in range(3))
    large = min(seconds(200_000) for _ in range(3))
    assert large < 12 * max(small, 0.002)
