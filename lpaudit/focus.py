"""The lines of a period, copied once to be asked many things.

A report asks a hundred questions, nearly all of them about the lines of its period. So these are read from
the store's files once, with the columns that are asked for, and the route of each path is looked up once.
The copy is a DuckDB database beside the one that is asked: on disk, so that a month needs no more memory
than a day, but in a file without a name, so that nothing of it is left whatever ends the process.

`access` is then the copy together with the lines before and after it, which are read from the store as ever,
and what is asked of it has the same answer. DuckDB leaves out what a question cannot be about: that a time is
below the period's start and not below it is a contradiction that it sees before it reads anything.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from lpaudit.model import DataFile, Period
from lpaudit.routes import RELATION
from lpaudit.schema import View, tables

LINES = "access_event"
"""The table whose lines are copied."""

_CHUNK = 1_000_000
"""Lines that are copied at once: their different paths are in memory meanwhile."""

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_STEPS = (1, 7, 31, 92, 366)
"""Days before and after the period at which what is read from the store is divided: whoever looks back a
month need not read a year."""

TIME = "coalesce(event_start, event_end)"
"""What `access` calls the time of a line."""

_NO_TIME = "event_start is null and event_end is null"
_IDENTITY = {"line_id": "source_id || '-' || lpad(byte_offset::varchar, 15, '0')"}
"""What follows from other columns, and is not copied: no two lines have it in common."""

COLUMNS = (
    *("source", "source_id", "byte_offset", "line_number", "host_name", "event_end", "event_duration_us"),
    *("client_address", "user_name", "http_request_method", "url_path", "url_query", "http_request_referrer"),
    *("http_response_status_code", "http_response_body_bytes", "user_agent_original", "fields"),
    *("prefect_flow_run_id", "log_format"),
)
"""Stored columns that are copied: those that many questions are about. Each of them costs as much as asking
three questions of the store's files, so what few ask for is read there."""

_CODED = ("source", "source_id", "host_name", "log_format")
"""Those that have few values, and that few questions are about: each line has a number instead, which is
quicker to copy. To make a text of it again takes a question longer than to read what DuckDB has packed."""

_OF_ROUTES = ("action", "resource_type", "parent_type")
"""Columns of `access` whose values are those of a column of the route catalogue: they are such, too."""

_NAMES = ", ".join(COLUMNS)

ONCE = ("segment", "event_latest", "flow_run_latest", "deployment_latest", "failed_login", "identity_login")
"""Views that are made once, as many questions are about them: of the whole store is asked what its segments
sum up to and who failed to log in, and of Prefect's records what is newest. DuckDB then knows how many they
are, and does not take millions of lines for the smaller side of a join."""


class Counting(Enum):
    """Of which lines those that are alike are counted together."""

    NOTHING = "nothing"
    PERIOD = "the period"
    PAST = "the period and what lies before"


@dataclass(frozen=True, slots=True)
class Focus:
    """What is to be copied: the lines of a period, of these files, into ``database``, a new file.

    It loses its name at once. ``readable`` gives what can be read, of files by their paths: see ``know``.
    ``counting`` says which lines are counted beforehand: see lpaudit/tally.py.
    """

    period: Period
    files: Sequence[DataFile]
    readable: Callable[[Sequence[str]], Any]
    database: Path
    counting: Counting = Counting.NOTHING


def focus(connection: duckdb.DuckDBPyConnection, what: Focus) -> dict[str, str]:
    """Copy, and return the SQL of the view `access` over the copy and what is around it.

    Call it before the doors are shut.
    """
    # Without a log of writes, which would be a second file. What is open needs no name.
    connection.execute(f"attach {_text(str(what.database))} as focus (recovery_mode no_wal_writes)")
    what.database.unlink()
    # Nobody opens it again, so that it need not be brought into order after each step, or in the end.
    connection.execute("SET checkpoint_threshold = '256MB'")
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    coded = _code(connection, what)
    _copy(connection, what, coded)
    # So that what is joined by line_id looks for it in the files' own statistics, it is computed here only.
    copied = [f"{name}::varchar as {name}" if name in coded else name for name in (*COLUMNS, *computed())]
    identity = [f"{sql} as {name}" for name, sql in _IDENTITY.items()]
    branches = [f"select {', '.join([*copied, *identity])} from focus.line"]  # noqa: S608 -- our own names
    if around := _divided(connection, what, _stretches(what.period)):
        branches.append(_select(access().relation.replace(LINES, around)))
    if timeless := _timeless(connection, what):
        connection.execute(f"create table focus.timeless as {_select(timeless)} where {_NO_TIME}")
        branches.append("from focus.timeless")
    connection.execute(f"create view focused_line as {' union all '.join(branches)}")
    return {"access": f"select {named(dict(told(*_IDENTITY)))} from focused_line"}  # noqa: S608 -- as in schemas/


