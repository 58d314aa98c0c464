"""Hours and their lines → the bars of a chart. What is drawn around them is the template's.

Bars that are thinner than a hair show nothing: a long period is drawn by days or weeks.
A bar then still says if some of its hours had no lines, because that is what is looked for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from lpaudit.errors import CheckError
from lpaudit.report.cells import instant

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
    anchor: str


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
    size, step = next((s for s in _STEPS if len(hours) <= s[0] * MOST_BARS), _STEPS[-1])
    starts = range(0, len(hours), size)
    highest = max(sum(lines[i : i + size]) for i in starts)
    width = WIDTH / len(starts)
    bars = tuple(
        _bar(number * width, width, hours[i], lines[i : i + size], max(highest, 1))
        for number, i in enumerate(starts)
    )
    end = hours[-1] + timedelta(hours=1)
    silent = sum(1 for n in lines if not n)
    description = (
        f"One bar for each {step} from {instant(hours[0])} to {instant(end)}. "
        f"The highest has {highest:,} lines. {silent:,} of {len(hours):,} hours have no lines."
    )
    return Chart(step, bars, _ticks([hours[i] for i in starts], width), highest, description)


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


def _ticks(starts: list[datetime], width: float) -> tuple[Tick, ...]:
    every = -(-len(starts) // _TICKS)
    within_a_day = starts[-1] - starts[0] < timedelta(days=1)
    ticks = []
    for number in range(0, len(starts), every):
        start = starts[number]
        text = f"{start:%H:%M}" if within_a_day and number else f"{start:%m-%d %H:%M}"
        if len(starts) > 1 and starts[1] - starts[0] >= timedelta(days=1):
            text = f"{start:%Y-%m-%d}"
        x = (number + 0.5) * width
        ticks.append(Tick(round(x, 2), text, "middle" if x > 50 else "start"))
    return tuple(ticks)
