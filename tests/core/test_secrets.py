"""Secrets that the core finds are those that the expressions find: they say what a secret is."""

import gzip
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import logs
from lpaudit.core import secrets
from lpaudit.logformat import redact
from lpaudit.logformat.redact import spans
from lpaudit.redaction import disguises

SAMPLES = Path(__file__).resolve().parents[2] / "sample_logs"
PARTS = [
    b"pnu_", b"pnb_", b"eyJ", b"AKIA", b"IOSFODNN7EXAMPLE", b"ghp_", b"gho_", b"github_pat_", b"xoxb-", b"xoxs-", b"AIza",
    b"Basic", b"Bearer", b"Digest", b"Token", b" ", b"+", b"%20", b"HTTP/1", b"://", b":", b"@", b"?", b"&", b";", b"#", b'"',
    b"=", b'="', b'": "', b"\\", b"\\x", b"\\t", b"\\xc3", b"token", b"TOKEN", b"tokens", b"page", b"Next", b"continuation",
    b"-", b"_", b"type", b"id", b"fail", b"authorization", b"Authorisation", b"auth", b"key", b"string", b"access", b"api",
    b"cookie", b"credential", b"passw", b"passphrase", b"pass", b"private", b"pwd", b"secret", b"ssl_session", b"session",
    b"sig", b"signature", b"x-amz-signature", b"true", b"none", b"no", b"NULL", b"cursor", b".", b"[", b"]", b"/", b"a", b"Z", b"9",
    b"aB3dE5fG7hJ9kL1mN3pQ5rS7", b"0123456789ABCDEFGHIJ", b"abcdefghijklmnopqrst", b"a" * 17, b"b" * 38, b"1" * 30,
    b"\n", b"\r", b"\t", b"\xc3\xa9", b"\xff", b"\0", b"\x1a",
]  # fmt: skip


def check(data):
    """Compare what both find; return it."""
    theirs, start = [], 0
    for line in data.split(b"\n"):
        theirs += spans(data, start, start + len(line))
        start += len(line) + 1
    ours = secrets.secret_spans(data)
    assert sorted(set(ours)) == sorted(set(theirs))
    return ours


@settings(max_examples=2000, deadline=None)
@given(st.sets(st.sampled_from(PARTS), min_size=1, max_size=16).map(sorted), st.data())
def test_parts_of_secrets(few, data):
    check(b"".join(data.draw(st.lists(st.sampled_from(few), max_size=40))))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=30).map(b"".join))
def test_anything(data):
    check(b'10.0.0.1 gw1 - [x] "GET /x?' + data + b' HTTP/1.1" 200 5')


ONE_OF_EACH = [
    b"pnu_abcdef", b"pnb_abcdef", b"ghp_" + b"a" * 20, b"ghs_" + b"a" * 20, b"github_pat_" + b"a" * 20, b"eyJhbGci.eyJz.x",
    b"AKIAIOSFODNN7EXAMPLE", b"AIza" + b"b" * 35, b"xoxb-0123456789", b"Bearer abcdefgh", b"Basic YWxhZGRpbg==",
    b"Digest abcdefg1", b"Token abcdefg1", b"https://a:bcd@x/", b"?token=abcdef", b"?x=aB3dE5fG7hJ9kL1mN3pQ5rS7",
    b'"sig=abcdef"', b'cookie="abcdef"', b'"authorization": "abcdef"', b'"password":"abcdef"',
]  # fmt: skip


@pytest.mark.parametrize("secret", ONE_OF_EACH)
@pytest.mark.parametrize("around", [b" ", b"\n"])
def test_wherever_in_a_block_it_is(secret, around):
    """64 bytes are looked at at once, together with those beside them: at a block's begin and end there are none."""
    for before in range(140):
        for after in (0, 1, 2, 63, 64, 65, 66, 140 - before):
            assert check(b"." * before + around * (before > 0) + secret + around * (after > 0) + b"." * after)


def test_samples(tmp_path):
    logs.write(tmp_path / "log", 25_000)
    check((tmp_path / "log").read_bytes())
    found = check(gzip.decompress((SAMPLES / "audit.log.gz").read_bytes()))
    assert len(found) >= 41
    for sample in SAMPLES.glob("*.log"):
        check(sample.read_bytes())


def test_more_secrets_than_there_is_room_for_at_first():
    line = b"?token=abcdef&a=b" * 3 + b"\n"
    assert len(check(line * 5_000)) == 15_000
    assert len(check(line[:-1] * 5_000)) == 15_000, "in one line"


def test_a_log_that_is_full_of_secrets_is_read_by_the_core_alone(tmp_path, monkeypatch):
    """With expressions, a token in every line made an ingest take ten times as long."""
    logs.write(tmp_path / "log", 2500, tokens=True)
    data = (tmp_path / "log").read_bytes()
    for name in ("_suspects", "spans", "secret_spans"):
        monkeypatch.delattr(sys.modules[spans.__module__], name)
    assert len(disguises(redact(data, bytes(32)))) == 2500


@given(st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join))
def test_what_is_redacted_is_the_same(without, data):
    assert redact(data, bytes(32)) == without(redact, data, bytes(32))
