"""`lpaudit correlate`: what is new in the store → links between lines and flow runs, each said once.

Lines are looked at by the hour in which they began, with an hour on each side: what ties a request to
a run is near it. Which other hours are looked at in the same go makes no difference. New lines make their
hours and the neighbouring ones due; a run whose record is new or has changed makes all hours due from its
begin on, as any later request may name it; so do the records of its tasks and events.

What is new is what later versions of the tables added than those that were looked at: neither clocks nor
the order in which things came matter. Where a table's log no longer tells, everything is looked at again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa

from lpaudit import correlation, pipeline, query, routes, store
from lpaudit.correlation import RULE_VERSION, Link
from lpaudit.errors import OffsetConflict
from lpaudit.schema import tables

_HOUR = timedelta(hours=1)
_HOUR_US = _HOUR // timedelta(microseconds=1)
_SPAN = 6  # hours that are looked at together, at most
_MANY = 200_000  # lines that are in memory together, about 5 KB each: an hour more is read only below that
_ATTEMPTS = 5
_LINKS = "flow_run_link"
_ALL = datetime(1970, 1, 1, tzinfo=UTC)

_LINES = "access_event"
_RECORDED = ("flow_run", "task_run", "event", "snapshot")

# Each row says that everything up to its versions was looked at: one of them tells, not the best of several.
_LAST = """
select versions, records_until from correlation
where rule_version = $rules and versions is not null
order by (versions->>'$.access_event')::bigint desc nulls last, made_at desc, correlation_id limit 1
"""

# The begin of what new records tell of, as far as it is new. Of a run that is what its newest record says
# other than the newest one did the last time: a snapshot that is as an earlier one adds no rows, and makes
# that one the newest again.
_FRESH = """
with before as (
    select run.* from flow_run as run left join (
        select snapshot_id, max(fetched_at) as seen from snapshot
        where table_name = 'flow_run'
            and sync_id || ':' || table_name not in (select unnest($snapshot::varchar[]))
        group by snapshot_id
    ) as taken using (snapshot_id)
    where run.snapshot_id not in (select unnest($flow_run::varchar[]))
    qualify row_number() over (
        partition by id order by coalesce(seen, run.fetched_at) desc, run.snapshot_id) = 1
)
select date_trunc('hour', min(begin)) as begin from (
    select least(run.created, run.expected_start_time, run.start_time,
        old.created, old.expected_start_time, old.start_time) as begin
    from flow_run_latest as run left join before as old using (id)
    where old.id is null
        or old.start_time is distinct from run.start_time
        or old.end_time is distinct from run.end_time
        or old.deployment_id is distinct from run.deployment_id
        or old.flow_id is distinct from run.flow_id
        or old.parent_task_run_id is distinct from run.parent_task_run_id
        or old.created is distinct from run.created
        or old.expected_start_time is distinct from run.expected_start_time
    union all
    select least(run.created, run.expected_start_time, run.start_time, task.created)
    from task_run as task left join flow_run_latest as run on run.id = task.flow_run_id
    where task.snapshot_id in (select unnest($task_run::varchar[])) and not exists (
        select 1 from task_run as old
        where old.id = task.id and old.snapshot_id not in (select unnest($task_run::varchar[])))
    union all
    select occurred from event
    where snapshot_id in (select unnest($event::varchar[])) and not exists (
        select 1 from event as old
        where old.id = event.id and old.snapshot_id not in (select unnest($event::varchar[])))
)
"""

_HOURS = """
select date_trunc('hour', time) as hour, count(*) as lines from access where time is not null
group by hour order by hour
"""

_SEEN = "select max(ingest_time) as lines from access"
_RECORDS = """
select max(fetched_at) as records from (
    select fetched_at from flow_run union all select fetched_at from task_run
    union all select fetched_at from event
    union all select fetched_at from snapshot where table_name = 'flow_run' and complete)
"""

# What holds of the lines of some hours.
_HELD = """
select line_id, relation, flow_run_id, root_flow_run_id, task_run_id,
    method, confidence, evidence, rule_version, made_at
from flow_run_link as link
where time >= $start and time < $end and not exists (
    select 1 from flow_run_link as later
    where later.line_id = link.line_id and later.relation = link.relation and later.made_at > link.made_at
        and later.time >= $start and later.time < $end)
