"""Times in a log line → UTC.

``%t`` is the request's end, in lighttpd's local time with its offset. A strftime form may
write no offset: then the log format's ``timezone`` says what its times mean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

import polars as pl

CLOCK_FORMAT = "%d/%b/%Y:%H:%M:%S %z"  # inside the brackets of a plain %t

# strftime conversions that lighttpd may be told to write → what they look like.
# The C locale is meant: lighttpd never calls setlocale for its times.
STRFTIME: Mapping[str, str] = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{2}",
    "d": "[0-9]{2}",
    "e": "[0-9 ][0-9]",
    "j": "[0-9]{3}",
    "H": "[0-9]{2}",
    "I": "[0-9]{2}",
    "M": "[0-9]{2}",
    "S": "[0-9]{2}",
    "p": "[AP]M",
    "b": "[A-Z][a-z]{2}",
    "h": "[A-Z][a-z]{2}",
    "B": "[A-Z][a-z]{2,8}",
    "a": "[A-Z][a-z]{2}",
    "A": "[A-Z][a-z]{5,8}",
    "z": "[+-][0-9]{4}",
    "s": "[0-9]+",
    "%": "%",
}
# Conversions that stand for several others.
COMPOUND: Mapping[str, str] = {
    "F": "%Y-%m-%d",
    "T": "%H:%M:%S",
    "R": "%H:%M",
    "D": "%m/%d/%y",
    "c": "%a %b %e %H:%M:%S %Y",
    "r": "%I:%M:%S %p",
    "n": "\n",
    "t": "\t",
}

# polars expands these also behind a literal %.
_MISREAD = {"%%" + letter for letter in "DRTF"}

YEAR_10000 = 253_402_300_800
"""Seconds since the epoch: beyond it is no time that DuckDB, Delta or a person could read."""

UNITS_PER_SECOND: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Strftime:
    """A strftime form: the expression that finds it, and the form that reads it."""

    pattern: str
    form: str
    has_offset: bool
    has_date: bool = True  # else it is no instant: what it writes is kept as a field
    seconds: str | None = None  # the expression, with what %s writes captured: it says everything


def compile_strftime(form: str) -> Strftime:
    """Compile a strftime form. Raises ValueError with the conversion that cannot be read."""
    form = re.sub("%(.)", lambda match: COMPOUND.get(match[1], match[0]), form, flags=re.DOTALL)
    pattern, seconds, position = "", "", 0
    while position < len(form):
        char = form[position]
        if char == "%":
            conversion = form[position + 1 : position + 2]
            if conversion not in STRFTIME:
                raise ValueError("%" + conversion)
            if form[position : position + 3] in _MISREAD:
                raise ValueError(form[position : position + 3])
            piece = STRFTIME[conversion]
            seconds += f"({piece})" if conversion == "s" else piece
            position += 2
        else:
            piece = f"\\x{{{ord(char):02x}}}"
            seconds += piece
            position += 1
        pattern += piece
    conversions = set(re.findall("%(.)", form))
    dated = "j" in conversions or _month_and_day(conversions)
    return Strftime(
        pattern,
        form,
        has_offset="z" in conversions,
        has_date="s" in conversions or (dated and not conversions.isdisjoint("Yy")),
        seconds=f"^{seconds}$" if "s" in conversions else None,
    )


def _month_and_day(conversions: set[str]) -> bool:
    return not conversions.isdisjoint("mbhB") and not conversions.isdisjoint("de")


def read_clock(texts: pl.Series, clock: Strftime, timezone: tzinfo) -> pl.Series:
    """Texts → Datetime("us", "UTC"); null where a text is no such time (31/Feb).

    Times come in runs, and each run is read once.
    """
    runs = texts.rle().struct.field("value")
    if clock.seconds is not None:
        seconds = runs.str.extract(clock.seconds).cast(pl.Int64, strict=False)
        instants = (seconds.set(seconds >= YEAR_10000, None) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    elif clock.has_offset:
        instants = runs.str.to_datetime(clock.form, time_unit="us", strict=False, exact=True)
        instants = instants.dt.convert_time_zone("UTC") if instants.dtype.time_zone else instants  # type: ignore[attr-defined]
    else:
        naive = runs.str.to_datetime(clock.form, time_unit="us", strict=False, exact=True)
        # An hour that a daylight-saving change repeats is read as its first occurrence.
        local = naive.dt.replace_time_zone(str(timezone), ambiguous="earliest", non_existent="null")
        instants = local.dt.convert_time_zone("UTC")
    return instants.cast(pl.Datetime("us", "UTC")).gather(texts.rle_id())


def to_microseconds(numbers: pl.Series, unit: str) -> pl.Series:
    """Numbers of ``unit`` → microseconds (Int64). Nanoseconds are cut: Delta tables have none."""
    per_second = UNITS_PER_SECOND[unit]
    if per_second > 1_000_000:
        return numbers // (per_second // 1_000_000)
    return numbers * (1_000_000 // per_second)
