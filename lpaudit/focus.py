"""The lines of a period, copied once to be asked many things.

A report asks a hundred questions, nearly all of them about the lines of its period. So these are read from
the store's files once, with the columns that are asked for, and the route of each path is looked up once.
The copy is a DuckDB database beside the one that is asked: on disk, so that a month needs no more memory
than a day, but in a file without a name, so that nothing of it is left whatever ends the process.

`access` is then the copy together with the lines before and after it, which are read from the store as ever,
and what is asked of it has the same answer. DuckDB leaves out what a question cannot be about: that a time is
below the period's start and not below it is a contradiction that it sees before it reads anything.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from lpaudit.model import DataFile, Period
from lpaudit.schema import View, tables

LINES = "access_event"
"""The table whose lines are copied."""

_CHUNK = 1_000_000
"""Lines that are copied at once: their different paths are in memory meanwhile."""

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_STEPS = (1, 7, 31, 92, 366)
"""Days before and after the period at which what is read from the store is divided: whoever looks back a
month need not read a year."""

_TIME = "coalesce(event_start, event_end)"
_IDENTITY = {"line_id": "source_id || '-' || lpad(byte_offset::varchar, 15, '0')"}
"""What follows from other columns is not copied: no two lines have it in common."""

COLUMNS = (
    *("source", "source_id", "byte_offset", "host_name", "event_start", "event_end", "event_duration_us"),
    *("client_address", "user_name", "http_request_method", "url_path", "url_query"),
    *("http_response_status_code", "http_response_body_bytes", "user_agent_original", "log_format", "fields"),
    "prefect_flow_run_id",
)
"""Stored columns that are copied: those that many questions are about. Each of them costs as much as asking
one question of the store, so what few ask for is read there."""

_NAMES = ", ".join(COLUMNS)

_DERIVED = """(
    select *, prefect_segments(api_path) as segments
    from (
        select *, prefect_api_path(decoded) as api_path
        from (select *, prefect_decoded(url_path) as decoded from focused_line)
    )
)"""
"""Lines with what `access` computes of their paths, but for the operation, which they have."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What is to be copied: the lines of a period, of these files, into ``database``, a new file.

    It loses its name at once. ``readable`` gives what can be read, of files by their paths: see ``know``.
    """

    period: Period
    files: Sequence[DataFile]
    readable: Callable[[Sequence[str]], Any]
    database: Path


def focus(connection: duckdb.DuckDBPyConnection, what: Focus) -> dict[str, str]:
    """Copy, and return the SQL of the view `access` over the copy and what is around it.

    Call it before the doors are shut.
    """
    # Without a log of writes, which would be a second file. What is open needs no name.
    connection.execute(f"attach {_text(str(what.database))} as focus (recovery_mode no_wal_writes)")
    what.database.unlink()
    _copy(connection, what)
    branches = [_select("focus.line"), *_around(connection, what)]
    connection.execute(f"create view focused_line as {' union all '.join(branches)}")
    access, stored = _access(), {field.name for field in tables()[LINES].fields}
    known = {*COLUMNS, *_IDENTITY}
    told = [
        f'{_IDENTITY.get(c.sql.strip(chr(34)), c.sql)} as "{c.name}"'
        for c in access.columns
        if _words(c.sql) & stored <= known
    ]
    return {access.name: f"select {', '.join(told)} from {_DERIVED}"}  # noqa: S608 -- as in schemas/


def _copy(connection: duckdb.DuckDBPyConnection, what: Focus) -> None:
    """Copy the period's lines, some files at a time."""
    routed = _access().relation.replace(
        LINES, "(select distinct http_request_method, url_path, null as reject_reason from chosen)"
    )
    insert = f"""
        insert into focus.line
        with chosen as not materialized (
            select {_NAMES} from chunk where reject_reason is null and {_TIME} >= $start and {_TIME} < $end
        ),
        known as (select http_request_method as its_method, url_path as its_path, operation from {routed})
        select {_NAMES}, operation
        from chosen
        left join known on its_path = url_path and its_method = http_request_method"""  # noqa: S608 -- our own names
    period = {"start": what.period.start, "end": what.period.end}
    relation = f"(select *, 0 as operation from {LINES})"  # noqa: S608 -- our own names
    connection.execute(f"create table focus.line as {_select(relation)} limit 0")
    for files in _chunks([file for file in what.files if file.touches(what.period)]):
        know(connection, "chunk", what.readable(files))
        connection.execute(insert, period)


def know(connection: duckdb.DuckDBPyConnection, name: str, source: Any) -> None:
    """Let a connection read something by a name: a tuple of Parquet files, or what is Arrow's."""
    if isinstance(source, tuple):
        files = ", ".join(map(_text, source))
        connection.execute(f'create or replace temp view "{name}" as from read_parquet([{files}])')
    else:
        connection.register(name, source)


def _chunks(files: Sequence[DataFile]) -> Iterator[list[str]]:
    """Yield files' names, as many together as have some hundred thousand lines."""
    some: list[str] = []
    rows = 0
    for file in sorted(files, key=lambda f: (f.first, f.path)):
        some.append(file.path)
        rows += file.rows
        if rows >= _CHUNK:
            yield some
            some, rows = [], 0
    if some:
        yield some


def _around(connection: duckdb.DuckDBPyConnection, what: Focus) -> Iterator[str]:
    """Yield SELECTs of the other lines, each between two times; and of lines without any time, a copy."""
    for number, stretch in enumerate(_stretches(what.period)):
        if files := [file.path for file in what.files if file.touches(stretch)]:
            name = f"stretch_{number}"
            know(connection, name, what.readable(files))
            bounds = [
                *([f"{_TIME} >= {_instant(stretch.start)}"] if stretch.start > _FIRST else ()),
                *([f"{_TIME} < {_instant(stretch.end)}"] if stretch.end < _LAST else ()),
            ]
            relation = _access().relation.replace(LINES, name)
            yield f"{_select(relation)} where {' and '.join(bounds)}"
    if files := [file.path for file in what.files if file.timeless]:
        know(connection, "chunk", what.readable(files))
        relation = _access().relation.replace(LINES, "chunk")
        connection.execute(f"create table focus.timeless as {_select(relation)} where {_TIME} is null")
        yield _select("focus.timeless")


def _select(relation: str) -> str:
    return f"select {_NAMES}, operation from {relation}"  # noqa: S608 -- our own names


def _stretches(period: Period) -> Iterator[Period]:
    """Yield all time that is not in the period, in pieces."""
    start, end, steps = period.start, period.end, [timedelta(days) for days in _STEPS]
    before = [start, *(start - step for step in steps if start - _FIRST > step), _FIRST]
    after = [end, *(end + step for step in steps if _LAST - end > step), _LAST]
    yield from (Period(low, high) for high, low in pairwise(before))
    yield from (Period(low, high) for low, high in pairwise(after))


def _access() -> View:
    return next(view for view in tables()[LINES].views if view.name == "access")


def _words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", sql))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _instant(time: datetime) -> str:
    return f"timestamptz '{time.astimezone(UTC).isoformat()}'"
