"""Populations → files: the rows that checks looked at, each kind of them once.

Most checks look at the lines of the period, which may be millions: these are asked for a part of
the period at a time.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa

from lpaudit import guard
from lpaudit.binder.folder import Folder
from lpaudit.binder.frame import LINES, Frame, frame_of
from lpaudit.binder.rows import add_rows
from lpaudit.errors import QueryError
from lpaudit.model import Result, Select
from lpaudit.report.check import named_parameters

_MOST = 200_000
"""Lines that are asked for at once: what a locked DuckDB can sort in the memory that it has."""

_SHORTEST = timedelta(seconds=1)


def add_populations(
    folder: Folder, results: Iterable[Result], select: Select
) -> dict[str, tuple[str | None, str]]:
    """Write the populations of checks; return for each its file without suffix, or why there is none.

    Raises OSError.
    """
    told: dict[str, tuple[str | None, str]] = {}
    made: dict[object, tuple[str | None, str]] = {}
    for result in sorted(results, key=lambda r: r.check.id):
        check, frame = result.check, frame_of(result.check)
        if not result.rows.num_columns:
            told[check.id] = None, f"it was not asked: {'; '.join(result.reasons)}"
        elif isinstance(frame, str):
            told[check.id] = None, frame
        else:
            same = frame.counted, tuple(sorted((name, str(v)) for name, v in _given(frame.counted, result)))
            if same not in made:
                name = "access" if frame.counted == LINES else check.id
                made[same] = _add(folder, f"populations/{name}", frame, result, select)
            told[check.id] = made[same]
    return told


def _add(folder: Folder, stem: str, frame: Frame, result: Result, select: Select) -> tuple[str | None, str]:
    """Write the rows of one frame, which must be as many as were counted."""
    try:
        with guard.asking(result.check.id):
            pieces = _pieces(frame, result, select) if frame.lines else [_asked(frame, result, select)]
            rows = add_rows(folder, stem, pieces)
    except QueryError as error:
        why = f"its rows could not be asked for: {error.message.splitlines()[0]}"
    else:
        if rows == result.population:
            return stem, ""
        why = f"its rows would be {rows:,}, which are others than were counted"
    for suffix in (".csv", ".parquet"):
        folder.place(stem + suffix).unlink(missing_ok=True)
        folder.rows.pop(stem + suffix, None)
    return None, why


def _asked(frame: Frame, result: Result, select: Select, **period: object) -> pa.Table:
    return select(frame.sql, dict(_given(frame.sql, result)) | period)


def _given(sql: str, result: Result) -> Iterator[tuple[str, object]]:
    """Yield the parameters of a query, as they were when the check was asked."""
    for name in sorted(named_parameters(sql, result.check.file)):
        yield name, result.parameters[name]


def _pieces(frame: Frame, result: Result, select: Select) -> Iterator[pa.Table]:
    """Yield the lines in the order of their times, so many at once as can be held."""
    start, end = result.parameters["start"], result.parameters["end"]
    assert isinstance(start, datetime) and isinstance(end, datetime)  # noqa: S101, PT018 -- for the type checker
    asked = partial(_asked, frame, result, select)
    counted = dict(_given(frame.counted, result))
    waiting = [(start, end, result.population)]
    while waiting:
        start, end, lines = waiting.pop()
        if lines <= _MOST or end - start <= _SHORTEST:
            yield asked(start=start, end=end)
            continue
        middle = start + (end - start) / 2
        first = select(frame.counted, counted | {"start": start, "end": middle}).column(0)[0].as_py()
        waiting += [(middle, end, lines - first), (start, middle, first)]
