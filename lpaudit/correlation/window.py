"""Connections of which nothing better is known → the one run of their client that was there at that moment.

Only where a header of a deployment or a flow says that it is a run's, and where of the runs that were due
and had not ended one alone can have sent it. What that rules out was wrong too often: docs/correlation.md
has the numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lpaudit.correlation.connections import Connection
from lpaudit.correlation.facts import SECOND, Run
from lpaudit.correlation.processes import Process, candidates, there_at

_BEFORE, _AFTER = 1 * SECOND, 3 * SECOND
"""A process is there as long as its run is due and has not ended, by clocks that differ a little."""


@dataclass(frozen=True, slots=True)
class Alone:
    """A connection, the only process that fits it, and how many were there that may be of its client."""

    connection: Connection
    process: str
    there: int


def alone(
    connections: Iterable[Connection],
    recognised: Iterable[Process],
    runs: Mapping[str, Run],
    flows: Mapping[str, frozenset[str]],
    horizon: int,
) -> Iterator[Alone]:
    """Yield the connections of which one process alone can be; ``connections`` are in order of their begins.

    ``recognised`` tell whose requests a process's can be; of all others only Prefect's record is known.
    ``horizon`` is when the records were fetched: of what came later nothing is said.
    """
    headed = [
        connection
        for connection in connections
        if (connection.deployment is not None or connection.flows)
        and not connection.mixed
        and len(connection.processes) < 2
        and connection.begin <= horizon
    ]
    deployments = frozenset(run.deployment for run in runs.values() if run.deployment is not None)
    for connection, near in there_at(headed, whole(recognised, runs, flows, horizon)):
        possible = candidates(connection, near, deployments)
        if len(possible) == 1:
            nobody = replace(connection, deployment=None, worker=None, flows=frozenset())
            of_client = candidates(nobody, near, frozenset())
            yield Alone(connection, possible[0].run.id, len(of_client))


def whole(
    recognised: Iterable[Process],
    runs: Mapping[str, Run],
    flows: Mapping[str, frozenset[str]],
    horizon: int,
) -> list[Process]:
    """Return all processes, each for as long as it can have been there, in the order of their begins."""
    known = {process.run.id: process for process in recognised}
    found = []
    for run in runs.values():
        if run.process != run.id:
            continue
        process = known.get(run.id, Process(run, flows[run.id], run.begin, run.begin))
        end = (run.end if run.end is not None else horizon) + _AFTER
        whole = replace(process, begin=min(process.begin, run.begin - _BEFORE), end=max(process.end, end))
        found.append(whole)
    return sorted(found, key=lambda process: (process.begin, process.run.id))
