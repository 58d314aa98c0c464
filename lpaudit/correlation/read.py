"""The store → the facts of a period: lines, the runs that may have to do with them, Prefect's events."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import polars as pl
import pyarrow as pa

from lpaudit.correlation.facts import SECOND, SET_STATE, Line, Run

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3600 * SECOND
_NEAR = (-60 * SECOND, 2 * SECOND)  # when a request begins that sets a run to Running, beside its start
_HEX = re.compile(r"(?<![0-9a-z])[0-9a-f][0-9a-f-]{30,34}[0-9a-f](?![0-9a-z])")

Select = Callable[[str, dict[str, object] | None], pa.Table]

_COLUMNS = """
select line_id, host, client, client_port as port, connection_request_number as number, "user",
    method || ' ' || route as route, status,
    epoch_us(time) as begin, epoch_us(coalesce(time_end, time)) as "end",
    path as named, query as asked,
    prefect_flow_run_id as run, prefect_deployment_id as deployment,
    prefect_flow_id as flow, coalesce(prefect_worker_name, lower(prefect_worker_id)) as worker
from access
"""

# What `time` says, in columns by which files are skipped.
_WITHIN = f"""{_COLUMNS} where event_start >= $start and event_start < $end
union all {_COLUMNS} where event_start is null and event_end >= $start and event_end < $end
"""

_SET_STATE = f"select * from ({_WITHIN}) where route = $route"  # noqa: S608 -- our own text

_RUNS = """
select run.id, tree.process_flow_run_id as process, tree.root_flow_run_id as root,
    run.deployment_id as deployment, run.flow_id as flow,
    epoch_us(run.created) as created,
    coalesce(epoch_us(least(run.created, run.expected_start_time, run.start_time)), 0) as begin,
    epoch_us(run.start_time) as start, epoch_us(run.end_time) as "end",
    list_sort(list_distinct(list_concat(
        case when run.start_time is null then [] else [epoch_us(run.start_time)] end,
        coalesce(running.times, [])))) as starts
from flow_run_latest as run join flow_run_tree as tree on tree.flow_run_id = run.id
left join (
    select resource_id, list(distinct epoch_us(occurred)) as times from event
    where event = 'prefect.flow-run.Running' group by resource_id
) as running on running.resource_id = 'prefect.flow-run.' || run.id
"""

# A task run stays in its flow run: any record of it will do.
_TASKS = """
select id, any_value(flow_run_id) as flow_run_id from task_run
where id in (select unnest($ids::varchar[])) and flow_run_id is not null group by id
"""

# An event tells of a run when its record names it. Not event_latest: it would sort the events of all times.
_EVENTS = r"""
select event, epoch_us(occurred) as time,
    list_distinct(regexp_extract_all(document, 'prefect\.flow-run\.([0-9a-f-]{36})', 1)) as runs
