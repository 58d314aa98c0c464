"""Times that the C library writes, in any form, are read as the instants they were."""

import os
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reading import layout, rejected, row

from lpaudit.errors import FormatError

ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kolkata", "Pacific/Chatham",
    "Australia/Lord_Howe",
)  # fmt: skip
# Around changes of daylight saving in 2026, and anywhere: a year of two digits means 1969 to 2068.
CHANGES = [1774746000, 1792890000, 1772953200, 1793512800, 1775314800, 1790431200, 1775311200, 1790436600]
instants = st.one_of(
    st.sampled_from(CHANGES).flatmap(lambda at: st.integers(at - 7300, at + 7300)),
    st.integers(86_400, 3_123_900_000),
)

# Each list says a day, or a time of it; the flags change how it looks, not what it says.
NUMBER = ["", "-", "_", "0", "6", "_5", "010", "-3", "1"]
WORD = ["", "^", "#"]
DAYS = [
    ["Y", "m", "d"], ["C", "y", "m", "e"], ["y", "b", "d"], ["Y", "B", "e"], ["Y", "h", "d"], ["Y", "j"], ["F"],
    ["D"], ["x"], ["Ex"], ["EY", "Om", "Od"], ["G", "V", "u"], ["g", "V", "w"], ["G", "OV", "A"], ["Y", "U", "a"],
    ["Y", "W", "u"], ["Ey", "OW", "w"],
]  # fmt: skip
TIMES = [
    ["H", "M", "S"], ["k", "M", "S"], ["I", "M", "S", "p"], ["l", "OM", "OS", "P"], ["T"], ["X"], ["EX"], ["r"],
    ["OH", "M"], ["R"], ["I", "p"], ["H"], [],
]  # fmt: skip
OTHERS = ["a", "A", "b", "U", "V", "u", "G", "g", "C", "t", "%", "Z", "z"]
SEPARATORS = [" ", ", ", ".", "|", "é", "(", "]"]


def written(form: str, instant: int, zone: str) -> str:
    """What lighttpd's C library writes."""
    os.environ["TZ"] = zone  # the fixture that set it sets it again
    time.tzset()
    return time.strftime(form, time.localtime(instant))


@st.composite
def forms(draw: st.DrawFn) -> tuple[str, set[str]]:
    letters = [*draw(st.sampled_from(DAYS)), *draw(st.sampled_from(TIMES))]
    letters += draw(st.lists(st.sampled_from(OTHERS), max_size=3))
    form = ""
    for letter in draw(st.permutations(letters)):
        kinds = NUMBER if letter in "YCyGgmdejHIklMSUVWuw" else WORD if letter in "aAbBhpP" else [""]
        form += draw(st.sampled_from(SEPARATORS)) + "%" + draw(st.sampled_from(kinds)) + letter
    return form, set("".join(letters))


@settings(max_examples=300)
@given(form_and_letters=forms(), instant=instants, zone=st.sampled_from(ZONES))
def test_any_form_says_the_instant_that_was_written(
    form_and_letters: tuple[str, set[str]], instant: int, zone: str
) -> None:
    form, letters = form_and_letters
    text = written(form, instant, zone)
    there = ZoneInfo(zone)
    local = datetime.fromtimestamp(instant, there)
    if not letters & set("STXr"):
        local = local.replace(second=0)
        if not letters & set("MR"):
            local = local.replace(minute=0)
            if not letters & set("HkIl"):
                local = local.replace(hour=0)
    if not letters & set("zZ"):
        local = local.replace(fold=0)  # written twice that day: the first is meant
    if "z" in letters:
        offset = datetime.fromtimestamp(instant, there).utcoffset()
        expected = local.replace(tzinfo=UTC) - (offset or timedelta())
    else:
        expected = local.astimezone(UTC)
        # An hour or a day may begin with a time that is none.
        assume(expected.astimezone(there).replace(tzinfo=None) == local.replace(tzinfo=None))
        if "Z" in letters:
            assume(local.tzname() == datetime.fromtimestamp(instant, there).tzname())
    assert row(f"%{{begin:{form}}}t", text.encode(), zone=zone) == {"event_start": expected}, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-25 02:30:00 CEST", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00 CET", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00 UTC", datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
        ("2026-07-01 12:00:00 GMT", datetime(2026, 7, 1, 12, tzinfo=UTC)),
    ],
)
def test_the_name_of_a_zone_says_which_of_two_hours(text: str, expected: datetime) -> None:
    assert row("%{%F %T %Z}t", text.encode(), zone="Europe/Berlin") == {"event_end": expected}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_name_of_another_zone_is_no_time(zone: str) -> None:
    """Rather than a time that is hours off: --timezone says the right one."""
    assert rejected("%{%F %T %Z}t", b"2026-07-01 12:00:00 CEST", zone=zone) == "bad-timestamp"
    assert rejected("%{%F %T %Z}t", b"2026-07-01 12:00:00 CET", zone="Europe/Berlin") == "bad-timestamp"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%d %M", "2026-11-23 15"),
        ("%F %S", "2026-11-23 45"),
        ("%F %I:%M", "2026-11-23 10:15"),
        ("%T", "10:15:45"),
        ("%d/%b", "23/Nov"),
        ("%U %a %Z", "47 Mon CET"),
    ],
)
def test_what_says_no_instant_is_a_field(form: str, text: str) -> None:
    directive = f"%{{begin:{form}}}t"
    assert row(directive, text.encode()) == {"fields": {directive: text}}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%F %I:%M %p", "2026-11-23 13:15 PM"),
        ("%F %I:%M %p", "2026-11-23 00:15 AM"),
        ("%d %B %Y", "23 Novembre 2026"),
        ("%Y-%j", "2026-366"),
        ("%Y-%j", "2026-000"),
        ("%G-W%V-%u", "2025-W53-1"),
        ("%G-W%V-%a", "2026-W48-Moo"),
        ("%F %T %z", "2026-11-23 10:15:45 +2460"),
        ("%F %T", "2026-11-23 10:15:61"),
    ],
)
def test_no_such_time_in_any_form(form: str, text: str) -> None:
    assert rejected(f"%{{{form}}}t", text.encode()) == "bad-timestamp"


def test_a_leap_second_in_any_form_is_the_next_second() -> None:
    assert row("%{%F %T %z}t", b"2016-12-31 23:59:60 +0000") == {
        "event_end": datetime(2017, 1, 1, tzinfo=UTC)
    }


@pytest.mark.parametrize("letter", "fiJKLNoqQvE+ ")
def test_what_the_c_library_does_not_know_either_is_refused(letter: str) -> None:
    with pytest.raises(FormatError, match="strftime conversion"):
        layout(f"%{{%F %{letter}}}t")
