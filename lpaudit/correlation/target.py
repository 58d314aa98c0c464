"""Ids in a request's path or query → the runs that it acts on or asks about."""

import json
from collections.abc import Iterable, Iterator, Mapping

from lpaudit.correlation.facts import Confidence, Line, Link, Method, Relation, Run


def targets(lines: Iterable[Line], runs: Mapping[str, Run], tasks: Mapping[str, str]) -> Iterator[Link]:
    """Yield a link for each known run that a line names; ``tasks`` has the flow run of each task run.

    An id that Prefect does not know is no link: a later snapshot may know it.
    """
    for line in lines:
        said: set[tuple[str, str | None]] = set()
        for method, ids in ((Method.PATH, line.named), (Method.QUERY, line.asked)):
            for one in ids:
                run = runs.get(one) or runs.get(tasks.get(one, ""))
                task = one if run is not None and run.id != one else None
                if run is None or (run.id, task) in said:
                    continue
                said.add((run.id, task))
                yield Link(
                    line_id=line.line_id,
                    begin=line.begin,
                    relation=Relation.TARGET,
                    flow_run_id=run.id,
                    root_flow_run_id=run.root,
                    task_run_id=task,
                    method=Method.TASK_RUN if task else method,
                    confidence=Confidence.EXACT,
                    evidence=json.dumps({"id": one, "in": str(method)}),
                )
