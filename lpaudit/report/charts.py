"""What a section of a framework may name as its ``chart``."""

from collections.abc import Callable, Mapping

import pyarrow as pa

from lpaudit.errors import CheckError
from lpaudit.report.calendar import calendar
from lpaudit.report.hours import hours
from lpaudit.report.outcomes import outcomes
from lpaudit.report.svg import Drawing
from lpaudit.report.week import week

CHARTS: Mapping[str, Callable[[pa.Table, str], Drawing | None]] = {
    "hours": hours,
    "calendar": calendar,
    "outcomes": outcomes,
    "week": week,
}


def chart(kind: str, rows: pa.Table, name: str) -> Drawing | None:
    """Draw rows; ``name`` begins the ids in the SVG. None if there is nothing to draw. Raises CheckError."""
    try:
        return CHARTS[kind](rows, name)
    except KeyError as missing:
        raise CheckError(
            f"a chart of {kind} needs the column {missing}",
            hint="see the checks of reports/frameworks/access.toml",
        ) from missing
