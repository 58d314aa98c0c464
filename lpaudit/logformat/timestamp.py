"""Times in a log line → UTC.

``%t`` is the request's end, in lighttpd's local time with its offset. A strftime form may
write no offset: then the log format's ``timezone`` says what its times mean.
"""

from collections.abc import Mapping
from datetime import tzinfo

import polars as pl

from lpaudit.core.texts import coded
from lpaudit.logformat.directives import CLOCK
from lpaudit.logformat.strftime import Strftime, read_strftime

UNITS_PER_SECOND: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

PLAIN_CLOCK = Strftime(CLOCK, "[%d/%b/%Y:%H:%M:%S %z]", has_offset=True)
"""What a plain %t writes. Most logs are full of it: it has a way of its own."""


def read_clock(texts: pl.Series, clock: Strftime, timezone: tzinfo) -> pl.Series:
    """Texts → Datetime("us", "UTC"); null where a text is no such time (31/Feb).

    Many lines have the same: each is read once.
    """
    different, places = _different(texts)
    if clock.parts:
        instants = read_strftime(different, clock, timezone)
    else:
        instants = different.str.to_datetime(clock.form, time_unit="us", strict=False, exact=True)
        instants = instants.dt.convert_time_zone("UTC") if instants.dtype.time_zone else instants  # type: ignore[attr-defined]
    return instants.cast(pl.Datetime("us", "UTC")).gather(places)


def _different(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return texts without those that come again, and for each text the place where it is found there."""
    found = coded(texts.to_arrow(compat_level=pl.CompatLevel.newest()), max(256, len(texts) // 4))
    if found is None:
        return texts.rle().struct.field("value"), texts.rle_id()
    return pl.Series(found.dictionary), pl.Series(found.indices)


def to_microseconds(numbers: pl.Series, unit: str) -> pl.Series:
    """Numbers of ``unit`` → microseconds (Int64). Nanoseconds are cut: Delta tables have none."""
    per_second = UNITS_PER_SECOND[unit]
    if per_second > 1_000_000:
        return numbers // (per_second // 1_000_000)
    return numbers * (1_000_000 // per_second)
