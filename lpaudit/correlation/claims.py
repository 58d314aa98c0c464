"""Headers that name a flow run → whether the client can be that run.

X-Prefect-Flow-Run-Id is what a client says of itself. It is believed where nothing that is known
contradicts it: the run had begun and had not long ended, and the identity, the address and the
worker are those of one who had Prefect set the run to Running at a time when Prefect says that it started.
A run that was retried may have several of them: each start has its own, and may be elsewhere.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lpaudit.correlation.facts import SECOND, SET_STATE, Line, Run

_BEFORE = 5 * SECOND  # clocks of Prefect's host and of lighttpd's
_AFTER = 300 * SECOND  # a process outlives its run while it sends its last logs
_EARLY = 300 * SECOND  # and is there before it is set to Running, on a slow machine for minutes


@dataclass(frozen=True, slots=True)
class Executor:
    """Who executes a run: the identity, address and worker of its process. None where that is not known."""

    user: str | None
    client: str | None
    worker: str | None


@dataclass(frozen=True, slots=True)
class Start:
    """A time at which a run was set to Running, and by whom; None if there is no line of it."""

    time: int
    by: Executor | None


Known = Mapping[str, tuple[Start, ...]]
"""The starts of processes, in order, at least one of them with its executor."""


def executors(lines: Iterable[Line], runs: Mapping[str, Run]) -> dict[str, tuple[Start, ...]]:
    """Return the starts of each process of which there is a line of one at least.

    Of several such lines the shortest tells: a request that is kept open on purpose until the run
    starts is longer than the one that started it.
    """
    nearest: dict[tuple[str, int], tuple[tuple[int, int, str], Line]] = {}
    for line in lines:
        if line.route != SET_STATE or line.status is None or not 200 <= line.status < 300:
            continue
        run = next((runs[one] for one in line.named if one in runs), None)
        if run is None or run.process != run.id:
            continue
        for start in run.starts:
            # The request during which the record says that it started; a clock may be a little off.
            off = max(line.begin - start, start - line.end, 0)
            rank = off, line.end - line.begin, line.line_id
            if off <= 2 * SECOND and ((run.id, start) not in nearest or rank < nearest[run.id, start][0]):
                nearest[run.id, start] = rank, line
    by = {key: Executor(line.user, line.client, line.worker) for key, (_, line) in nearest.items()}
    return {
        run: tuple(Start(start, by.get((run, start))) for start in runs[run].starts)
        for run in dict.fromkeys(run for run, _ in by)
    }


def possible(starts: Iterable[Start], time: int) -> list[Executor | None]:
    """Return who may execute a run at a time: the first one, and all who were there by then.

    None for one that is not known. A process of an earlier start may live on beside the next one's.
    """
    return [start.by for number, start in enumerate(starts) if not number or start.time - _EARLY <= time]


def contradiction(line: Line, run: Run, runs: Mapping[str, Run], known: Known) -> str | None:
    """Return what speaks against a line's claim to be a run; None if nothing does."""
    process = runs.get(run.process, run)
    if line.end < process.begin - _BEFORE:
        return "the run did not exist yet"
    if process.end is not None and line.begin > process.end + _AFTER:
        return "the run had ended"
    if line.deployment is not None and line.deployment != process.deployment:
        return "another deployment's header beside it"
    return stranger(Executor(line.user, line.client, line.worker), known.get(process.id, ()), line.begin)


def confirmed(line: Line, process: str, known: Known) -> bool:
    """Tell whether a line is of somebody who is known to have started the process, and says who it is of."""
    mine = Executor(line.user, line.client, line.worker)
    return any(
        by is not None and difference(mine, by) is None and (by.user is None or by.user == mine.user)
        for by in possible(known.get(process, ()), line.begin)
    )


def stranger(one: Executor, starts: Iterable[Start], time: int) -> str | None:
    """Return how one differs from whoever executes a run at a time; None if it may be one of them."""
    told = None
    for executor in possible(starts, time):
        told = None if executor is None else difference(one, executor)
        if told is None:
            return None
    return told  # of the newest start


def difference(one: Executor, executor: Executor) -> str | None:
    """Return how one differs from an executor; None if nothing that is known of both does."""
    for what, mine, its in (
        ("identity", one.user, executor.user),
        ("address", one.client, executor.client),
        ("worker", one.worker, executor.worker),
    ):
        if mine is not None and its is not None and mine != its:
            return f"the run's {what} is another: {its}"
    return None


def majority(lines: Iterable[Line], runs: Mapping[str, Run]) -> dict[str, tuple[Start, ...]]:
    """Return who claims each process most often: for runs of whose starts there is no line."""
    claims: dict[str, Counter[tuple[str | None, str | None]]] = {}
    for line in lines:
        if line.run is not None and line.run in runs and line.user is not None:
            claims.setdefault(runs[line.run].process, Counter())[line.user, line.client] += 1
    return {
        process: (Start(0, Executor(*max(counted, key=lambda who: (counted[who], str(who))), None)),)
        for process, counted in claims.items()
    }