"""

_Key = tuple[str, str]
_Said = frozenset[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class CorrelateResult:
    """What a correlation looked at, found and added; ``by`` counts the links of what it looked at.

    ``again`` says why everything was looked at again though nobody asked for it; empty if it was not.
    """

    lines: int = 0
    links: int = 0
    added: int = 0
    by: tuple[tuple[str, str, str, int], ...] = ()
    """(relation, method, confidence, links), in that order."""
    again: str = ""


def correlate(
    root: str,
    *,
    everything: bool,
    now: Callable[[], datetime],
    unique: Callable[[], str],
    api_prefixes: Sequence[str] = routes.PREFIXES,
) -> CorrelateResult:
    """Bring the links up to date with what the store holds of lines and of Prefect's records.

    ``everything`` looks at all lines again; ``api_prefixes`` are those of ``routes``. Raises StoreError.
    """
    target = store.open_store(root)
    table = target.create_table(_LINKS, unique())
    opened = partial(pipeline.opened, root, api_prefixes)
    with opened() as (connection, versions):
        records = connection.select(_RECORDS).to_pylist()[0]["records"]
        if records is None:
            return CorrelateResult()  # nothing is known of any run
        seen = {name: versions[name] for name in (_LINES, *_RECORDED) if name in versions}
        rows = connection.select(_LAST, {"rules": RULE_VERSION}).to_pylist()
        last = _Last(json.loads(rows[0]["versions"]), rows[0]["records_until"]) if rows else None
        if not everything and last == _Last(seen, records):
            return CorrelateResult()
        new = _new(target, None if everything else last, seen)
        hours, counts = _due(connection.select, new, last, records)
        lines_until = connection.select(_SEEN).to_pylist()[0]["lines"]
        runs = correlation.read_runs(connection.select)
    made_at = now()
    lines = added = 0
    found: dict[tuple[str, str, str], int] = {}
    for start, end in _spans(hours, counts):
        counted, links, fresh = _span(opened, (target, table), runs, (start, end), made_at, unique)
        lines, added = lines + counted, added + fresh
        for link in links:
            key = (str(link.relation), str(link.method), str(link.confidence))
            found[key] = found.get(key, 0) + 1
    row = {
        "correlation_id": unique(),
        "made_at": made_at,
        "rule_version": RULE_VERSION,
        "lines_until": lines_until,
        "records_until": records,
        "versions": json.dumps(seen, sort_keys=True),
        "start_time": hours[0] if hours else None,
        "end_time": hours[-1] + _HOUR if hours else None,
        "lines": lines,
        "links": sum(found.values()),
        "added": added,
    }
    done = pa.Table.from_pylist([row], schema=tables()["correlation"].arrow)
    store.append_records(target, "correlation", row["correlation_id"], done, unique())
    by = tuple((*key, count) for key, count in sorted(found.items()))
    return CorrelateResult(lines, sum(found.values()), added, by, new if isinstance(new, str) else "")


@dataclass(frozen=True, slots=True)
class _Last:
    """Up to which version of each table was looked at, and when the newest record was fetched by then."""

    versions: dict[str, int]
    records: datetime


@dataclass(frozen=True, slots=True)
class _New:
    """What is new: periods in which lines began, both ends included, and snapshots by table."""

    lines: list[tuple[datetime, datetime]]
    snapshots: dict[str, list[str]]


def _new(target: store.Store, last: _Last | None, seen: dict[str, int]) -> _New | str:
    """Return what was added since the last time; if that is everything, why (empty: it is the first time)."""
    if last is None:
        return ""
    lines: list[tuple[datetime, datetime]] = []
    snapshots: dict[str, list[str]] = {name: [] for name in _RECORDED}
    for name in (_LINES, *_RECORDED):
        since = last.versions.get(name, -1)  # a table that was not there yet
        changes = store.added(target, name, since, seen.get(name, -1))
        if changes is None:
            return f"the log of {name} does not tell what came after version {since}"
        for change in changes:
            if name == _LINES:
                period = _period(change)
                if period is None:
                    return f"a commit of {name} does not say which times it holds"
                lines += period
            elif "snapshot_id" not in change.about:
                return f"a commit of {name} does not say of which snapshot it is"
            else:
                snapshots[name].append(change.about["snapshot_id"])
    return _New(lines, snapshots)


def _period(change: store.Added) -> list[tuple[datetime, datetime]] | None:
    """Return when the first and the last line of a file began, none without times; None: it does not say."""
    if not {"event_start", "event_end"} <= change.bounds.keys():
        return None
    told = [bounds for bounds in (change.bounds["event_start"], change.bounds["event_end"]) if bounds]
    if not told:
        return []
    low, high = min(low for low, _ in told), max(high for _, high in told)
    return [(datetime.fromisoformat(low), datetime.fromisoformat(high))]


def _due(
    select: Callable[..., pa.Table], new: _New | str, last: _Last | None, records: datetime
) -> tuple[list[datetime], dict[datetime, int]]:
    """Return the hours to look at, in order, and how many lines each hour has."""
    begin: datetime | None = _ALL
    if not isinstance(new, str):
        fresh = None
        if any(new.snapshots.values()):
            fresh = select(_FRESH, {**new.snapshots}).to_pylist()[0]["begin"]
        # What was beyond the newest record is no longer, once there is a newer one.
        beyond = last.records if last is not None and records != last.records else None
        begin = min((time for time in (fresh, beyond) if time is not None), default=None)
        if begin is None and not new.lines:
            return [], {}
    counts = {row["hour"]: row["lines"] for row in select(_HOURS).to_pylist()}
    late = [] if isinstance(new, str) else new.lines
    due = [
        hour
        for hour in counts
        if (begin is not None and hour >= begin - _HOUR)
        or any(low < hour + 2 * _HOUR and high >= hour - _HOUR for low, high in late)
    ]
    return due, counts


def _spans(hours: Iterable[datetime], counts: Mapping[datetime, int]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the periods that hours make up, none of them too long; ``counts`` are the lines of each hour."""
    start: datetime | None = None
    end = _ALL
    lines = 0  # of the period and of the hour before it and after it
    for hour in hours:
        more = counts.get(hour + _HOUR, 0)
        if start is not None and (hour != end or end - start >= _SPAN * _HOUR or lines + more > _MANY):
            yield start, end
            start = None
        lines = (
            lines + more if start is not None else sum(counts.get(hour + n * _HOUR, 0) for n in (-1, 0, 1))
        )
        start, end = start or hour, hour + _HOUR
    if start is not None:
        yield start, end