def divide(connection: duckdb.DuckDBPyConnection, what: Focus) -> dict[str, str]:
    """Copy nothing, and return the SQL of the view `access` with all of its columns, divided by time.

    A question about the period then reads the files that may hold a line of it, and no others.
    """
    view = access()
    columns = {column.name: column.sql for column in view.columns}
    branches = []
    if divided := _divided(connection, what, [what.period, *_stretches(what.period)]):
        branches.append(f"select {named(columns)} from {view.relation.replace(LINES, divided)}")  # noqa: S608 -- as in schemas/
    if timeless := _timeless(connection, what):
        # So that a question about any time is not about these.
        columns |= {"time": "null::timestamptz"}
        branches.append(f"select {named(columns)} from {timeless} where {_NO_TIME}")  # noqa: S608 -- as in schemas/
    return {"access": " union all ".join(branches) or view.sql}


def _code(connection: duckdb.DuckDBPyConnection, what: Focus) -> list[str]:
    """Make a type of all values that a column can have in the copy, for each column that has few.

    Returns the columns' names; a column's type is called like it.
    """
    if not (files := [file.path for file in what.files if file.touches(what.period)]):
        return []
    know(connection, "chunk", what.readable(files))
    named = {name: (name, "chunk") for name in _CODED}
    named |= {name: (name, RELATION) for name in _OF_ROUTES}
    for name, (column, relation) in named.items():
        # The empty text, because a type of no value cannot be.
        values = f"select '' union select {column} from {relation} where {column} is not null order by 1"  # noqa: S608 -- our own names
        connection.execute(f"create type coded_{name} as enum ({values})")
    return list(named)


def _copy(connection: duckdb.DuckDBPyConnection, what: Focus, coded: Collection[str]) -> None:
    """Copy the period's lines, some files at a time."""
    as_coded = {name: f"::coded_{name}" for name in coded}
    copied = ", ".join(f"{name}{as_coded.get(name, '')} as {name}" for name in COLUMNS)
    insert = f"""
        insert into focus.line by name
        with chosen as not materialized (
            select {_NAMES}, {TIME} as time from chunk
            where reject_reason is null and {TIME} >= $start and {TIME} < $end
        ),
        known as ({routed("chosen", as_coded)})
        select {copied}, time, {", ".join(found_by_route())}
        from chosen
        left join known on its_path = url_path and its_method is not distinct from http_request_method"""  # noqa: S608 -- our own names
    period = {"start": what.period.start, "end": what.period.end}
    connection.execute(f"create table focus.line ({', '.join(_types(connection, coded))})")
    # What is written is still near the processor then, and takes no memory.
    connection.execute("SET write_buffer_row_group_count = 1")
    for files in chunks([file for file in what.files if file.touches(what.period)]):
        know(connection, "chunk", what.readable(files))
        connection.execute(insert, period)