from event
where occurred >= $start and occurred < $end
qualify row_number() over (partition by id order by fetched_at desc, snapshot_id) = 1
"""

# A snapshot that is as the one before adds no rows, but it was asked for.
_HORIZON = """
select epoch_us(greatest(
    (select max(fetched_at) from flow_run),
    (select max(fetched_at) from snapshot where table_name = 'flow_run' and complete))) as horizon
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a period. ``horizon`` is when flow runs were last fetched; 0 if never.

    ``starts`` are lines that may have set to Running a run that a client shows itself to be, whenever
    that was.
    """

    lines: list[Line]
    starts: list[Line]
    runs: Mapping[str, Run]
    tasks: Mapping[str, str]
    events: Mapping[str, list[tuple[str, int]]]
    horizon: int

    def within(self, start: int, end: int) -> "Facts":
        """Return what is known of ``[start, end)``, a part of the period, as if that alone were read."""
        lines = [line for line in self.lines if start <= line.begin < end]
        wanted = {one for line in lines for one in (*line.named, *line.asked, line.run) if one is not None}
        wanted |= {self.tasks[one] for one in wanted & self.tasks.keys()}
        wanted |= {
            run.id for run in self.runs.values() if run.begin < end and (run.end is None or run.end >= start)
        }
        processes = {self.runs[one].process for one in wanted & self.runs.keys()}
        runs = {one: run for one, run in self.runs.items() if {one, run.process} & processes}
        return replace(
            self,
            lines=lines,
            starts=_starting((line for line in self.starts if line.begin < end), _shown(lines, runs, end)),
            runs=runs,
            events={
                process: [(event, time) for event, time in events if start <= time < end]
                for process, events in self.events.items()
                if process in processes
            },
        )


def read_runs(select: Select) -> pl.DataFrame:
    """Return all flow runs that there are records of, in the columns of ``Run``: once for many periods."""
    return pl.DataFrame(select(_RUNS, None))


def read(select: Select, known: pl.DataFrame, start: datetime, end: datetime) -> Facts:
    """Return the facts of ``[start, end)``; ``known`` are all runs. Raises what ``select`` does."""
    period: dict[str, object] = {"start": start, "end": end}
    lines = _lines(select(_WITHIN, period))
    ids = sorted({one for line in lines for one in (*line.named, *line.asked)})
    tasks = {row["id"]: row["flow_run_id"] for row in _rows(select(_TASKS, {"ids": ids}))}
    claimed = {line.run for line in lines if line.run is not None}
    wanted = [*ids, *tasks.values(), *claimed]
    low, high = ((time - _EPOCH) // timedelta(microseconds=1) for time in (start, end))
    family = _family(known, wanted, low, high).iter_rows(named=True)
    runs = {row["id"]: Run(**{**row, "starts": tuple(row["starts"])}) for row in family}
    events: dict[str, list[tuple[str, int]]] = {}
    for row in _rows(select(_EVENTS, period)):
        for process in {runs[run].process for run in row["runs"] if run in runs}:
            events.setdefault(process, []).append((row["event"], row["time"]))
    horizon = _rows(select(_HORIZON, None))
    starts = _starts(select, lines, _shown(lines, runs, high), start)
    return Facts(lines, starts, runs, tasks, events, next((row["horizon"] or 0 for row in horizon), 0))


def _family(known: pl.DataFrame, wanted: Sequence[str], start: int, end: int) -> pl.DataFrame:
    """Return the runs that are wanted or were there in ``[start, end)``, and those of the same processes."""
    there = (pl.col("begin") < end) & (pl.col("end").is_null() | (pl.col("end") >= start))
    chosen = known.filter(pl.col("id").is_in(wanted) | there)["process"].unique().to_list()
    return known.filter(pl.col("process").is_in(chosen) | pl.col("id").is_in(chosen))


def _lines(table: pa.Table) -> list[Line]:
    # Clients say the same in many lines.
    one = cache(id_of)
    return [
        Line(
            **{
                **row,
                "named": ids_in(row["named"]),
                "asked": ids_in(row["asked"]),
                "run": one(row["run"]),
                "deployment": one(row["deployment"]),
                "flow": one(row["flow"]),
            }
        )
        for row in _rows(table)
    ]


def _shown(lines: Sequence[Line], runs: Mapping[str, Run], end: int) -> dict[str, tuple[int, ...]]:
    """Return when the processes started, before ``end``, that clients show themselves to be by headers.

    That is the run that a header names, those of a deployment or flow that one names, and those in paths of
    a connection with such a header.
    """
    places = {
        (line.host, line.client, line.port)
        for line in lines
        if line.deployment is not None or line.flow is not None
    }
    shown = {line.run for line in lines if line.run is not None}
    shown |= {one for line in lines if (line.host, line.client, line.port) in places for one in line.named}
    deployments = {line.deployment for line in lines if line.deployment is not None}
    flows = {line.flow for line in lines if line.flow is not None}
    shown |= {run.id for run in runs.values() if run.deployment in deployments or run.flow in flows}
    processes = {runs[one].process for one in shown if one in runs}
    return {
        one: tuple(start for start in runs[one].starts if start < end) for one in processes if one in runs
    }


def _starts(
    select: Select, lines: Iterable[Line], shown: Mapping[str, Sequence[int]], start: datetime
) -> list[Line]:
    """Return the lines that may have set a process to Running; ``lines`` are those from ``start`` on."""
    found = list(lines)
    hours = {
        _EPOCH + (time + near) // _HOUR * timedelta(hours=1)
        for times in shown.values()
        for time in times
        for near in _NEAR
    }
    for hour in sorted(hour for hour in hours if hour < start):
        period: dict[str, object] = {"start": hour, "end": hour + timedelta(hours=1), "route": SET_STATE}
        found += _lines(select(_SET_STATE, period))
    return _starting(found, shown)


def _starting(lines: Iterable[Line], shown: Mapping[str, Sequence[int]]) -> list[Line]:
    """Return the lines that may have set one of the processes to Running."""
    before, after = _NEAR
    return [
        line
        for line in lines
        if line.route == SET_STATE
        and any(before <= line.begin - time <= after for one in line.named for time in shown.get(one, ()))
    ]


def ids_in(text: str | None) -> tuple[str, ...]:
    """Return the ids in a path or query as Prefect writes them, each once.

    A client may write them in either case, without dashes, or percent-encoded: Prefect understands it.
    """
    if text is None or len(text) < 32:
        return ()
    found = (one.replace("-", "") for one in _HEX.findall(unquote(text).lower()))
    return tuple(dict.fromkeys(str(UUID(one)) for one in found if len(one) == 32))


def id_of(text: str | None) -> str | None:
    """Return the id that a header names as Prefect writes it; what is no id, or several, as it is."""
    found = ids_in(text)
    return found[0] if len(found) == 1 else text


def _rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
