"""Secrets in access logs never get past the redaction, and everything else does."""

import gzip
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.logformat import redact
from lpaudit.logformat.redact import _suspects, spans
from lpaudit.redaction import DISGUISED, MASK, covers

KEY = bytes(range(32))
SAMPLES = Path(__file__).resolve().parents[2] / "sample_logs"
COMBINED = (
    '192.0.2.1 - alice [23/Nov/2026:10:15:00 +0000] "GET {target} HTTP/1.1" 200 22 "{referer}" "{agent}"\n'
)

SECRETS = {
    "Prefect's": ("/x?api_key={}", "pnu_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"),
    "without a name": ("/x/{}/y", "pnb_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"),
    "a web token": ("/x?q={}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"),
    "AWS": ("/x?id={}", "AKIAIOSFODNN7EXAMPLE"),
    "GitHub": ("/x?id={}", "ghp_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9v"),
    "a parameter": ("/x?token={}&a=b", "hunter2"),
    "the last parameter": ("/x?a=b&client_secret={}", "correct-horse"),
    "in capitals": ("/x?PASSWORD={}", "Tr0ub4dor"),
    "percent-encoded": ("/x?password={}", "p%40ss%26word"),
    "in a URL": ("https://ci:{}@example.com/x", "correct-horse"),
    "a bearer's": ("/x?h=Bearer%20{}", "mF_9.B5f-4.1JqM"),
    "a short key of Prefect's": ("/x?of={}", "pnu_FAKE42"),
    "a key": ("/dashboard?key={}", "hunter2"),
    "a signature": ("/blob?sv=1&sig={}", "abc%2Fdef"),
    "by chance": ("/x?sig={}", "Zk3Qw9LrT2vBn8XcYp5HsD4fGj7mKa1e"),
}