def routed(relation: str, casts: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return what looks up the route of each different path of a relation."""
    paths = f"select distinct http_request_method, url_path, null as reject_reason from {relation}"  # noqa: S608 -- as below
    found = ", ".join(f"({sql}){casts.get(name, '')} as {name}" for name, sql in found_by_route().items())
    looked_up = access().relation.replace(LINES, f"({paths})")
    return f"select http_request_method as its_method, url_path as its_path, {found} from {looked_up}"  # noqa: S608 -- our own names


def found_by_route() -> dict[str, str]:
    """Return the columns of `access` that a path and a method are enough for, each with its SQL."""
    return {name: sql for name, sql in computed().items() if name != "time"}


def _types(connection: duckdb.DuckDBPyConnection, coded: Collection[str]) -> Iterator[str]:
    """Yield the copy's columns with their types.

    Numbers are kept as they are: to make them smaller takes longer than to copy them.
    """
    for name, kind, *_ in connection.execute(f"describe {_select(access().relation)}").fetchall():
        if name in coded:
            yield f"{name} coded_{name} using compression uncompressed"
        elif name not in _IDENTITY:
            text = kind == "VARCHAR" or kind.startswith("MAP")
            yield f"{name} {kind}" if text else f"{name} {kind} using compression uncompressed"


def make(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> str:
    """Have a view's rows made beside the copy, if they are to be made once; return what the view is then."""
    if name not in ONCE:
        return sql
    # To find out which of its ways packs Prefect's documents best takes DuckDB longer than all the rest.
    connection.execute("SET force_compression = 'zstd'")
    try:
        connection.execute(f'create table focus."{name}" as {sql}')
    finally:
        connection.execute("SET force_compression = 'auto'")
    return f'from focus."{name}"'


def know(connection: duckdb.DuckDBPyConnection, name: str, source: Any) -> None:
    """Let a connection read something by a name: a tuple of Parquet files, or what is Arrow's."""
    if isinstance(source, tuple):
        files = ", ".join(map(_text, source))
        connection.execute(f'create or replace temp view "{name}" as from read_parquet([{files}])')
    else:
        connection.register(name, source)


def chunks(files: Sequence[DataFile]) -> Iterator[list[str]]:
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


def _divided(connection: duckdb.DuckDBPyConnection, what: Focus, stretches: Iterable[Period]) -> str | None:
    """Return what the lines of some stretches of time can be read from; None if there are none.

    Which route each has is asked of all of them together: DuckDB reads what finds it again for each question.
    """
    parts = []
    for number, stretch in enumerate(stretches):
        if files := [file.path for file in what.files if file.touches(stretch)]:
            name = f"stretch_{number}"
            know(connection, name, what.readable(files))
            bounds = [
                *([f"{TIME} >= {instant(stretch.start)}"] if stretch.start > _FIRST else ()),
                *([f"{TIME} < {instant(stretch.end)}"] if stretch.end < _LAST else ()),
            ]
            parts.append(f"from {name} where {' and '.join(bounds)}")
    return f"({' union all '.join(parts)})" if parts else None


def _timeless(connection: duckdb.DuckDBPyConnection, what: Focus) -> str | None:
    """Return what lines without any time can be read from; None if there are none."""
    if not (files := [file.path for file in what.files if file.timeless]):
        return None
    know(connection, "timeless", what.readable(files))
    return access().relation.replace(LINES, "timeless")


def _select(relation: str) -> str:
    """Return a SELECT of what the copy can tell."""
    found = ", ".join(f"{sql} as {name}" for name, sql in computed().items())
    return f"select {_NAMES}, {found}, {', '.join(_IDENTITY)} from {relation}"  # noqa: S608 -- our own names


def named(columns: Mapping[str, str]) -> str:
    """Return what selects columns under their names, each with its SQL."""
    return ", ".join(f'{sql} as "{name}"' for name, sql in columns.items())


def computed() -> dict[str, str]:
    """Return the columns of `access` that are no stored ones, each with its SQL: the time first."""
    stored = set(_stored())
    return {column.name: column.sql for column in access().columns if column.sql.strip('"') not in stored}


def told(*besides: str) -> Iterator[tuple[str, str]]:
    """Yield the columns of `access` that the copy has, or are those ``besides`` it, each with its SQL."""
    found = computed()
    for column in access().columns:
        of = column.sql.strip('"')
        if column.name in found:
            yield column.name, column.name
        elif of in COLUMNS or of in besides:
            yield column.name, of


def _stored() -> list[str]:
    return [field.name for field in tables()[LINES].fields]


def _stretches(period: Period) -> Iterator[Period]:
    """Yield all time that is not in the period, in pieces."""
    start, end, steps = period.start, period.end, [timedelta(days) for days in _STEPS]
    before = [start, *(start - step for step in steps if start - _FIRST > step), _FIRST]
    after = [end, *(end + step for step in steps if _LAST - end > step), _LAST]
    yield from (Period(low, high) for high, low in pairwise(before))
    yield from (Period(low, high) for low, high in pairwise(after))


def access() -> View:
    """Return the view whose lines are copied."""
    return next(view for view in tables()[LINES].views if view.name == "access")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def instant(time: datetime) -> str:
    """Write a time as SQL has it."""
    return f"timestamptz '{time.astimezone(UTC).isoformat()}'"
