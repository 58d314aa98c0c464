"""Days of hosts and their hours with lines → a calendar: a row a month of a host, a field a day."""

from itertools import groupby
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from lpaudit.report.counts import count
from lpaudit.report.svg import WIDTH, Drawing, drawing, hatch, tag, text
from lpaudit.visible import visible

MOST_MONTHS = 48
_LABEL = 230
_FIELD = (WIDTH - _LABEL) / 31
_HEIGHT = 24


def calendar(rows: pa.Table, name: str) -> Drawing | None:
    """Draw the columns day, host, lines, hours_with_lines, hours, known_gaps; None if there are no days."""
    days: list[dict[str, Any]] = [row | {"host": visible(row["host"])} for row in rows.to_pylist()]
    if not days:
        return None
    months = [(*key, list(some)) for key, some in groupby(days, lambda d: (d["host"], f"{d['day']:%Y-%m}"))]
    shown = months[:MOST_MONTHS]
    parts = [hatch(f"{name}-hatch")]
    parts += [
        text(_LABEL + (day + 0.5) * _FIELD, -8, str(day + 1), text_anchor="middle") for day in range(31)
    ]
    for number, (host, month, some) in enumerate(shown):
        y = number * _HEIGHT
        label = f"{host if len(host) <= 18 else host[:17] + '…'}  {month}"
        parts.append(text(_LABEL - 10, y + 16, label, text_anchor="end"))
        parts += [_field(day, y, name) for day in some]
    parts += _legend(len(shown) * _HEIGHT + 14, name)
    description = _told(days)
    if len(months) > len(shown):
        description += f" Drawn are the first {len(shown)} of {len(months):,} months of hosts."
    box = (0, -24, WIDTH + 8, len(shown) * _HEIGHT + 64)
    return drawing(name, "Coverage calendar: hours with lines on each day", description, box, parts)


def _told(days: list[dict[str, Any]]) -> str:
    hosts = len({day["host"] for day in days})
    full = sum(1 for day in days if day["hours_with_lines"] == day["hours"])
    none = sum(1 for day in days if not day["lines"])
    gaps = sum(1 for day in days if day["known_gaps"])
    return (
        f"Each field is a day of one of {count(hosts, 'host')}, and its number the hours of that day "
        f"with lines, in UTC. Of {len(days):,} days {full:,} have lines in every hour, "
        f"{none:,} have none, and {gaps:,} overlap a known gap."
    )


def _field(day: dict[str, Any], y: float, name: str) -> Markup:
    x = _LABEL + (day["day"].day - 1) * _FIELD
    hours, of = day["hours_with_lines"], day["hours"]
    told = f"{day['host']} {day['day']}: {day['lines']:,} lines, in {hours} of {of} hours"
    if day["known_gaps"]:
        told += f", {day['known_gaps']} known gaps"
    place = {"x": x + 1, "y": y + 1, "width": _FIELD - 2, "height": _HEIGHT - 2}
    if day["lines"]:
        share = hours / of
        box = tag("rect", tag("title", told), kind="cell", fill_opacity=0.15 + 0.85 * share, **place)
        light = {"fill": "#ffffff"} if share > 0.5 else {"fill": "#1c1f23"}
        number = text(
            x + _FIELD / 2,
            y + 16,
            str(hours),
            text_anchor="middle",
            **light,
            class_="on" if share > 0.5 else "off",
        )
    else:
        box = tag("rect", tag("title", told), kind="silent", fill=f"url(#{name}-hatch)", **place)
        number = Markup("")
    mark = (
        tag("path", kind="gap", d=f"M{x + _FIELD - 9:.2f} {y + 1}h8v8z") if day["known_gaps"] else Markup("")
    )
    return tag("g", box, number, mark)


def _legend(y: float, name: str) -> list[Markup]:
    return [
        tag("rect", kind="cell", x=0, y=y, width=14, height=14),
        text(20, y + 12, "lines in every hour (paler: in fewer)"),
        tag("rect", kind="silent", fill=f"url(#{name}-hatch)", x=330, y=y, width=14, height=14),
        text(350, y + 12, "no lines"),
        tag("path", kind="gap", d=f"M440 {y:.2f}h12v12z"),
        text(458, y + 12, "overlaps a known gap"),
    ]
