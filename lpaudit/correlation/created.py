"""Requests that create a run → the run: its id is in the answer, and no access log has that.

Prefect's record says when the run was created, and of which deployment: within the time of one request
that could have created it, and of no other, there is nothing left to guess. In a recording 298 of 298
such requests were within their run's creation, and none within another's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from lpaudit.correlation.facts import Confidence, Line, Link, Method, Relation, Run

_OF_DEPLOYMENT = "POST /deployments/{id}/create_flow_run"
_BY_HAND = "POST /flow_runs/"  # a script's run, or a subflow's
_SLACK = 20_000  # microseconds by which the clocks of Prefect's host and of lighttpd's may differ


def created(lines: Iterable[Line], runs: Mapping[str, Run]) -> Iterator[Link]:
    """Yield a link for each request that created a known run, where no other request can have."""
    makers: dict[str, list[Line]] = {}
    made: dict[str, list[str]] = {}
    by_deployment: dict[str | None, list[Run]] = {}
    for run in runs.values():
        by_deployment.setdefault(run.deployment, []).append(run)
    for line in lines:
        if line.status is None or not 200 <= line.status < 300:
            continue
        if line.route == _OF_DEPLOYMENT:
            possible = [run for one in line.named for run in by_deployment.get(one, ())]
        elif line.route == _BY_HAND:
            possible = by_deployment.get(None, [])
        else:
            continue
        for run in possible:
            if run.created is not None and line.begin - _SLACK <= run.created <= line.end + _SLACK:
                makers.setdefault(run.id, []).append(line)
                made.setdefault(line.line_id, []).append(run.id)
    for run_id, (line, *others) in makers.items():
        if not others and len(made[line.line_id]) == 1:
            yield Link(
                line_id=line.line_id,
                begin=line.begin,
                relation=Relation.CREATED,
                flow_run_id=run_id,
                root_flow_run_id=runs[run_id].root,
                task_run_id=None,
                method=Method.CREATION_TIME,
                confidence=Confidence.STRONG,
                evidence=json.dumps({"created_us_after_begin": (runs[run_id].created or 0) - line.begin}),
            )
