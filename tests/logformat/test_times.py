"""Times: clocks, epochs, fractions, strftime forms with and without a zone."""

from datetime import UTC, datetime

import pytest
from reading import layout, normalised, rejected, row, rows

from lpaudit.logformat import parse

ISO = "%{begin:%Y-%m-%dT%H:%M:%S}t"
ZONED = "%{begin:%Y-%m-%d %H:%M:%S %z}t"


def utc(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23/Nov/2026:10:15:45 +0000", utc(2026, 11, 23, 10, 15, 45)),
        ("23/Nov/2026:10:15:45 +0530", utc(2026, 11, 23, 4, 45, 45)),
        ("23/Nov/2026:10:15:45 -0800", utc(2026, 11, 23, 18, 15, 45)),
        ("29/Feb/2024:00:00:00 +0000", utc(2024, 2, 29)),
        ("29/Feb/2000:00:00:00 +0000", utc(2000, 2, 29)),
        ("31/Dec/1999:23:59:59 -0100", utc(2000, 1, 1, 0, 59, 59)),
        ("01/Jan/1970:00:00:00 +0000", utc(1970, 1, 1)),
        ("31/Dec/9999:23:59:59 +0000", utc(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_clock(text: str, expected: datetime) -> None:
    assert row("%t", f"[{text}]".encode()) == {"event_end": expected}


@pytest.mark.parametrize(
    "text",
    [
        "31/Feb/2026:10:15:45 +0000",
        "29/Feb/2026:10:15:45 +0000",
        "29/Feb/2100:10:15:45 +0000",
        "00/Jan/2026:10:15:45 +0000",
        "32/Jan/2026:10:15:45 +0000",
        "23/Foo/2026:10:15:45 +0000",
        "23/Nov/2026:24:00:00 +0000",
        "23/Nov/2026:10:60:45 +0000",
        "23/Nov/2026:10:15:61 +0000",
        "23/Nov/2026:10:15:45 +9999",
        "01/Jan/0000:00:00:00 +0000",
        "31/Dec/9999:23:59:59 -0100",
    ],
)
def test_no_such_time(text: str) -> None:
    assert rejected("%t", f"[{text}]".encode()) == "bad-timestamp"


@pytest.mark.parametrize(
    "text", ["", "-", "[]", "23/Nov/2026:10:15:45 +0000", "[23/nov/2026:10:15:45 +0000]"]
)
def test_not_a_clock(text: str) -> None:
    assert rejected("%t %s", f"{text} 200".encode()) == "no-match"


def test_a_bad_clock_rejects_its_line_even_if_another_time_is_good() -> None:
    bad = b"[31/Feb/2026:00:00:00 +0000]"
    assert rejected("%t %{end:usec}t", bad + b" 1795428968000000") == "bad-timestamp"
    assert rejected("%{end:usec}t %t", b"1795428968000000 " + bad) == "bad-timestamp"


def test_a_leap_second_is_the_next_second() -> None:
    assert row("%t", b"[31/Dec/2016:23:59:60 +0000]") == {"event_end": utc(2017, 1, 1)}


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("sec", 1795428968, utc(2026, 11, 23, 10, 16, 8)),
        ("msec", 1795428968123, utc(2026, 11, 23, 10, 16, 8, 123000)),
        ("usec", 1795428968123456, utc(2026, 11, 23, 10, 16, 8, 123456)),
        ("nsec", 1795428968123456789, utc(2026, 11, 23, 10, 16, 8, 123456)),
        ("sec", 0, utc(1970, 1, 1)),
        ("nsec", 2**63 - 1, utc(2262, 4, 11, 23, 47, 16, 854775)),
        ("usec", 253402300799999999, utc(9999, 12, 31, 23, 59, 59, 999999)),
    ],
)
@pytest.mark.parametrize("which", ["begin", "end"])
def test_epochs(which: str, unit: str, number: int, expected: datetime) -> None:
    column = "event_start" if which == "begin" else "event_end"
    assert row(f"%{{{which}:{unit}}}t", b"%d" % number) == {column: expected}


@pytest.mark.parametrize("unit", ["sec", "msec", "usec"])
def test_epochs_beyond_the_year_9999(unit: str) -> None:
    per_second = {"sec": 1, "msec": 10**3, "usec": 10**6}[unit]
    for number in (253_402_300_800 * per_second, 2**63 - 1, 2**63, 10**30):
        assert rejected(f"%{{end:{unit}}}t", b"%d" % number) == "bad-timestamp"


@pytest.mark.parametrize("text", ["-", "", "-1", "9223372036854775808"])
def test_no_epoch(text: str) -> None:
    for unit in ("sec", "msec", "usec", "nsec"):
        assert rejected(f"%{{end:{unit}}}t x", text.encode() + b" x") in ("bad-timestamp", "no-match")


def test_an_epoch_is_the_end_unless_it_says_begin() -> None:
    assert row("%{sec}t", b"1") == {"event_end": utc(1970, 1, 1, 0, 0, 1)}


def test_the_finest_time_counts() -> None:
    expected = {"event_end": utc(2026, 11, 23, 10, 16, 8, 123456)}
    assert (
        row("%{end:sec}t %{end:usec}t %{end:msec}t", b"1795428968 1795428968123456 1795428968124") == expected
    )
    assert row("%{end:sec}t.%{end:msec_frac}t %{end:usec_frac}t", b"1795428968.124 123456") == expected


@pytest.mark.parametrize(
    ("form", "line", "microsecond"),
    [
        ("%{begin:sec}t.%{begin:msec_frac}t", b"1795428968.007", 7000),
        ("%{begin:sec}t.%{begin:usec_frac}t", b"1795428968.000007", 7),
        ("%{begin:sec}t.%{begin:nsec_frac}t", b"1795428968.000007999", 7),
        ("%{begin:sec}t %{begin:usec_frac}t", b"1795428968 123456", 123456),
        ("%{begin:usec_frac}t of %{begin:sec}t", b"123456 of 1795428968", 123456),
        (r"%{begin:sec}t\t%{begin:msec_frac}t", b"1795428968\t007", 7000),
        (r"%{begin:sec}t\\%{begin:msec_frac}t", b"1795428968\\007", 7000),
        ("%{begin:sec}t%%%{begin:msec_frac}t", b"1795428968%007", 7000),
        ("%{begin:sec}t%{begin:msec_frac}t", b"1795428968007", 7000),
        (ISO + ".%{begin:usec_frac}t", b"2026-11-23T10:16:08.000007", 7),
    ],
)
def test_fractions(form: str, line: bytes, microsecond: int) -> None:
    assert row(form, line) == {"event_start": utc(2026, 11, 23, 10, 16, 8, microsecond)}


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("%{begin:sec}t.%{begin:msec_frac}t", b"1795428968/000"),
        ("%{begin:sec}t.%{begin:usec_frac}t", b"1795428968/000000"),
        ("%{begin:sec}t %{begin:usec_frac}t", b"1795428968!000000"),
        (r"%{begin:sec}t\t%{begin:msec_frac}t", b"1795428968\n000"[:10] + b"\n000"),
        (ISO + ".%{begin:usec_frac}t", b"2026-11-23T10:16:08/000000"),
        # The character may be the last of a strftime form.
        ("%{begin:%FT%T.}t%{begin:usec_frac}t", b"2026-11-23T10:16:08/000000"),
        ("%{begin:%s - }t%{begin:msec_frac}t", b"1795428968 -!000"),
        ("%{begin:%_12s.}t%{begin:msec_frac}t", b"  1795428968/000"),
        # Up to 1.4.61 the 1 of 1000 stands where the literal's last character was.
        ("%{begin:sec}t.%{begin:msec_frac}t", b"17954289681000"),
        ("%{begin:sec}t %{begin:usec_frac}t", b"17954289681000000"),
        (ISO + ".%{begin:usec_frac}t", b"2026-11-23T10:16:081000000"),
    ],
)
def test_the_carry_of_a_fraction(form: str, line: bytes) -> None:
    if b"\n" in line:
        pytest.skip("a tab becomes a line end: the line is in two")
    assert row(form, line) == {"event_start": utc(2026, 11, 23, 10, 16, 9), "parse_note": "frac-carry"}


