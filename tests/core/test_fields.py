"""The core in C reads what the expressions read, or leaves it to them: rows are the same either way."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from bench import logs
from lpaudit import core as c
from lpaudit.logformat import PRESETS, compile_layout, core, log_format_of
from lpaudit.logformat.lines import MAX_LINE
from lpaudit.logformat.parse import _by_expressions, parse
from lpaudit.model import Escaping

LAYOUTS = {name: compile_layout(preset.log_format(ZoneInfo("UTC"))) for name, preset in PRESETS.items()}
ODD_FORMATS = [
    "%a%b", "%l%l", "%l %l", "%h%u", "%s%b%O", "%b%s", "%{X}i%{Y}i", '%{X}i"%{Y}i', "%m%U%q", "%h é %u", "%u-%u",
    "%{begin:msec}t%{begin:msec_frac}t", "%{%H:%M:%S}t %p", "%{%Y-%m-%d %I:%M:%S %p}t %s", "%r", '"%r"', "%r %r",
    "%{sec}t.%{usec_frac}t %X%X", "%e%n %C %s", "\\t%h\\t%u\\t", "%%%s%%", '%h %u "%{X}i',
]  # fmt: skip
NASTY = [
    *(bytes([code]) for code in (*b'" \\\r\n\t\0-+/.0a9[]{}:', 0x1A, 0x7F, 0x80, 0xC3)),
    b"\\x41", b'\\"', b"\\\\", b"\\u00e9", "é".encode(), b"99999999999999999999", b"GET / HTTP/1.1", b"31/Feb/2026",
]  # fmt: skip


def check(layout, block):
    """Parse a block in both ways; return what the core has found of it."""
    ours, theirs = parse(layout, block), _by_expressions(layout, block)
    assert_frame_equal(ours.columns.select(theirs.columns.columns), theirs.columns)
    assert_series_equal(ours.lengths, theirs.lengths, check_names=False)
    return core.fields(layout, block, MAX_LINE)


@pytest.mark.parametrize("name", PRESETS)
def test_samples_of_every_format(name):
    lines = [line.encode() for line in PRESETS[name].samples]
    found = check(LAYOUTS[name], b"\n".join(lines) + b"\n")
    assert (found.marks > 0).sum() >= len(lines) - 2, "the core reads hardly anything"


@pytest.mark.parametrize("escapes", [False, True])
def test_a_log_with_odd_lines(tmp_path, escapes):
    logs.write(tmp_path / "log", 25_000, escapes=escapes)
    found = check(LAYOUTS["default"], (tmp_path / "log").read_bytes())
    assert (found.marks > 0).sum() > 24_900
    assert (found.marks == 2).sum() >= (25_000 if escapes else 1)


@pytest.mark.parametrize(
    "block", [b"", b"\n", b"\n\n", b"x", b"\r\n", b"\n" * 100_000, b"\\\n\\", b"\0\n" * 9]
)
def test_blocks_without_a_line(block):
    for layout in LAYOUTS.values():
        check(layout, block)


def test_a_line_that_is_too_long():
    line = PRESETS["combined"].samples[0].encode()
    at = line.rindex(b'"')
    for more in (MAX_LINE - len(line) - 1, MAX_LINE - len(line)):
        long = line[:at] + b"a" * more + line[at:]
        found = check(LAYOUTS["combined"], line + b"\n" + long + b"\n" + line + b"\n")
        assert (found.marks > 0).to_list() == [True, len(long) < MAX_LINE, True]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_lines(data):
    name = data.draw(st.sampled_from(sorted(PRESETS)))
    samples = [line.encode() for line in PRESETS[name].samples]
    lines = []
    for line in data.draw(st.lists(st.sampled_from(samples), max_size=6)):
        damaged = bytearray(line)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(damaged)))
            damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from(NASTY))
        lines.append(bytes(damaged))
    check(LAYOUTS[name], b"\n".join(lines) + data.draw(st.sampled_from([b"", b"\n", b"\r\n", b"\n\n"])))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(ODD_FORMATS),
    st.sampled_from(Escaping),
    st.lists(
        st.lists(st.sampled_from([*NASTY, b"a", b" ", b"-", b"200", "é".encode()]), max_size=8), max_size=6
    ),
)
def test_formats_that_leave_a_choice(format_string, escaping, parts):
    layout = compile_layout(log_format_of(format_string, escaping, ZoneInfo("UTC")))
    check(layout, b"\n".join(map(b"".join, parts)))


def test_what_the_core_does_not_know_it_leaves():
    def program(format_string):
        return core._program(compile_layout(log_format_of(format_string, Escaping.JSON, ZoneInfo("UTC"))))

    assert program("%l%l") is None, "two that are as short as can be"
    assert program("%h é %u") is None, "a literal that is not ASCII"
    assert program("%l %s").names == ("g0", "g1")


def test_without_the_core_lines_are_read_all_the_same(monkeypatch, library):
    line = PRESETS["combined"].samples[0].encode() + b"\n"
    for name, value in (
        ("SWITCH", "PATH_OF_NOBODY"),
        ("LIBRARY", library.with_name("none")),
        ("_VERSION", -1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(c, name, value)
            patch.setenv("PATH_OF_NOBODY", "0")
            c.library.cache_clear()
            assert core.fields(LAYOUTS["combined"], line, MAX_LINE) is None
            assert parse(LAYOUTS["combined"], line).columns["reject_reason"].to_list() == [None]
    c.library.cache_clear()


@pytest.mark.parametrize(
    ("format_string", "parts"),
    [
        ("%t%u", ["[29/Nov/2026:01:02:03 +0000]", "[29/Nov/2026:01:02:0", "3", " +0000]", "a", "]"]),
        ("%h %t", ["::1 ", "[29/Nov/2026:01:02:03 +0000]", "[29/Nov/2026:01:02:03 ", "+0000]", "\\", "\r"]),
        ("%{%H:%M:%S %Z}t%u", ["12:00:01 CE", "T", " "]),
        ("%{%H:%M:%S %Z}t", ["12:00:01 CE", "T", "\r", "\r"]),
        ("%u%{%Y-%m-%d %H:%M}t", ["a", "2026-11-29 01:02", "2026-11-29 01:0", "2"]),
    ],
)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_time_that_comes_again_is_read_like_the_first_one(format_string, parts, data):
    """What the line before had is skipped: only where it is the same, and what follows it is not of it."""
    line = st.lists(st.sampled_from(parts), max_size=4).map("".join)
    block = "\n".join(data.draw(st.lists(line, max_size=8))) + data.draw(st.sampled_from(["\n", ""]))
    check(compile_layout(log_format_of(format_string, Escaping.DEFAULT, ZoneInfo("UTC"))), block.encode())
