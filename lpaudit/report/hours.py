"""Hours and their lines → the bars of a chart, and their drawing.

Bars that are thinner than a hair show nothing: a long period is drawn by days or weeks.
A bar then still says if some of its hours had no lines, because that is what is looked for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
from markupsafe import Markup

from lpaudit.errors import CheckError
from lpaudit.report.svg import WIDTH, Drawing, drawing, hatch, tag, text
from lpaudit.visible import instant

HEIGHT = 200
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


def hours(rows: pa.Table, name: str) -> Drawing | None:
    """Draw the columns hour and lines; None if there are no hours."""
    chart = hours_chart(rows)
    if chart is None:
        return None
    parts = [
        hatch(f"{name}-hatch"),
        *frame(HEIGHT, chart.highest),
        *(_drawn(bar, name) for bar in chart.bars),
        tag("path", kind="axis", d=f"M0 {HEIGHT}H{WIDTH}"),
    ]
    for tick in chart.ticks:
        parts.append(tag("path", kind="axis", d=f"M{tick.x} {HEIGHT}v{12 if chart.step != 'hour' else 6}"))
        parts.append(text(tick.x, HEIGHT + 26, tick.text, text_anchor="middle"))
    parts += _legend(chart, name)
    return drawing(
        name, f"Lines by {chart.step}", chart.description, (-70, -16, WIDTH + 115, HEIGHT + 76), parts
    )


def frame(height: float, highest: int) -> list[Markup]:
    """Return grid lines and what they stand for, from 0 to ``highest``."""
    parts = [
        tag("path", kind="grid", d=f"M0 0H{WIDTH}M0 {height / 2}H{WIDTH}"),
        text(-8, 4, f"{highest:,}", text_anchor="end"),
        text(-8, height + 4, "0", text_anchor="end"),
    ]
    if highest and highest % 2 == 0:
        parts.append(text(-8, height / 2 + 4, f"{highest // 2:,}", text_anchor="end"))
    return parts


def _drawn(bar: Bar, name: str) -> Markup:
    title = tag("title", bar.title)
    if bar.silent == "all":
        place = {"x": bar.x, "y": 0, "width": bar.width, "height": HEIGHT}
        return tag("rect", title, kind="silent", fill=f"url(#{name}-hatch)", **place)
    drawn = tag("rect", title, kind="bar", x=bar.x, y=bar.y, width=bar.width, height=bar.height)
    if bar.silent == "some":
        drawn += tag("path", kind="some", d=f"M{bar.x + bar.width / 2:.2f} {HEIGHT + 3}l3.5 7h-7z")
    return drawn


def _legend(chart: Chart, name: str) -> list[Markup]:
    y = HEIGHT + 42
    parts = [
        tag("rect", kind="bar", x=0, y=y, width=12, height=12),
        text(18, y + 11, f"lines by {chart.step} (UTC)"),
        tag("rect", kind="silent", fill=f"url(#{name}-hatch)", x=220, y=y, width=12, height=12),
        text(238, y + 11, "no lines"),
    ]
    if chart.step != "hour":
        parts.append(tag("path", kind="some", d=f"M346 {y + 2}l4.5 9h-9z"))
        parts.append(text(358, y + 11, "some hours without lines"))
    return parts
