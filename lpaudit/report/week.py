"""Weekdays, hours and requests → a field for each hour of a week."""

from typing import Any

import pyarrow as pa
from markupsafe import Markup

from lpaudit.report.svg import WIDTH, Drawing, drawing, tag, text

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LABEL = 110
_FIELD = (WIDTH - _LABEL) / 24
_HEIGHT = 26


def week(rows: pa.Table, name: str) -> Drawing | None:
    """Draw the columns weekday (Monday is 1), hour and requests; None if there are no rows."""
    given: list[dict[str, Any]] = rows.to_pylist()
    if not given:
        return None
    requests = {(row["weekday"], row["hour"]): row["requests"] for row in given}
    most = max(requests.values())
    parts = [text(_LABEL + (h + 0.5) * _FIELD, -8, f"{h:02d}", text_anchor="middle") for h in range(24)]
    for number, day in enumerate(_DAYS):
        parts.append(text(_LABEL - 10, number * _HEIGHT + 18, day, text_anchor="end"))
        parts += [_field(number, hour, requests.get((number + 1, hour), 0), most) for hour in range(24)]
    total = sum(requests.values())
    (day, hour), highest = max(requests.items(), key=lambda item: (item[1], -item[0][0], -item[0][1]))
    description = (
        f"Each field is an hour of a weekday (UTC), and its number the requests in it, over all weeks of the "
        f"period: {total:,} in all, most on {_DAYS[day - 1]} from {hour:02d}:00 ({highest:,})."
    )
    box = (0, -24, WIDTH + 8, 7 * _HEIGHT + 32)
    return drawing(name, "Privileged requests by weekday and hour", description, box, parts)


def _field(number: int, hour: int, requests: int, most: int) -> Markup:
    x, y = _LABEL + hour * _FIELD, number * _HEIGHT
    told = tag("title", f"{_DAYS[number]} {hour:02d}:00 to {hour:02d}:59 UTC: {requests:,} requests")
    share = requests / most
    place = {"x": x + 1, "y": y + 1, "width": _FIELD - 2, "height": _HEIGHT - 2}
    if not requests:
        return tag("rect", told, kind="grid", **place)
    dark = share > 0.5
    number_ = text(
        x + _FIELD / 2,
        y + 18,
        _short(requests),
        text_anchor="middle",
        fill="#ffffff" if dark else "#1c1f23",
        class_="on" if dark else "off",
    )
    return tag("g", tag("rect", told, kind="cell", fill_opacity=0.15 + 0.85 * share, **place), number_)


def _short(number: int) -> str:
    """Write a number in at most four characters, never higher than it is: 999, 1.5k, 12k, 3.0M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= 10 * size:
            return f"{number // size}{letter}"
        if number >= size:
            return f"{number * 10 // size / 10}{letter}"
    return str(number)
