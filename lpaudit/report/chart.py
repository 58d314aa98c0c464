"""Hours and their lines → the bars of a chart. What is drawn around them is the template's.

Bars that are thinner than a hair show nothing: a long period is drawn by days or weeks.
A bar then still says if some of its hours had no lines, because that is what is looked for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from lpaudit.errors import CheckError
from lpaudit.visible import instant

WIDTH, HEIGHT = 960, 200
"""Of the area that bars are drawn in, in SVG's units."""

MOST_BARS = 366
_STEPS = ((1, "hour"), (24, "day"), (7 * 24, "week"), (28 * 24, "four weeks"), (364 * 24, "52 weeks"))
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it stands, and how much of its time has no lines (``none``, ``some`` or ``all``)."""

    x: float
    y: float
    width: float
    height: float
    silent: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the time axis."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart."""

    step: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    highest: int
    description: str


def hours_chart(rows: pa.Table) -> Chart | None:
    """Draw the columns ``hour`` and ``lines``; None if there are no hours. Raises CheckError without them."""
    if not {"hour", "lines"} <= set(rows.column_names):
        raise CheckError(
            "a chart of hours needs the columns hour and lines", hint="see reports/checks/access/hours.sql"
        )
    hours: list[datetime] = rows.column("hour").to_pylist()
    lines: list[int] = rows.column("lines").to_pylist()
    if not hours:
        return None
    cut = hours[0].hour  # of the first day: longer bars begin at midnight
    size, step = next((s for s in _STEPS if len(hours) + cut <= s[0] * MOST_BARS), _STEPS[-1])
    firsts = range(-cut if size > 1 else 0, len(hours), size)
    pieces = [lines[max(i, 0) : i + size] for i in firsts]
    starts = [hours[max(i, 0)] for i in firsts]
    highest = max(map(sum, pieces))
    width = WIDTH / len(starts)
    bars = tuple(
        _bar(number * width, width, start, piece, max(highest, 1))
        for number, (start, piece) in enumerate(zip(starts, pieces, strict=True))
    )
    end = hours[-1] + timedelta(hours=1)
    silent = sum(1 for n in lines if not n)
    description = (
        f"One bar for each {step} from {instant(hours[0])} to {instant(end)}. "
        f"The highest has {highest:,} lines. {silent:,} of {len(hours):,} hours have no lines."
    )
    return Chart(step, bars, _ticks(starts, width, daily=size > 1), highest, description)


def _bar(x: float, width: float, start: datetime, lines: list[int], highest: int) -> Bar:
    total, silent = sum(lines), sum(1 for n in lines if not n)
    height = HEIGHT * total / highest
    if total:
        height = max(height, 2.0)  # one line among a million is not none
    title = f"{instant(start)}: {total:,} lines"
    if len(lines) > 1 and silent:
        title += f", {silent} of {len(lines)} hours without any"
    state = "all" if silent == len(lines) else "some" if silent else "none"
    gap = min(2.0, width / 5)
    return Bar(
        round(x + gap / 2, 2),
        round(HEIGHT - height, 2),
        round(width - gap, 2),
        round(height, 2),
        state,
        title,
    )


def _ticks(starts: list[datetime], width: float, *, daily: bool) -> tuple[Tick, ...]:
    every = -(-len(starts) // _TICKS)
    within_a_day = starts[-1] - starts[0] < timedelta(days=1)
    ticks = []
    for number in range(0, len(starts), every):
        start = starts[number]
        text = f"{start:%H:%M}" if within_a_day and number else f"{start:%m-%d %H:%M}"
        x = (number + 0.5) * width
        ticks.append(Tick(round(x, 2), f"{start:%Y-%m-%d}" if daily else text))
    return tuple(ticks)