def redacted(line: str, key: bytes | None = KEY) -> str:
    kept = redact(line.encode(), key)
    assert len(kept) == len(line.encode())
    assert covers(kept, line.encode())
    assert redact(kept, key) == kept
    return kept.replace(MASK, b"*").decode()


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("place", ["target", "referer", "agent"])
def test_a_secret_is_not_kept_wherever_it_is(name: str, place: str) -> None:
    pattern, secret = SECRETS[name]
    line = COMBINED.format(
        **({"target": "/", "referer": "-", "agent": "-"} | {place: pattern.format(secret)})
    )
    bare = re.sub("^(pn[ub]_|eyJ|AKIA|ghp_)", "", secret)
    kept = redacted(line)
    assert bare not in kept
    assert bare[:6] not in kept
    assert re.search(r"\*[a-z2-7]{4,16}\*", kept)
    before, _, after = line.partition(bare)
    assert kept.startswith(before)
    assert kept.endswith(after)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ('v=1 cookie="session=4f3c2b1a; theme=dark" st=200', "session=4f3c2b1a; theme=dark"),
        ('v=1 authorization="Basic YWxpY2U6aHVudGVyMg==" st=200', "YWxpY2U6aHVudGVyMg=="),
        ('{"m":"GET","authorization":"opaque","st":200}', "opaque"),
        (r'{"m":"GET","x_api_key": "a\"b\\c","st":200}', r"a\"b\\c"),
        ('v=1 q="api_key=sesame123&x=1"', "sesame123"),
        ("v=1 session_id=0123456789 st=200", "0123456789"),
    ],
)
def test_fields_that_are_named_like_a_secret(line: str, secret: str) -> None:
    kept = redacted(line + "\n")
    assert secret not in kept
    before, _, after = line.partition(secret)
    assert kept.startswith(before)
    assert kept.endswith(after + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "/api/flow_runs/0f4b2b5e-8c1d-4b7a-9a55-6c1f5a1d2e3f?client=0f4b2b5e-8c1d-4b7a-9a55-6c1f5a1d2e3f",
        "/api/csrf-token?client=0f4b2b5e-8c1d-4b7a-9a55-6c1f5a1d2e3f",
        "/api/work_pools/MyTeam-Production-WorkPool-2026-number-42/x?name=MyTeam-Production-WorkPool-2026-42",
        "/x?sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "/x?time=2026-11-23T10:15:00.123456Z&limit=200",
        "/api/block_documents/0f4b2b5e-8c1d-4b7a-9a55-6c1f5a1d2e3f?include_secrets=true",
        "/api/block_documents/0f4b2b5e-8c1d-4b7a-9a55-6c1f5a1d2e3f?include_secrets=False&limit=200",
        "/api/events/filter/next?page-token=eyJmaWx0ZXIiOnsib2NjdXJyZWQiOnsic2luY2UiOiIyMDI2LTExLTI0In19fQ==",
        "/x?cursor=YXJyYXljb25uZWN0aW9uOjEyMzQ1Njc4OTAxMjM0NTY3OA==",
        "/x?nextToken=AbcDef123ghiJkl456mnoPqr789stuVwx",
        "/x?monkey=banana&hotkey=abcdef&max_tokens=2048",
        '/x" key="etl" etag="W/3f786850e387550fdab836ed7e6dc881de23001b" flow="Basic ingestion" y="',
        "/Basic",
        "/x/Bearer",
        '/x" flow="Token refresher" run="basic computation" deployment="Basic etl-flow',
        "/tokens?a=b",
        "/secret/x",
        '/x" token_id="abcdef" token_type="Bearer" auth_jti="b7b7b7',
        '/x" cookie="-" authorization="-" secret="" y="',
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redacted(f'"GET {line} HTTP/1.1" 200\n') == f'"GET {line} HTTP/1.1" 200\n'


def test_the_same_secret_has_the_same_fingerprint_and_only_with_the_same_key() -> None:
    def fingerprint(text: str, key: bytes | None = KEY) -> str:
        (found,) = DISGUISED.findall(redact(text.encode(), key))
        return found.strip(MASK).decode()

    secret = "pnu_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
    ways = [f"/x?api_key={secret} ", f'"Bearer {secret}"', f"https://u:{secret}@h/ ", f"/{secret}/ "]
    assert len({fingerprint(way) for way in ways}) == 1
    assert len(fingerprint(ways[0])) == 16
    assert fingerprint(ways[0]) != fingerprint(ways[0], KEY[::-1])
    assert fingerprint(ways[0]) != fingerprint(ways[0].replace("A5", "A6"))
    assert fingerprint(ways[0], None) == ""
    assert fingerprint("/x?token=12345 ") == "", "too short to tell apart"


def test_a_log_is_recognised_whatever_key_it_was_stored_with() -> None:
    line = b'"GET /x?token=sesame123 HTTP/1.1"\n'
    for key in (None, KEY, KEY[::-1]):
        assert covers(redact(line, key), line)
        assert not covers(redact(line, key), line.replace(b"GET", b"PUT"))


@given(
    st.lists(
        st.sampled_from(
            ["token", "pass", "=", "&", "?", '"', ":", " ", "/", "@", "://", "Bearer ", "pnu_", "eyJ", ".", "\\",
             "AKIA", "aB3dE5fG7hJ9kL1mN3pQ5rS7", "0123456789", "session_id", "Api-Key", "\n", "%20", "é", "\x1a"]
        ),
        max_size=40,
    ),
    st.sampled_from([None, KEY]),
)  # fmt: skip
def test_every_line_is_looked_at_that_holds_one(parts: list[str], key: bytes | None) -> None:
    data = "".join(parts).encode()
    kept = redact(data, key)
    assert len(kept) == len(data)
    assert covers(kept, data)
    starts = {start for start, _ in _suspects(data)}
    start = 0
    for line in data.split(b"\n"):
        if list(spans(data, start, start + len(line))):
            assert start in starts
        elif start not in starts:
            assert kept[start : start + len(line)] == line
        start += len(line) + 1


UNITS = [
    "-eyJ", "eyJaaaaaa.", "://a:", "@", "pnu_", "token", 'token="', 'cookie="\\"', "Basic ", "Basic a-", "?token=", "?key=",
    "?page-token=", "cursor", '"', '"a=', "?a=aB3", "&x=aB3dE5fG7hJ9kL1mN3pQ5rS7tU9v", "[]%", "\\", "a", "=", " ", "sig",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_lines_take_time_in_proportion(unit: str) -> None:
    """Sixteen times as much takes about sixteen times as long: the expressions do not go back and forth."""

    def seconds(size: int) -> float:
        line = ('"GET ' + (unit * size)[:size] + "\n").encode()
        began = time.process_time()
        redact(line, KEY)
        return time.process_time() - began

    assert seconds(1 << 18) < max(1, 4 * 16 * min(seconds(1 << 14) for _ in range(3)))


@given(st.binary(max_size=400), st.sampled_from([None, KEY]))
def test_whatever_the_bytes_no_line_is_lost_or_made(data: bytes, key: bytes | None) -> None:
    kept = redact(data, key)
    assert len(kept) == len(data)
    assert covers(kept, data)
    assert [at for at, byte in enumerate(kept) if byte == 10] == [
        at for at, byte in enumerate(data) if byte == 10
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Basic eyJeyJabcd.ef.ghtoken=abcdef",
        "Basic eyJaaaaaaa\x1abbbbbbb",
        "?token=abcdefgh\x1abcdefgh&x",
        "?token=\x1a\x1aabcdefgh",
        '"\x1aBasic \x1aYWxpY2U6aHVudGVyMg=="',
        "?token=abcdefgh\x1a",
        "?token=abcdefgh;token=abcdefgh",
        "://u:secret@Basic YWxpY2U6aHVudGVyMg==",
        "GET /x?token=Basic HTTP/1.1",
        "GET /x?token=pnu_ HTTP/1.1",
        "GET /x?key=Bearer YWxpY2U6aHVudGVyMg== HTTP/1.1",
    ],
)
def test_a_redacted_line_is_as_long_as_it_was_and_can_be_recognised(line: str) -> None:
    """Else the log would look like another than the one that was stored, and be stored twice."""
    redacted(line)
    redacted(line, None)


SECRET_PARTS = [
    "Basic ",
    "Bearer",
    "HTTP/1.1",
    "key=",
    "eyJ",
    "eyJa.b.",
    "token=",
    "\x1a",
    "pnu_",
    "abcdefg2",
    "?",
    "&",
    '"',
    " ",
    ".",
    "\xff",
    "\n",
    "@",
    "://",
]


@given(st.lists(st.sampled_from(SECRET_PARTS), max_size=30), st.sampled_from([None, KEY]))
def test_a_log_is_recognised_whatever_is_in_it(parts: list[str], key: bytes | None) -> None:
    data = "".join(parts).encode("latin-1")
    kept = redact(data, key)
    assert covers(kept, data)
    assert redact(kept, key) == kept


def test_real_traffic_has_no_other_secrets_than_those_that_were_sent() -> None:
    """A hostile request, and 40 of a browser whose address had a key in it. Nothing is found in the other 16,140."""
    data = gzip.decompress((SAMPLES / "audit.log.gz").read_bytes())
    changed = [
        line
        for line, kept in zip(data.split(b"\n"), redact(data, KEY).split(b"\n"), strict=True)
        if line != kept
    ]
    assert [b"/j/secret" in line for line in changed].count(True) == 1
    assert [b"/dashboard?key=pnu_FAKE" in line for line in changed].count(True) == len(changed) - 1 == 40
