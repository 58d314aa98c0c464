"""The lines of a store that are alike, counted together, once for many questions.

Most questions of a report count: who did what from where, how often, first and last. They ask `access_tally`,
in which a row may stand for many lines that are alike, all of one hour. Where no report asks, each line is a
row by itself, as the view says: that has the same answers, and takes a hundred times as many rows.

No row stands for lines of before and after the period's start or end, or an instant that is whole hours
before its start, or one at which a directory says something new of an identity. So what is true of a row's
first and last line is true of all.
"""

from collections.abc import Iterable, Iterator

import duckdb

from lpaudit import focus
from lpaudit.focus import Focus
from lpaudit.schema import View, tables

VIEW = "access_tally"

_AT_ONCE = 2_000_000
"""Lines that are counted at once: they may be all different, and are in memory meanwhile."""

_COUNTED = {
    "first_time": "min(first_time)",
    "last_time": "max(last_time)",
    "requests": "sum(requests)::bigint",
    "bytes": "sum(bytes)::bigint",
}
_MINUTE, _HOUR = "floor(epoch_us(time) / 60000000)", "floor(epoch_us(time) / 3600000000)"
_OF_A_LINE = f"time as first_time, time as last_time, 1 as requests, bytes, {_HOUR} as hour"

_APART = ("hour", "moment", "before")
"""What keeps lines apart that are alike: their hour, a time at which something changes, and how far before
the period they are."""

_BY_ROUTE = ("route", "action", "privileged", "resource_type", "api_path", "path")
"""Columns that follow from the route, or depend on whether there is one."""

_TURNS = f"""
    create table focus.turn as
    select distinct {_MINUTE} as minute
    from (select unnest([asked_from, asked_to, since, until, disabled_at]) as time from identity_login)
    where time > timestamptz '0001-01-02 00:00:00+00' and time < timestamptz '9999-12-30 00:00:00+00'"""  # noqa: S608 -- our own names
"""The minutes in which a directory says something new of somebody. Their lines are not counted together, and
the others of such an hour by the minute."""

_TURNING = f"""case
    when {_MINUTE} in (from focus.turn) then epoch_us(time)
    when {_HOUR} in (select floor(minute / 60) from focus.turn) then {_MINUTE} * 60000000 end"""  # noqa: S608 -- our own names


_TOO_MUCH = (duckdb.OutOfMemoryException, duckdb.ConversionException, duckdb.OutOfRangeException)
"""How DuckDB says that lines are too different to be counted in memory, or that a sum is too large."""


def wanted(questions: Iterable[str]) -> focus.Counting:
    """Return what is to be counted beforehand for some SQL: what lies before the period if it looks back.

    It does if it says from when, or not since when. What this does not see is answered more slowly, and as
    right.
    """
    about = [sql for sql in questions if "_tally" in sql]
    if any("$start -" in sql or "first_time >= $start" not in sql for sql in about):
        return focus.Counting.PAST
    return focus.Counting.PERIOD if about else focus.Counting.NOTHING


def make(connection: duckdb.DuckDBPyConnection, what: Focus) -> str:
    """Count the lines of the period, which are copied already, and those before it if that is asked for.

    Returns what the view is then. Whoever has lines written that cannot be counted makes reports slower, and
    changes nothing else: then each line is a row.
    """
    if what.counting is focus.Counting.NOTHING:
        return _view().sql
    try:
        return _counted(connection, what)
    except _TOO_MUCH:
        return _view().sql


def _counted(connection: duckdb.DuckDBPyConnection, what: Focus) -> str:
    connection.execute(_TURNS)
    turns = connection.execute("select count(*) from focus.turn").fetchone() != (0,)
    line = f"{_OF_A_LINE}, {_TURNING if turns else 0} as moment"
    connection.execute(f"create table focus.tally as {_view().sql} limit 0")
    for lines in _copied(connection):
        _insert(connection, f"select {line}, 0 as before, {focus.named(_keys())} from ({lines})")  # noqa: S608 -- our own names
    plainly = [f"access where time >= {focus.instant(what.period.end)}"]
    if any(file.timeless for file in what.files):
        plainly.append(f"(select {focus.named(dict(focus.told()))} from focus.timeless)")  # noqa: S608 -- our own names
    if what.counting is focus.Counting.PAST:
        # Who looks back does so for whole days from the period's start, which is any instant of an hour.
        start = focus.instant(what.period.start)
        past = _past(what, f"{line}, floor((epoch_us(time) - epoch_us({start})) / 3600000000) as before")
        for files in focus.chunks([file for file in what.files if file.first < what.period.start]):
            focus.know(connection, "chunk", what.readable(files))
            _insert(connection, past)
    else:
        plainly.append(f"access where time < {focus.instant(what.period.start)}")
    columns = focus.named({column.name: column.sql for column in _view().columns})
    branches = [f"select {columns} from {lines}" for lines in plainly]  # noqa: S608 -- our own names
    return " union all ".join(["from focus.tally", *branches])


def _copied(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield what selects the copied lines, some at a time."""
    [most] = connection.execute("select coalesce(max(rowid), -1) from focus.line").fetchall()[0]
    for first in range(0, most + 1, _AT_ONCE):
        yield f"""
            select {focus.named(dict(focus.told()))}
            from focus.line where rowid >= {first} and rowid < {first + _AT_ONCE}"""  # noqa: S608 -- our own names


def _past(what: Focus, line: str) -> str:
    """Return what selects the lines before the period, of the files that are called ``chunk``.

    Those with the same path are counted first, so that not each of them is looked up.
    """
    stored = focus.named(
        {column.name: column.sql for column in focus.access().columns if column.name not in focus.computed()}
    )
    early = {name: sql for name, sql in _keys().items() if name not in _BY_ROUTE}
    late = {name: sql for name, sql in _keys().items() if name in _BY_ROUTE}
    names = ", ".join(f'"{name}"' for name in (*_COUNTED, *_APART, *early))
    return f"""
        with line as not materialized (
            select {stored}, {focus.TIME} as time from chunk
            where reject_reason is null and {focus.TIME} < {focus.instant(what.period.start)}
        ),
        alike as ({_grouped(f"select {line}, {focus.named(early)}, path from line", [*early, "path"])}),
        known as ({focus.routed("(select method as http_request_method, path as url_path from alike)")})
        select {names}, {focus.named(late)}
        from (from alike left join known on its_path = path and its_method is not distinct from method)"""  # noqa: S608 -- our own names


def _insert(connection: duckdb.DuckDBPyConnection, lines: str) -> None:
    """Count lines, and keep what came of it."""
    told = f"select * exclude ({', '.join(_APART)}) from ({_grouped(lines, _keys())})"  # noqa: S608 -- our own names
    connection.execute(f"insert into focus.tally by name {told}")


def _grouped(lines: str, keys: Iterable[str]) -> str:
    counted = ", ".join(f"{sql} as {name}" for name, sql in _COUNTED.items())
    names = ", ".join(f'"{name}"' for name in (*_APART, *keys))
    return f"select {counted}, {names} from ({lines}) group by {names}"  # noqa: S608 -- our own names


def _keys() -> dict[str, str]:
    """Return what lines that are alike have in common: columns of the view, with their SQL."""
    return {column.name: column.sql for column in _view().columns if column.name not in _COUNTED}


def _view() -> View:
    return next(view for table in tables().values() for view in table.views if view.name == VIEW)
