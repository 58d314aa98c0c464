"""What is written as lighttpd writes it is read as it was."""

from dataclasses import replace

import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import FRAC, layout, normalised, plain, preset, rows
from writer import ESCAPINGS, cases

from lpaudit.logformat import parse

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("escaping", ESCAPINGS)
@quick
@given(data=st.data())
def test_a_written_line_comes_back(escaping: str, data: st.DataObject) -> None:
    case = data.draw(cases(ESCAPINGS[escaping]))
    json = escaping.startswith("json")
    expected = case.expected
    assert oracle.read(case.line, case.format_string, json=json) == expected, "the oracle"
    parsed = parse(layout(case.format_string, json=json), case.line + b"\n")
    assert plain(parsed.columns) == [expected]
    assert normalised(parsed) == [expected]


@pytest.mark.parametrize("escaping", ["default", "json"])
@quick
@given(data=st.data())
def test_fast_and_full_agree(escaping: str, data: st.DataObject) -> None:
    case = data.draw(cases(ESCAPINGS[escaping]))
    compiled = layout(case.format_string, json=escaping == "json")
    # A line that no fast expression matches: nothing stands before the first byte.
    only_full = replace(compiled, fast=(r"^(?P<head>\x{01})", *compiled.fast))
    lines = case.line + b"\n" + data.draw(mangled(case.line)) + b"\n"
    assert rows(compiled, lines) == rows(only_full, lines)


@st.composite
def mangled(draw: st.DrawFn, line: bytes) -> bytes:
    """A line with a few bytes changed, dropped or doubled."""
    data = bytearray(line)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        new = draw(
            st.sampled_from([b"", b'"', b"\\", b" ", b"-", b"%", b"\x00", b"\xe9", b"9", b"/", b"\r", b"?"])
        )
        data[at : at + draw(st.integers(0, 2))] = new
    return bytes(data).replace(b"\n", b"")


SAMPLES = {
    "default": b'127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET /a?b HTTP/1.1" 404 22 "-" "x\\"y"',
    "combined": b'::1 - a b [23/Nov/2026:10:15:45 +0100] "GET /a b HTTP/1.1" 404 - "-" "\\xC3\\xBC"',
    "auditjson": (
        b'{"v":1,"ts":"2026-11-23T10:15:45.598600","end_us":1795428945654891,"dur_us":56292,"ra":"127.0.0.1",'
        b'"rp":45442,"ka":0,"x":"+","user":"b\xc3\xbc","m":"GET","url":"/j/ok","q":"","proto":"HTTP/1.1","st":404,'
        b'"in":"72","out":"185","body":"22","host":"rig","ua":"\xe9\\\\","ref":"\\u0007","frid":"-","tp":"-",'
        b'"r":"GET /j/ok HTTP/1.1"}'
    ),
    "frac": b'1795428968/000 1795428969009 -1 8490 "GET /nope.txt HTTP/1.0" 404',
}
LAYOUTS = {name: layout(FRAC) if name == "frac" else preset(name) for name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
@quick
@given(data=st.data())
def test_mangled_samples_fast_and_full_agree(name: str, data: st.DataObject) -> None:
    compiled = LAYOUTS[name]
    only_full = replace(compiled, fast=(r"^(?P<head>\x{01})", *compiled.fast))
    block = b"".join(data.draw(mangled(SAMPLES[name])) + b"\n" for _ in range(4))
    assert rows(compiled, block) == rows(only_full, block)


@pytest.mark.parametrize("name", SAMPLES)
@quick
@given(data=st.data())
def test_mangled_samples_are_read_as_the_oracle_reads_them(name: str, data: st.DataObject) -> None:
    compiled = LAYOUTS[name]
    line = data.draw(mangled(SAMPLES[name]))
    expected = oracle.read(
        line, compiled.log_format.format_string, json=compiled.log_format.escaping == "json"
    )
    (got,) = rows(compiled, line + b"\n")
    if expected is None:
        assert "reject_reason" in got
    else:
        assert got == expected


# Lines as hostile as they come: pieces of good lines among anything.
hostile_lines = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([*SAMPLES.values(), b"", b"\r", b" ", b'"', b"\\", b"\xff\xfe", b"\x00" * 3]),
        st.sampled_from(list(SAMPLES.values())).flatmap(mangled),
    ),
    max_size=8,
)


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    ends = st.sampled_from([b"\n", b"\r\n", b"\n"])
    data = b"".join(line + draw(ends) for line in draw(hostile_lines))
    if draw(st.booleans()):
        data += draw(st.binary(max_size=20))
    return data


@pytest.mark.parametrize("name", SAMPLES)
@quick
@given(block=blocks().filter(bool))
def test_any_bytes_become_one_row_a_line(name: str, block: bytes) -> None:
    parsed = parse(LAYOUTS[name], block)
    assert parsed.lengths.to_list() == [len(line) for line in _split(block)]
    assert sum(parsed.lengths) == len(block)
    assert parsed.columns.height == len(_split(block))
    for row in plain(parsed.columns):
        if "reject_reason" in row:
            assert set(row) <= {"reject_reason", "raw"}
        else:
            assert "raw" not in row
    normalised(parsed)


@pytest.mark.parametrize("name", SAMPLES)
@quick
@given(block=blocks().filter(bool))
def test_a_line_is_read_alike_in_any_company(name: str, block: bytes) -> None:
    together = rows(LAYOUTS[name], block)
    alone = [row for line in _split(block) for row in rows(LAYOUTS[name], line)]
    assert together == alone


def _split(block: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in block.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
