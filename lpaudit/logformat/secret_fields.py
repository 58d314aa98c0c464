"""Lines without the fields that hold secrets by what logs them: `%{Authorization}i`, `%{session_id}C`.

What such a field holds need not look like a secret, and a format need not name it.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate

import polars as pl

from lpaudit.logformat.layout import Layout, Slot, expression_around
from lpaudit.logformat.lines import MAX_LINE
from lpaudit.logformat.parse import fits
from lpaudit.model import LogFormat
from lpaudit.redaction import disguised, mask_from, secret_name

_LETTERS = frozenset("iCeno")


def is_secret(slot: Slot) -> bool:
    """Tell whether a field is there to prove who somebody is."""
    if slot.letter == "C" and "sess" in slot.name.lower():
        return True
    return slot.letter in _LETTERS and secret_name(slot.name)


def has_secrets(layouts: Sequence[Layout]) -> bool:
    """Tell whether one of the formats has such a field."""
    return any(_expression(layout.log_format) for layout in layouts)


def redact_fields(layouts: Sequence[Layout], data: bytes, key: bytes | None) -> bytes:
    """Return whole lines with such fields disguised, each line read in the first of ``layouts`` that fits it.

    ``key`` is what fingerprints are made with; without one there are none.
    """
    places = [place for place, layout in enumerate(layouts) if _expression(layout.log_format)]
    if not places:
        return data
    return disguised(data, _spans(layouts[: places[-1] + 1], data), key)


@cache
def _expression(log_format: LogFormat) -> str | None:
    return expression_around(log_format, is_secret)


def _spans(layouts: Sequence[Layout], data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where such fields begin and end."""
    lines = data.split(b"\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    left = [number for number, line in enumerate(lines) if 0 < len(line) <= MAX_LINE]
    for layout in layouts:
        texts = [lines[number] for number in left]
        expression = _expression(layout.log_format)
        if expression is None:
            fitting = fits(layout, b"".join(text + b"\n" for text in texts))
        else:
            found = pl.Series([text.decode("latin-1") for text in texts], dtype=pl.String)
            groups = found.str.extract_groups(expression).struct.unnest()
            fitting = groups.to_series(0).is_not_null().to_list()
            for number, values in zip(left, groups.iter_rows(), strict=True):
                if values[0] is not None:
                    yield from _of_line(data, starts[number], values)
        left = [number for number, fit in zip(left, fitting, strict=True) if not fit]


def _of_line(data: bytes, start: int, values: Sequence[str]) -> Iterator[tuple[int, int]]:
    for before, value in zip(values[::2], values[1::2], strict=True):
        begin = start + len(before)
        start = begin + len(value)
        if value not in ("", "-"):
            yield mask_from(data, begin, start), start
