"""What a field holds is a secret if its directive says so, whatever it looks like."""

import json
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.logformat import Layout, compile_layout, parse, redact_fields
from lpaudit.model import Escaping, LogFormat
from lpaudit.redaction import MASK, covers

KEY = bytes(range(32))
COMBINED = '%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
LINE = '192.0.2.7 gw bob [23/Nov/2026:10:15:00 +0000] "GET /x HTTP/1.1" 200 5 "-" '


def layout(text: str, escaping: Escaping = Escaping.DEFAULT) -> Layout:
    return compile_layout(LogFormat(f"of {text}", text, escaping, UTC))


def redacted(data: bytes, *layouts: Layout, key: bytes | None = KEY) -> bytes:
    kept = redact_fields(layouts, data, key)
    assert len(kept) == len(data)
    assert covers(kept, data)
    assert redact_fields(layouts, kept, key) == kept
    return kept


@pytest.mark.parametrize(
    ("directive", "secret"),
    [
        ("%{Cookie}i", "a=b; sid=4f3c2b1a"),
        ("%{Authorization}i", "opaque-0815"),
        ("%{X-Api-Key}i", r"with \"quotes\" \xC3\xBC"),
        ("%{session}C", "4f3c2b1a"),
        ("%{PHPSESSID}C", "4f3c2b1a"),
        ("%{AUTH_TOKEN}e", "x"),
        ("%{Set-Cookie}o", "sid=4f3c2b1a; HttpOnly"),
    ],
)
def test_a_field_that_its_directive_names_a_secret(directive: str, secret: str) -> None:
    format_string = COMBINED.replace("%{User-Agent}i", directive)
    line = f'{LINE}"{secret}"\n'.encode()
    kept = redacted(line, layout(format_string))
    start = len(LINE) + 1
    assert kept[start : start + len(secret.encode())].startswith(MASK)
    assert kept[start : start + len(secret.encode())].endswith(MASK)
    assert kept[:start] + kept[-2:] == line[:start] + b'"\n'


@pytest.mark.parametrize(
    "directive",
    ["%{User-Agent}i", "%{X-Anything}i", "%{sid}C", "%{theme}C", "%{AUTH_JTI}e", "%{REMOTE_USER}n"],
)
def test_other_fields_stay(directive: str) -> None:
    line = f'{LINE}"anything"\n'.encode()
    assert redacted(line, layout(COMBINED.replace("%{User-Agent}i", directive))) == line


@pytest.mark.parametrize("absent", ["-", ""])
def test_what_is_absent_is_no_secret(absent: str) -> None:
    line = f'{LINE}"{absent}"\n'.encode()
    assert redacted(line, layout(COMBINED.replace("%{User-Agent}i", "%{session_id}C"))) == line


def test_what_kind_of_token_it_is_stays() -> None:
    kept = redacted(b'"Bearer opaque-0815"\n"Basic YTpi"\n', layout('"%{Authorization}i"'))
    assert kept.replace(MASK, b"*").startswith(b'"Bearer *')
    assert kept.replace(MASK, b"*").endswith(b'*"\n"Basic ****"\n')


def test_each_line_is_read_in_the_first_format_that_fits_it() -> None:
    cookie = layout(COMBINED.replace("%{User-Agent}i", "%{Cookie}i"))
    longer = layout(COMBINED + ' "%{Cookie}i"')
    plain = f'{LINE}"curl"\n'.encode()
    both = plain + f'{LINE}"curl" "sid=1234567890"\n'.encode() + b"no line of ours sid=1234567890\n"
    assert redacted(plain, layout(COMBINED), cookie) == plain
    kept = redacted(both, layout(COMBINED), longer).split(b"\n")
    assert kept[0] + b"\n" == plain
    assert b"1234567890" not in kept[1]
    assert kept[2:] == both.split(b"\n")[2:]


def test_bytes_are_counted_and_not_characters() -> None:
    """With JSON escaping whatever a client sent is in the line, also what is no UTF-8."""
    line = '{"é":"☃","c":"ü-'.encode() + b"\xff\xfe" + '☃","ua":"é"}\n'.encode()
    kept = redacted(line, layout('{"é":"%{X-A}i","c":"%{Cookie}i","ua":"%{User-Agent}i"}', Escaping.JSON))
    assert kept.startswith('{"é":"☃","c":"'.encode() + MASK)
    assert kept.endswith(MASK + '","ua":"é"}\n'.encode())


@given(
    st.lists(st.tuples(*[st.text('ab =;\\-é☃"x%', max_size=6)] * 3), min_size=1, max_size=5),
    st.sampled_from(Escaping),
    st.sampled_from(['%{X-A}i "%{Cookie}i" %s %{X-B}i', '"%{X-A}i" %{token}C\t%s é%{X-B}i', "%{X-A}i%s%{Cookie}i %{X-B}i"]),
)  # fmt: skip
def test_what_is_disguised_is_what_is_read(
    values: list[tuple[str, str, str]], escaping: Escaping, text: str
) -> None:
    """Whatever the lines: where one can be read, the secret's text is what would have been in its column."""
    layouts = (layout(text, escaping),)
    template = text.replace("%{X-A}i", "{0}").replace("%{Cookie}i", "{1}").replace("%{token}C", "{1}")
    template = template.replace("%s", "200").replace("%{X-B}i", "{2}") + "\n"
    for value in values:
        line = template.format(*value).encode()
        kept = redacted(line, *layouts, key=None)
        (before,), (after,) = (
            parse(layouts[0], data.replace(MASK, b"*")).columns.select("fields", "reject_reason").rows()
            for data in (line, kept)
        )
        assert before[1] == after[1]
        old, new = ({pair["key"]: pair["value"] for pair in fields or ()} for fields in (before[0], after[0]))
        assert {k: v for k, v in old.items() if k.startswith("%{X-")} == {
            k: v for k, v in new.items() if k.startswith("%{X-")
        }
        secrets = [v for k, v in new.items() if not k.startswith("%{X-")]
        assert all(set(secret) <= {"*", "-"} for secret in secrets if secret)


def test_it_is_in_no_file_of_the_store(tmp_path: Path, lpaudit) -> None:
    told = ("--log-format", COMBINED.replace("%{User-Agent}i", "%{Cookie}i"))
    (tmp_path / "access.log").write_text(f'{LINE}"sid=4f3c2b1a"\n{LINE}"sid=4f3c2b1a"\n{LINE}"-"\n')
    ran = lpaudit("ingest", *told, "access.log")
    assert ran.returncode == 0, ran.stderr
    for file in (tmp_path / "lpaudit-store").rglob("*"):
        if file.is_file():
            assert b"4f3c2b1a" not in file.read_bytes(), file
    assert "nothing new" in lpaudit("ingest", *told, "access.log").stdout
    ran = lpaudit("sql", "--format", "jsonl", "select field, fingerprint from leaked_secret")
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row["field"] for row in found] == ["fields", "fields"]
    assert len({row["fingerprint"] for row in found}) == 1
    verified = lpaudit("verify", "--full").stdout
    assert "changed" not in verified
    assert "compared with" in verified
