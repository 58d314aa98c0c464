"""Days and how their requests were answered → stacked bars."""

from datetime import date
from itertools import accumulate
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from lpaudit.report.hours import HEIGHT, MOST_BARS, frame
from lpaudit.report.svg import WIDTH, Drawing, drawing, hatch, tag, text

_KINDS = {"answered": "bar", "denied": "bar two", "refused_as_wrong": "bar three", "failed": "bar four"}
"""Columns that are drawn, from below, with their classes; denied is also hatched."""

_TICKS = 6


def outcomes(rows: pa.Table, name: str) -> Drawing | None:
    """Draw the columns day, answered, denied, refused_as_wrong and failed; None if there are no days."""
    days: list[date] = rows.column("day").to_pylist()
    if not days:
        return None
    each = -(-len(days) // MOST_BARS)
    columns = [rows.column(kind).to_pylist() for kind in _KINDS]
    counts = [[sum(column[i : i + each]) for column in columns] for i in range(0, len(days), each)]
    starts = days[::each]
    highest = max(map(sum, counts))
    width = WIDTH / len(counts)
    parts = [hatch(f"{name}-hatch"), *frame(HEIGHT, highest)]
    for number, (start, some) in enumerate(zip(starts, counts, strict=True)):
        parts.append(_bar(number * width, width, start, some, max(highest, 1), name))
    parts.append(tag("path", kind="axis", d=f"M0 {HEIGHT}H{WIDTH}"))
    for number in range(0, len(starts), -(-len(starts) // _TICKS)):
        x = (number + 0.5) * width
        parts.append(tag("path", kind="axis", d=f"M{x:.2f} {HEIGHT}v6"))
        parts.append(text(x, HEIGHT + 24, str(starts[number]), text_anchor="middle"))
    parts += _legend(name)
    totals = ", ".join(f"{sum(c):,} {_word(k)}" for k, c in zip(_KINDS, columns, strict=True))
    step = "day" if each == 1 else f"{each} days"
    description = f"One bar for each {step} from {days[0]} to {days[-1]}, UTC. In all: {totals}."
    return drawing(
        name,
        "Requests a day, by how they were answered",
        description,
        (-70, -16, WIDTH + 115, HEIGHT + 76),
        parts,
    )


def _bar(x: float, width: float, start: date, counts: list[int], highest: int, name: str) -> Markup:
    gap = min(2.0, width / 5)
    told = ", ".join(f"{n:,} {_word(kind)}" for kind, n in zip(_KINDS, counts, strict=True))
    pieces = [tag("title", f"{start}: {told}")]
    tops = accumulate(HEIGHT * n / highest for n in counts)
    for kind, number, top in zip(_KINDS, counts, tops, strict=True):
        if not number:
            continue
        place: dict[str, Any] = {
            "x": x + gap / 2,
            "y": HEIGHT - top,
            "width": width - gap,
            "height": HEIGHT * number / highest,
        }
        pieces.append(tag("rect", kind=_KINDS[kind], **place))
        if kind == "denied":
            pieces.append(tag("rect", fill=f"url(#{name}-hatch)", **place))
    return tag("g", *pieces)


def _legend(name: str) -> list[Markup]:
    parts, y = [], HEIGHT + 42
    for number, (kind, look) in enumerate(_KINDS.items()):
        x = number * 190
        parts.append(tag("rect", kind=look, x=x, y=y, width=12, height=12))
        if kind == "denied":
            parts.append(tag("rect", fill=f"url(#{name}-hatch)", x=x, y=y, width=12, height=12))
        parts.append(text(x + 18, y + 11, _word(kind)))
    return parts


def _word(kind: str) -> str:
    return kind.replace("_", " ")
