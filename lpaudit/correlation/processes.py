"""Which processes of flow runs there were, when, and whose: what a connection can belong to.

A run's process is recognised by a connection that names the run in a path and carries the headers
of its deployment or flow: of 3,807 recorded lines of such connections every one was made by the
process of that run. Workers name runs too, but do not send those headers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lpaudit.correlation.claims import Executor, Known, difference
from lpaudit.correlation.connections import Connection
from lpaudit.correlation.facts import SECOND, Run

# A process is there a little before its first recognised request, and after its last.
_BEFORE, _AFTER = 1 * SECOND, 2 * SECOND
# Where no request of it is recognised: from the start of its process to its end, as far as was seen.
_STARTING, _ENDING = 20 * SECOND, 3 * SECOND
# But not before its run was created, as far as Prefect's clock and lighttpd's agree.
_CLOCKS = 5 * SECOND
_ANYBODY = Executor(None, None, None)


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a flow run, there from ``begin`` to ``end``; ``flows`` are its run's and its subflows'.

    ``by`` is who may send its requests: several if the run was retried elsewhere, empty if that is not
    known. ``host`` is whose lighttpd it goes through, None if it is not known.
    """

    run: Run
    flows: frozenset[str]
    begin: int
    end: int
    host: str | None = None
    by: tuple[Executor, ...] = ()


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
    known: Known,
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
            begin, end = min(c.begin for c in mine) - _BEFORE, max(c.end for c in mine) + _AFTER
            hosts = {c.lines[0].host for c in mine}
            by = dict.fromkeys(Executor(c.user, c.lines[0].client, c.worker) for c in mine)
            host = hosts.pop() if len(hosts) == 1 else None
            found.append(Process(run, flows[run.id], begin, end, host, tuple(by)))
        elif run.start is not None:
            end = run.end if run.end is not None else horizon
            by = dict.fromkeys(each.by or _ANYBODY for each in known.get(run.id, ()))
            begin = run.start - _STARTING
            if run.created is not None:
                begin = max(begin, run.created - _CLOCKS)
            found.append(Process(run, flows[run.id], begin, end + _ENDING, None, tuple(by)))
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
    mine = Executor(connection.user, line.client, connection.worker)
    about = connection.named & known_deployments
    return [
        process
        for process in there
        if process.host in (None, line.host)
        and (not process.by or any(difference(mine, by) is None for by in process.by))
        and connection.deployment in (None, process.run.deployment)
        and connection.flows <= process.flows
        and (not connection.processes or process.run.id in connection.processes)
        and (not about or process.run.deployment in about)
    ]
