"""The store → the facts of a period: lines, the runs that may have to do with them, Prefect's events."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pyarrow as pa

from lpaudit.correlation.facts import Line, Run

_HEX = re.compile(r"(?<![0-9a-z])[0-9a-f][0-9a-f-]{30,34}[0-9a-f](?![0-9a-z])")

Select = Callable[[str, dict[str, object] | None], pa.Table]

_LINES = """
select line_id, host, client, client_port as port, connection_request_number as number, "user",
    method || ' ' || route as route, status,
    epoch_us(time) as begin, epoch_us(coalesce(time_end, time)) as "end",
    path as named, query as asked,
    lower(prefect_flow_run_id) as run, lower(prefect_deployment_id) as deployment,
    lower(prefect_flow_id) as flow, lower(prefect_worker_id) as worker
from access
where time >= $start and time < $end
"""

_RUNS = """
with wanted as (
    select unnest($ids::varchar[]) as id
    union
    select id from flow_run_latest
    where least(created, expected_start_time, start_time) < $end and coalesce(end_time, $end) >= $start
), family as (
    select flow_run_id from flow_run_tree
    where process_flow_run_id in (
        select process_flow_run_id from flow_run_tree where flow_run_id in (select id from wanted))
)
select run.id, tree.process_flow_run_id as process, tree.root_flow_run_id as root,
    run.deployment_id as deployment, run.flow_id as flow,
    epoch_us(run.created) as created,
    epoch_us(coalesce(least(run.created, run.expected_start_time), $start)) as begin,
    epoch_us(run.start_time) as start, epoch_us(run.end_time) as "end"
from flow_run_latest as run join flow_run_tree as tree on tree.flow_run_id = run.id
where run.id in (select flow_run_id from family)
    or run.id in (select process_flow_run_id from flow_run_tree where flow_run_id in (select id from wanted))
"""

_TASKS = """
select id, any_value(flow_run_id) as flow_run_id from task_run_latest
where id in (select unnest($ids::varchar[])) and flow_run_id is not null group by id
"""

# An event tells of a run when its record names it.
_EVENTS = r"""
select event, epoch_us(occurred) as time,
    list_distinct(regexp_extract_all(document, 'prefect\.flow-run\.([0-9a-f-]{36})', 1)) as runs
from event_latest
where occurred >= $start and occurred < $end
"""

_HORIZON = "select epoch_us(max(fetched_at)) as horizon from flow_run"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a period. ``horizon`` is when flow runs were last fetched; 0 if never."""

    lines: list[Line]
    runs: Mapping[str, Run]
    tasks: Mapping[str, str]
    events: Mapping[str, list[tuple[str, int]]]
    horizon: int


def read(select: Select, start: datetime, end: datetime) -> Facts:
    """Return the facts of ``[start, end)``. Raises what ``select`` does."""
    period: dict[str, object] = {"start": start, "end": end}
    lines = [
        Line(**{**row, "named": ids_in(row["named"]), "asked": ids_in(row["asked"])})
        for row in _rows(select(_LINES, period))
    ]
    ids = sorted({one for line in lines for one in (*line.named, *line.asked)})
    tasks = {row["id"]: row["flow_run_id"] for row in _rows(select(_TASKS, {"ids": ids}))}
    claimed = {line.run for line in lines if line.run is not None}
    wanted = sorted({*ids, *tasks.values(), *claimed})
    runs = {row["id"]: Run(**row) for row in _rows(select(_RUNS, {"ids": wanted, **period}))}
    events: dict[str, list[tuple[str, int]]] = {}
    for row in _rows(select(_EVENTS, period)):
        for process in {runs[run].process for run in row["runs"] if run in runs}:
            events.setdefault(process, []).append((row["event"], row["time"]))
    horizon = _rows(select(_HORIZON, None))
    return Facts(lines, runs, tasks, events, next((row["horizon"] or 0 for row in horizon), 0))


def ids_in(text: str | None) -> tuple[str, ...]:
    """Return the ids in a path or query as Prefect writes them, each once.

    A client may write them in either case, without dashes, or percent-encoded: Prefect understands it.
    """
    if text is None or len(text) < 32:
        return ()
    found = (one.replace("-", "") for one in _HEX.findall(unquote(text).lower()))
    return tuple(dict.fromkeys(str(UUID(one)) for one in found if len(one) == 32))


def _rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