@pytest.mark.parametrize(
    "line", [b"1795428968/001", b"1795428968-000", b"1795428968:000", b"1795428968.00", b"1795428968"]
)
def test_no_carry(line: bytes) -> None:
    assert rejected("%{begin:sec}t.%{begin:msec_frac}t", line) in ("bad-timestamp", "no-match")


def test_a_carry_into_the_year_10000() -> None:
    assert rejected("%{begin:sec}t.%{begin:msec_frac}t", b"253402300799/000") == "bad-timestamp"


def test_a_carry_into_the_seconds_themselves() -> None:
    """Without a literal between them, the carry goes into the last digit: 8 becomes 9, and that is right."""
    assert row("%{begin:sec}t%{begin:msec_frac}t", b"1795428969000") == {
        "event_start": utc(2026, 11, 23, 10, 16, 9)
    }
    # 9 becomes a colon. Nothing else writes that, but it is no number either: the line is kept, not guessed.
    assert rejected("%{begin:sec}t%{begin:msec_frac}t", b"179542896:000") == "no-match"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%d %H:%M:%S %z", "2026-11-23 11:15:45 +0100"),
        ("%FT%T%z", "2026-11-23T02:15:45-0800"),
        ("%d/%b/%Y:%H:%M:%S %z", "23/Nov/2026:10:15:45 +0000"),
        ("%a, %e %B %Y %I:%M:%S %p %z", "Mon, 23 November 2026 10:15:45 AM +0000"),
        ("%s", "1795428945"),
        ("%s %z", "1795428945 +0100"),
        ("%Y %s", "2026 1795428945"),
        ("%s %Y", "1795428945 2026"),
        ("%%q %Y-%m-%d %H:%M:%S %z", "%q 2026-11-23 10:15:45 +0000"),
        ("%Y-%j %T %z", "2026-327 10:15:45 +0000"),
    ],
)
def test_strftime_with_an_offset(form: str, text: str) -> None:
    expected = {"event_start": utc(2026, 11, 23, 10, 15, 45)}
    assert row(f"%{{begin:{form}}}t", text.encode(), zone="America/New_York") == expected


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%dT%H:%M:%S", "2026-11-23T11:15:45"),
        ("%F %T", "2026-11-23 11:15:45"),
        ("%D %r", "11/23/26 11:15:45 AM"),
        ("%c", "Mon Nov 23 11:15:45 2026"),
    ],
)
def test_strftime_without_an_offset_is_local(form: str, text: str) -> None:
    expected = {"event_start": utc(2026, 11, 23, 10, 15, 45)}
    assert row(f"%{{begin:{form}}}t", text.encode(), zone="Europe/Berlin") == expected


