"""Requests that create a run → the run: its id is in the answer, and no access log has that.

Prefect's record says when the run was created, and of which deployment: within the time of one request
that could have created it, and of no other, there is nothing left to guess. In a recording 298 of 298
such requests were within their run's creation, and none within another's.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from lpaudit.correlation.facts import SECOND, Confidence, Line, Link, Method, Relation, Run

_OF_DEPLOYMENT = "POST /deployments/{id}/create_flow_run"
_BY_HAND = "POST /flow_runs/"  # a script's run, or a subflow's
_SLACK = (0, 100_000)
"""Microseconds by which clocks of two hosts may differ: first what agrees, then the rest."""


def created(lines: Iterable[Line], runs: Mapping[str, Run]) -> Iterator[Link]:
    """Yield a link for each request that created a known run, where no other request can have."""
    by_deployment: dict[str | None, list[tuple[int, str]]] = {}
    for at, one in sorted((run.created, run.id) for run in runs.values() if run.created is not None):
        by_deployment.setdefault(runs[one].deployment, []).append((at, one))
    most = max(_SLACK)
    makers = [
        (line, [run for key in keys for run in _between(by_deployment.get(key, []), line, most, runs)])
        for line in lines
        if line.status is not None and 200 <= line.status < 300 and (keys := _keys(line)) is not None
    ]
    known: set[str] = set()
    for slack in _SLACK:
        pairs = list(_pairs(makers, known, slack))
        known |= {run.id for _, run in pairs} | {line.line_id for line, _ in pairs}
        for line, run in pairs:
            yield Link(
                line_id=line.line_id,
                begin=line.begin,
                relation=Relation.CREATED,
                flow_run_id=run.id,
                root_flow_run_id=run.root,
                task_run_id=None,
                method=Method.CREATION_TIME,
                confidence=Confidence.STRONG,
                evidence=json.dumps({"created_us_after_begin": (run.created or 0) - line.begin}),
            )


def _between(created_at: list[tuple[int, str]], line: Line, slack: int, runs: Mapping[str, Run]) -> list[Run]:
    """Return the runs that were created during a request; ``created_at`` are times with ids, ascending."""
    first = bisect_left(created_at, (line.begin - slack, ""))
    last = bisect_left(created_at, (line.end + slack + 1, ""))
    return [runs[one] for _, one in created_at[first:last]]


def _keys(line: Line) -> tuple[str | None, ...] | None:
    """Return of which deployments a request can have created a run; None: of none, or who knows when."""
    if not (line.begin % SECOND or line.end % SECOND):
        return None  # in whole seconds, another request of the same second would do as well
    if line.route == _OF_DEPLOYMENT:
        return line.named
    return (None,) if line.route == _BY_HAND else None


def _pairs(
    makers: Iterable[tuple[Line, Iterable[Run]]], known: set[str], slack: int
) -> Iterator[tuple[Line, Run]]:
    """Yield requests and runs, not yet known, of which neither can belong to another one."""
    of_run: dict[str, list[Line]] = {}
    of_line: dict[str, list[Run]] = {}
    for line, possible in makers:
        for run in possible:
            if run.created is None or run.id in known or line.line_id in known:
                continue
            if line.begin - slack <= run.created <= line.end + slack:
                of_run.setdefault(run.id, []).append(line)
                of_line.setdefault(line.line_id, []).append(run)
    for lines in of_run.values():
        if len(lines) == 1 and len(of_line[lines[0].line_id]) == 1:
            yield lines[0], of_line[lines[0].line_id][0]
