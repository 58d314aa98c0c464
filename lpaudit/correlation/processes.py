"""Which processes of flow runs there were, when, and whose: what a connection can belong to.

A run's process is recognised by a connection that names the run in a path and carries the headers
of its deployment or flow: of 3,807 recorded lines of such connections every one was made by the
process of that run. Workers name runs too, but do not send those headers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lpaudit.correlation.claims import Executor
from lpaudit.correlation.connections import Connection
from lpaudit.correlation.facts import SECOND, Run

# A process is there a little before its first recognised request, and after its last.
_BEFORE, _AFTER = 1 * SECOND, 2 * SECOND
# Where no request of it is recognised: from the start of its process to its end, as far as was seen.
_STARTING, _ENDING = 20 * SECOND, 3 * SECOND


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a flow run, there from ``begin`` to ``end``; ``flows`` are its run's and its subflows'.

    ``recognised`` is false where only Prefect's record tells of it; what is not known of it is None.
    """

    run: Run
    flows: frozenset[str]
    begin: int
    end: int
    host: str | None = None
    client: str | None = None
    user: str | None = None
    worker: str | None = None
    recognised: bool = False


def flows_of(runs: Iterable[Run]) -> dict[str, frozenset[str]]:
    """Return the flows that each process runs: its run's, and those of its subflows."""
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(run.process, set()).update([run.flow] if run.flow is not None else [])
    return {process: frozenset(flows) for process, flows in found.items()}


def owner(connection: Connection, runs: Mapping[str, Run], flows: Mapping[str, frozenset[str]]) -> str | None:
    """Return the run whose process a connection shows itself to be of, by an id and a header that agree."""
    if connection.mixed or len(connection.processes) != 1:
        return None
    (process,) = connection.processes
    if process not in runs:
        return None
    if connection.deployment is not None:
        return process if connection.deployment == runs[process].deployment else None
    # A flow that was started by hand has no deployment.
    return process if connection.flows and connection.flows <= flows[process] else None


def processes(
    owned: Iterable[tuple[Connection, str]],
    runs: Mapping[str, Run],
    flows: Mapping[str, frozenset[str]],
    known: Mapping[str, Executor],
    horizon: int,
) -> list[Process]:
    """Return the processes of runs: those that were recognised, and those that records tell of.

    ``known`` are executors: of processes that were not recognised, they tell whose requests can be theirs.
    ``horizon`` is when the records were fetched: a run that had not ended by then goes on.
    """
    of: dict[str, list[Connection]] = {}
    for connection, process in owned:
        of.setdefault(process, []).append(connection)
    found = []
    for run in runs.values():
        if run.process != run.id:
            continue
        mine = of.get(run.id, ())
        if mine:
            first = mine[0]
            begin, end = min(c.begin for c in mine) - _BEFORE, max(c.end for c in mine) + _AFTER
            line = first.lines[0]
            whose = (line.host, line.client, first.user, first.worker)
            found.append(Process(run, flows[run.id], begin, end, *whose, recognised=True))
        elif run.start is not None:
            end = run.end if run.end is not None else horizon
            by = known.get(run.id, Executor(None, None, None))
            around = (run.start - _STARTING, end + _ENDING)
            found.append(Process(run, flows[run.id], *around, None, by.client, by.user, by.worker))
    return sorted(found, key=lambda process: (process.begin, process.run.id))


def there_at(
    found: Iterable[Connection], all_of: Sequence[Process]
) -> Iterator[tuple[Connection, list[Process]]]:
    """Yield each connection with the processes that were there when it began; both come in that order."""
    there: list[Process] = []
    at = 0
    for connection in found:
        while at < len(all_of) and all_of[at].begin <= connection.begin:
            there.append(all_of[at])
            at += 1
        there = [process for process in there if process.end >= connection.begin]
        yield connection, there


def candidates(
    connection: Connection, there: Sequence[Process], known_deployments: frozenset[str]
) -> list[Process]:
    """Return the processes that could have made a connection, as far as identity and headers tell."""
    line = connection.lines[0]
    about = connection.named & known_deployments
    return [
        process
        for process in there
        if process.host in (None, line.host)
        and (process.client is None or line.client is None or process.client == line.client)
        and (process.user is None or connection.user is None or process.user == connection.user)
        and (process.worker is None or connection.worker is None or process.worker == connection.worker)
        and connection.deployment in (None, process.run.deployment)
        and connection.flows <= process.flows
        and (not connection.processes or process.run.id in connection.processes)
        and (not about or process.run.deployment in about)
    ]