def _span(
    opened: Callable[[], AbstractContextManager[tuple[query.Connection, dict[str, int]]]],
    where: tuple[store.Store, store.Table],
    runs: pl.DataFrame,
    period: tuple[datetime, datetime],
    made_at: datetime,
    unique: Callable[[], str],
) -> tuple[int, list[Link], int]:
    """Correlate a period; return how many lines it has, its links, and how many rows were added."""
    (target, table), (start, end) = where, period
    low, high = (int(time.timestamp() * 1_000_000) for time in (start, end))
    for attempt in range(_ATTEMPTS):
        with opened() as (connection, _):
            facts = correlation.read(connection.select, runs, start - _HOUR, end + _HOUR)
            held = connection.select(_HELD, {"start": start, "end": end}).to_pylist()
        links = [link for hour in range(low, high, _HOUR_US) for link in _hour(facts, hour)]
        times = {line.line_id: line.begin for line in facts.lines}
        # What is said last holds, whatever the clocks of those who said something before.
        said = max((row["made_at"] for row in held), default=_ALL)
        rows = list(_changes(links, held, times, max(made_at, said + timedelta(microseconds=1))))
        try:
            if rows:
                fresh = pa.Table.from_pylist(rows, schema=tables()[_LINKS].arrow)
                store.append_next(target, table, "correlation", fresh, unique())
        except OffsetConflict:
            if attempt == _ATTEMPTS - 1:
                raise
            target.refresh(table)  # another one has said something: perhaps the same
        else:
            return sum(low <= line.begin < high for line in facts.lines), links, len(rows)
    raise AssertionError  # the last attempt returns or raises


def _hour(facts: correlation.Facts, hour: int) -> list[Link]:
    """Return the links of the lines of an hour, from what is known of it and of an hour on each side."""
    near = facts.within(hour - _HOUR_US, hour + 2 * _HOUR_US)
    found = correlation.links(near, correlation.shipped())
    return [link for link in found if hour <= link.begin < hour + _HOUR_US]


def _changes(
    links: Iterable[Link], held: Iterable[dict[str, Any]], times: dict[str, int], made_at: datetime
) -> Iterator[dict[str, object]]:
    """Yield the rows of each line and relation of which something else was said before, or nothing."""
    before: dict[_Key, set[tuple[object, ...]]] = {}
    for row in held:
        said = before.setdefault((row["line_id"], row["relation"]), set())
        if row["flow_run_id"] is not None:
            said.add(tuple(row[name] for name in _SAYING))
    now: dict[_Key, list[Link]] = {}
    for link in links:
        now.setdefault((link.line_id, str(link.relation)), []).append(link)
    for key, mine in now.items():
        rows = [_row(link, made_at) for link in mine]
        if {tuple(row[name] for name in _SAYING) for row in rows} != before.get(key):
            yield from rows
    for (line_id, relation), said in before.items():
        if said and (line_id, relation) not in now and line_id in times:
            nothing = dict.fromkeys(_SAYING)
            at = _instant(times[line_id])
            yield {
                **nothing,
                "line_id": line_id,
                "time": at,
                "relation": relation,
                "rule_version": RULE_VERSION,
                "made_at": made_at,
            }


_SAYING = (
    *("flow_run_id", "root_flow_run_id", "task_run_id"),
    *("method", "confidence", "evidence", "rule_version"),
)


def _row(link: Link, made_at: datetime) -> dict[str, object]:
    return {
        "line_id": link.line_id,
        "time": _instant(link.begin),
        "relation": str(link.relation),
        "flow_run_id": link.flow_run_id,
        "root_flow_run_id": link.root_flow_run_id,
        "task_run_id": link.task_run_id,
        "method": str(link.method),
        "confidence": str(link.confidence),
        "evidence": link.evidence,
        "rule_version": RULE_VERSION,
        "made_at": made_at,
    }


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