def test_strftime_around_a_change_of_daylight_saving() -> None:
    lines = {
        b"2026-03-29T01:59:59": utc(2026, 3, 29, 0, 59, 59),
        b"2026-03-29T03:00:00": utc(2026, 3, 29, 1, 0),
        b"2026-10-25T01:59:59": utc(2026, 10, 24, 23, 59, 59),
        b"2026-10-25T02:30:00": utc(2026, 10, 25, 0, 30),  # twice that day: the first is meant
        b"2026-10-25T03:00:00": utc(2026, 10, 25, 2, 0),
        b"2026-07-01T12:00:00": utc(2026, 7, 1, 10, 0),
    }
    got = rows(layout(ISO, zone="Europe/Berlin"), b"\n".join(lines))
    assert [r["event_start"] for r in got] == list(lines.values())


def test_a_local_time_that_never_was() -> None:
    assert rejected(ISO, b"2026-03-29T02:30:00", zone="Europe/Berlin") == "bad-timestamp"


@pytest.mark.parametrize(
    "text", ["2026-02-29T00:00:00", "2026-13-01T00:00:00", "2026-04-31T00:00:00", "0000-01-01T00:00:00"]
)
def test_no_such_strftime_time(text: str) -> None:
    assert rejected(ISO, text.encode()) == "bad-timestamp"


@pytest.mark.parametrize("number", [253_402_300_800, 9_223_372_036_855, 99_999_999_999_999_999, 10**25])
def test_strftime_seconds_beyond_the_year_9999(number: int) -> None:
    assert rejected("%{%s}t", b"%d" % number) == "bad-timestamp"


def test_a_form_that_names_no_day_tells_no_time() -> None:
    """%H:%M:%S alone is no instant: it must not be stored as one in the year 1."""
    try:
        compiled = layout("%{%H:%M:%S}t %s")
    except ValueError:
        raise
    except Exception:  # noqa: BLE001 -- refusing the format is just as well
        return
    (got,) = rows(compiled, b"10:15:45 200\n")
    assert "event_end" not in got or got["event_end"].year > 1970  # type: ignore[attr-defined]


def test_every_time_that_is_accepted_can_be_stored_and_read_back() -> None:
    lines = b"".join(
        b"[%02d/Jan/%04d:00:00:00 %s]\n" % (day, year, offset)
        for day in (1, 31)
        for year in (0, 1, 1677, 1970, 2262, 9999)
        for offset in (b"+0000", b"-1200", b"+1400")
    )
    normalised(parse(layout("%t"), lines))


def test_a_fraction_of_a_time_that_is_not_there_is_a_field() -> None:
    assert row("%{begin:msec_frac}t %{usec_frac}t", b"007 999999") == {
        "fields": {"%{begin:msec_frac}t": "007", "%{usec_frac}t": "999999"}
    }
    assert row("%t.%{begin:msec_frac}t", b"[23/Nov/2026:10:15:45 +0000]/000") == {
        "event_end": utc(2026, 11, 23, 10, 15, 45),
        "fields": {"%{begin:msec_frac}t": "1000"},
        "parse_note": "frac-carry",
    }
