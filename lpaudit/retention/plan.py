"""What is too old, and what a hold keeps all the same: segments, each with why it stays.

A segment is the unit: it is purged as a whole, when each of its lines is older than the cut and none of
them is held. A line's age is that of the request, or of the message; a line without a time counts from
when it was stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lpaudit.model import Select
from lpaudit.retention.classes import Class
from lpaudit.retention.holds import Cover, Hold

# When a line's request began and ended, and whether it is of one of $names or of $runs.
_BEGUN = {
    "access_event": "coalesce(event_start, event_end, ingest_time)",
    "server_event": "coalesce(time, ingest_time)",
}
_ENDED = {
    "access_event": "coalesce(event_end, event_start, ingest_time)",
    "server_event": "coalesce(time, ingest_time)",
}
# What cannot be read may be of anybody whose name is in it.
_OF_NAMES = {
    "access_event": """(list_contains($names, lower(user_name))
        or len(list_filter(map_values(fields), lambda value: list_contains($names, lower(value)))) > 0
        or len(list_filter($names, lambda name: contains(lower(raw), name))) > 0)""",
    "server_event": """(list_contains($names, lower("user"))
        or len(list_filter($names, lambda name: contains(lower(message), name))) > 0)""",
}
_OF_RUNS = {
    "access_event": """(list_contains($runs, replace(lower(prefect_flow_run_id), '-', ''))
        or len(list_filter($runs, lambda run: contains(replace(lower(url_original), '-', ''), run))) > 0
        or len(list_filter($runs, lambda run: contains(replace(lower(raw), '-', ''), run))) > 0
        or line_id in (
            select line_id from flow_run_link where list_contains($runs, replace(flow_run_id, '-', ''))))""",
    "server_event": """
        len(list_filter($runs, lambda run: contains(replace(lower(message), '-', ''), run))) > 0""",
}

_OLD = """
select segment, arg_max(source, byte_offset) as source, min(source_id) as source_id,
    arg_max(host_name, byte_offset) as host_name, count(*) as lines, max(line_number) as line_number,
    arg_max(log_format, byte_offset) as log_format, min(least({begun}, {ended})) as first_time,
    max(greatest({begun}, {ended})) as last_time, max(ingest_time) as ingest_time
from {table}
group by segment
having last_time < $cut
order by segment
"""
_HELD = "select distinct segment from {table} where {ended} < $cut and {which}"

_NAMES = """
select distinct lower(unnest(list_prepend(identity, logins))) as name
from (select identity, cast(cast(aliases as json) as varchar[]) as logins from identity)
where lower(identity) = lower($identity)
    or len(list_filter(logins, lambda login: lower(login) = lower($identity))) > 0
"""
_RUNS = """
with recursive run(id) as (
    select $run
    union
    select child.id
    from run
    join task_run on task_run.flow_run_id = run.id
    join flow_run as child on child.parent_task_run_id = task_run.id
)
select replace(id, '-', '') as id from run
union
select replace(flow_run_id, '-', '') from flow_run_link
where root_flow_run_id = $run and flow_run_id is not null
"""


@dataclass(frozen=True, slots=True)
class Old:
    """A segment all of whose lines are older than the cut, and the ids of the holds that cover it."""

    table: str
    name: str
    row: dict[str, Any]
    held_by: tuple[str, ...]

    @property
    def lines(self) -> int:
        """Lines in it."""
        return int(self.row["lines"])


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule comes to in a store: what it would purge, and what holds keep."""

    cut: datetime
    classes: tuple[str, ...]
    purge: tuple[Old, ...]
    held: tuple[Old, ...]


def plan(cut: datetime, wanted: Iterable[Class], holds: Sequence[Hold], select: Select) -> Plan:
    """Say what is older than ``cut``, and what of it ``holds`` cover. Raises QueryError, StoreError."""
    classes = tuple(wanted)
    found = [old for one in classes for table in one.tables for old in _of_table(table, cut, holds, select)]
    return Plan(
        cut,
        tuple(one.name for one in classes),
        tuple(old for old in found if not old.held_by),
        tuple(old for old in found if old.held_by),
    )


def _of_table(table: str, cut: datetime, holds: Sequence[Hold], select: Select) -> Iterable[Old]:
    told = {"table": table, "begun": _BEGUN[table], "ended": _ENDED[table]}
    rows = select(_OLD.format(**told), {"cut": cut}).to_pylist()
    lines = {hold.id: _lines_of(hold.cover, told, cut, select) for hold in holds} if rows else {}
    for row in rows:
        covering = tuple(
            hold.id
            for hold in holds
            if _meets(hold.cover, row) and ((named := lines[hold.id]) is None or row["segment"] in named)
        )
        yield Old(table, row["segment"], row, covering)


def _meets(cover: Cover, row: dict[str, Any]) -> bool:
    """Tell whether a segment's lines may be of the time that a hold covers."""
    return (cover.start is None or row["last_time"] >= cover.start) and (
        cover.end is None or row["first_time"] < cover.end
    )


def _lines_of(cover: Cover, told: dict[str, str], cut: datetime, select: Select) -> set[str] | None:
    """Return the segments that have a line of who and which run a hold names; None if it names neither."""
    which, values = [], dict[str, object]()
    if cover.identity is not None:
        which.append(_OF_NAMES[told["table"]])
        names = select(_NAMES, {"identity": cover.identity}).column("name").to_pylist()
        values["names"] = sorted({cover.identity.strip().lower(), *names})
    if cover.run is not None:
        which.append(_OF_RUNS[told["table"]])
        values["runs"] = sorted(select(_RUNS, {"run": cover.run}).column("id").to_pylist())
    if not which:
        return None
    sql = _HELD.format(**told, which=" and ".join(which))
    return set(select(sql, {"cut": cut, **values}).column("segment").to_pylist())
