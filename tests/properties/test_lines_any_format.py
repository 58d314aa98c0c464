"""Any request, written in any format, comes back: formats that lighttpd takes, not those that people choose."""

import time
from dataclasses import replace
from zoneinfo import ZoneInfo

import oracle
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from imitation import BILLION, Request, expected, render, repeated_hour
from reading import layout, normalised, plain, rows
from writer import ADDRESSES, ESCAPINGS, METHODS, PROTOCOLS, nasty

from lpaudit.logformat import parse

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Chatham"]
NAMES = ["X-Anything", "Accept", "a", "über", "x y", "%", "Cookie", "AUTH_JTI"]
HEADER_NAMES = ["Referer", "USER-AGENT", "X-Forwarded-For", "x-prefect-flow-run-id", "traceparent", *NAMES]
STRFTIME = [
    "%Y-%m-%dT%H:%M:%S%z",
    "%d/%b/%Y:%T",
    "%s",
    "%c",
    "%FT%TZ%Z",
    "[%a, %e %B %Y %r %z]",
    "%G-W%V-%u %X %z",
]

numbers = st.one_of(st.just(0), st.integers(0, 2**40))
nanoseconds = st.one_of(
    st.integers(BILLION, 3_000_000_000 * BILLION),
    st.builds(
        lambda second, part: second * BILLION + part,
        st.integers(1, 3_000_000_000),
        st.sampled_from([0, 1, 999_000_001, 999_999_000, 999_999_001, 999_999_999]),
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    begin = draw(nanoseconds)
    end = begin + draw(st.one_of(st.integers(-2 * BILLION, 100 * BILLION), st.sampled_from([0, 1, -1])))
    client = draw(st.sampled_from([a for a in ADDRESSES if a]))
    texts = st.dictionaries(st.sampled_from([name.lower() for name in HEADER_NAMES]), nasty, max_size=8)
    return Request(
        method=draw(st.sampled_from(METHODS)).encode(),
        target_orig=draw(nasty),
        target=draw(nasty),
        query=draw(nasty),
        protocol=draw(st.sampled_from(PROTOCOLS)).encode(),
        status=draw(st.integers(100, 999)),
        begin=begin,
        end=end,
        cached_second=max(end // BILLION - draw(st.sampled_from([0, 0, 1])), 0),
        bytes_in=draw(numbers),
        bytes_out=draw(numbers),
        header_bytes=draw(st.integers(0, 1000)),
        client=client,
        masked=draw(st.sampled_from(["192.0.2.0", "2001:db8:1::", "::"])),
        client_port=draw(st.integers(0, 65_535)),
        server=draw(st.sampled_from(["", "0.0.0.0", "[::]", "127.0.0.1", "/run/lighttpd.sock"])),
        server_port=draw(st.integers(0, 65_535)),
        number=draw(st.integers(0, 2**31 - 1)),
        state=draw(st.sampled_from("+-X")),
        path=draw(nasty),
        authority=draw(nasty),
        server_name=draw(nasty),
        headers=draw(texts),
        answered={"location": draw(nasty), "x-anything": draw(nasty)},
        environment=draw(
            st.dictionaries(st.sampled_from(["REMOTE_USER", "SSL_CIPHER", "AUTH_JTI", "x y"]), nasty)
        ),
        cookies=draw(st.dictionaries(st.sampled_from(NAMES), nasty, max_size=3)),
        zone=draw(st.sampled_from(ZONES)),
    )


names = st.sampled_from(NAMES)
modified = st.tuples(st.sampled_from(["", "<", ">"]), st.sampled_from("abBhHIklmOpqrsuUvVXADTfAr")).map(
    "".join
)
ignored = st.tuples(names, st.sampled_from("bBDfHIkmOqrsuUvVXAPl")).map(lambda t: f"{{{t[0]}}}{t[1]}")
named = st.one_of(
    st.sampled_from(HEADER_NAMES).map(lambda name: f"{{{name}}}i"),
    names.map(lambda name: f"{{{name}}}C"),
    st.sampled_from(["REMOTE_USER", "SSL_CIPHER", "SSL_PROTOCOL", *NAMES]).map(lambda name: f"{{{name}}}e"),
    names.map(lambda name: f"{{{name}}}n"),
    st.sampled_from(["Location", *NAMES]).map(lambda name: f"{{{name}}}o"),
    st.sampled_from(
        ["{mask}a", "{mask}h", "{canonical}p", "{local}p", "{remote}p", "P", "<P", "i", "o", "C"]
    ),
    st.sampled_from(["s", "sec", "ms", "msec", "us", "usec", "ns", "nsec"]).map(lambda unit: f"{{{unit}}}T"),
)
times = st.tuples(
    st.sampled_from(["", "begin:", "end:"]),
    st.sampled_from(["msec", "usec", "nsec", "msec_frac", "usec_frac", "nsec_frac"]),
).map(lambda t: f"{{{t[0]}{t[1]}}}t")
# lighttpd takes one of these in a format.
clocks = st.one_of(
    st.just("t"),
    st.tuples(st.sampled_from(["", "begin:", "end:"]), st.sampled_from(["sec", *STRFTIME])).map(
        lambda t: f"{{{t[0]}{t[1]}}}t"
    ),
)

SILENT = {"P", "<P", "i", "o", "C", *(f"{{{name}}}{letter}" for name in NAMES for letter in "lP")}

# No value holds one of these: it ends there. What stands behind may be anything.
fences = st.sampled_from(['"', r"\"", r"\t", r"\a", "\x01", "\x1f", r"\v"])
anything = st.text(
    st.one_of(st.characters(codec="utf-8", exclude_characters="\\%\n"), st.sampled_from("-+/09 .aé")),
    max_size=4,
)
literals = st.lists(
    st.one_of(anything, st.sampled_from(["%%", "%<%", "%>%", r"\\", r"\"", r"\%%", r"\q", r"\r", "\x7f"])),
    max_size=3,
).map("".join)


@st.composite
def formats(draw: st.DrawFn) -> str:
    directives = draw(st.lists(st.one_of(modified, ignored, named, times), max_size=12))
    directives += draw(st.lists(clocks, max_size=1))
    assume(not set(directives) <= SILENT)
    format_string = draw(literals)
    for directive in draw(st.permutations(directives)):
        if directive.endswith("_frac}t"):
            # Its carry changes what stands right before it: a literal of two characters, and none that ends
            # in a byte that cannot be one more.
            format_string += "." + draw(st.sampled_from([".", ",", " ", "0", "é", r"\t", "%%"]))
        elif draw(st.booleans()):
            format_string += " %l "  # literal text, to lighttpd
        elif format_string.endswith(r"\\"):
            # JSON escaping: a byte behind a lone backslash that is not UTF-8 makes the line unreadable.
            format_string += "."
        format_string += "%" + directive + draw(fences) + draw(literals)
    return format_string


def settings_of(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def check(escaping: str, data: st.DataObject) -> None:
    request, format_string = data.draw(requests()), data.draw(formats())
    needs_zone = "%d/%b/%Y:%T}" in format_string or "%c}" in format_string
    moment = request.begin // BILLION if "begin:%" in format_string else request.cached_second
    assume(not (needs_zone and repeated_hour(request.zone, moment)))
    line = render(format_string, request, escaping)
    assume(b"\n" not in line)  # a carry made it of a tab: lighttpd's own doing
    wanted = expected(format_string, request)
    json = escaping.startswith("json")
    zone = ZoneInfo(request.zone)
    assert oracle.read(line, format_string, json=json, zone=zone) == wanted, "the oracle"
    compiled = layout(format_string, json=json, zone=request.zone)
    parsed = parse(compiled, line + b"\n")
    assert plain(parsed.columns) == [wanted]
    assert normalised(parsed) == [wanted]
    only_full = replace(compiled, fast=(r"^(?P<head>\x{00}\x{00}\x{00})", *compiled.fast))
    assert rows(only_full, line + b"\n") == [wanted]


@pytest.mark.parametrize("escaping", ESCAPINGS)
@settings_of(60)
@given(data=st.data())
def test_any_request_in_any_format(escaping: str, data: st.DataObject) -> None:
    check(escaping, data)


@pytest.mark.soak
@pytest.mark.parametrize("escaping", ESCAPINGS)
@settings_of(20_000)
@given(data=st.data())
def test_very_many_requests_in_very_many_formats(escaping: str, data: st.DataObject) -> None:
    check(escaping, data)


@st.composite
def broken(draw: st.DrawFn, line: bytes) -> bytes:
    """A block of what is left of a line after an accident, among anything."""
    block = bytearray()
    for _ in range(draw(st.integers(1, 4))):
        data = bytearray(line)
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(data)))
            data[at : at + draw(st.integers(0, 3))] = draw(
                st.one_of(st.sampled_from(ACCIDENTS), st.binary(max_size=5))
            )
        block += data + draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n\x00\n", b"\n\xef\xbb\xbf"]))
    return bytes(block[: len(block) - draw(st.integers(0, 3))])


ACCIDENTS = [
    b'"',
    b"\\",
    b" ",
    b"-",
    b"\x00",
    b"\xe9",
    b"9",
    b"/",
    b"1",
    b"\r",
    b"\t",
    b"\n",
    b"",
    b"\\x",
    b":",
]


def check_broken(escaping: str, data: st.DataObject) -> None:
    request, format_string = data.draw(requests()), data.draw(formats())
    block = data.draw(broken(render(format_string, request, escaping)))
    json, zone = escaping.startswith("json"), ZoneInfo(request.zone)
    compiled = layout(format_string, json=json, zone=request.zone)
    parsed = parse(compiled, block)
    lines = [line + b"\n" for line in block.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    lines = [line for line in lines if line]
    assert parsed.lengths.to_list() == [len(line) for line in lines]
    found = normalised(parsed)
    assert found == plain(parsed.columns)
    assert found == [row for line in lines for row in rows(compiled, line)], "alone and together"
    for line, row in zip(lines, found, strict=True):
        if not line.endswith(b"\n"):
            row.pop("parse_note", None)
        if "reject_reason" in row:
            shown = line.rstrip(b"\n").decode("utf-8", "backslashreplace").rstrip("\r")
            assert row == {"reject_reason": row["reject_reason"], "raw": shown}
        again = oracle.read(line, format_string, json=json, zone=zone)
        if again is not None and not line.endswith(b"\n"):
            again.pop("parse_note", None)
        assert (row if "raw" not in row else None) == again


@pytest.mark.parametrize("escaping", ["default", "json"])
@settings_of(60)
@given(data=st.data())
def test_any_bytes_in_any_format(escaping: str, data: st.DataObject) -> None:
    """Never a crash, never a line more or less, and nothing read that the second reader does not read."""
    check_broken(escaping, data)


@pytest.mark.soak
@pytest.mark.parametrize("escaping", ["default", "json"])
@settings_of(20_000)
@given(data=st.data())
def test_very_many_bytes_in_very_many_formats(escaping: str, data: st.DataObject) -> None:
    check_broken(escaping, data)


@pytest.mark.soak
@settings_of(200)
@given(data=st.data())
def test_time_grows_with_size_in_any_format(data: st.DataObject) -> None:
    """Four times the bytes: four times the time if linear, sixteen times if quadratic."""
    format_string = data.draw(formats())
    line = render(format_string, data.draw(requests()), "default")
    filler = data.draw(st.one_of(st.sampled_from(ACCIDENTS).filter(bool), st.binary(min_size=1, max_size=4)))
    at = data.draw(st.integers(0, len(line)))
    compiled = layout(format_string, json=data.draw(st.booleans()))
    took = []
    for size in (50_000, 200_000):
        longer = line[:at] + filler * (size // len(filler)) + line[at:]
        start = time.process_time()
        parse(compiled, longer)
        took.append(time.process_time() - start)
    assert took[1] < 10 * took[0] + 0.5
