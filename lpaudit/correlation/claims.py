"""Headers that name a flow run → whether the client can be that run.

X-Prefect-Flow-Run-Id is what a client says of itself. It is believed where nothing that is known
contradicts it: the run had begun and had not long ended, and the identity, the address and the
worker are those of whoever had Prefect set the run to Running when its record says that it started.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lpaudit.correlation.facts import SECOND, SET_STATE, Line, Run

_BEFORE = 5 * SECOND  # clocks of Prefect's host and of lighttpd's
_AFTER = 300 * SECOND  # a process outlives its run while it sends its last logs


@dataclass(frozen=True, slots=True)
class Executor:
    """Who executes a run: the identity, address and worker of its process. None where that is not known."""

    user: str | None
    client: str | None
    worker: str | None


def executors(lines: Iterable[Line], runs: Mapping[str, Run]) -> dict[str, Executor]:
    """Return the executor of each process of whose start there is a line.

    Of several such lines the shortest tells: a request that is kept open on purpose until the run
    starts is longer than the one that started it.
    """
    nearest: dict[str, tuple[tuple[int, int, str], Line]] = {}
    for line in lines:
        if line.route != SET_STATE or line.status is None or not 200 <= line.status < 300:
            continue
        run = next((runs[one] for one in line.named if one in runs), None)
        if run is None or run.start is None or run.process != run.id:
            continue
        # The request during which the record says that it started; a clock may be a little off.
        off = max(line.begin - run.start, run.start - line.end, 0)
        rank = off, line.end - line.begin, line.line_id
        if off <= 2 * SECOND and (run.id not in nearest or rank < nearest[run.id][0]):
            nearest[run.id] = rank, line
    return {run: Executor(line.user, line.client, line.worker) for run, (_, line) in nearest.items()}


def contradiction(line: Line, run: Run, runs: Mapping[str, Run], known: Mapping[str, Executor]) -> str | None:
    """Return what speaks against a line's claim to be a run; None if nothing does."""
    process = runs.get(run.process, run)
    if line.end < process.begin - _BEFORE:
        return "the run did not exist yet"
    if process.end is not None and line.begin > process.end + _AFTER:
        return "the run had ended"
    if line.deployment is not None and line.deployment != process.deployment:
        return "another deployment's header beside it"
    return stranger(Executor(line.user, line.client, line.worker), known.get(process.id))


def stranger(one: Executor, executor: Executor | None) -> str | None:
    """Return how one differs from a run's executor; None if nothing that is known of both does."""
    if executor is None:
        return None
    for what, mine, its in (
        ("identity", one.user, executor.user),
        ("address", one.client, executor.client),
        ("worker", one.worker, executor.worker),
    ):
        if mine is not None and its is not None and mine != its:
            return f"the run's {what} is another: {its}"
    return None


def majority(lines: Iterable[Line], runs: Mapping[str, Run]) -> dict[str, Executor]:
    """Return who claims each process most often: for runs of whose start there is no line."""
    claims: dict[str, Counter[tuple[str | None, str | None]]] = {}
    for line in lines:
        if line.run is not None and line.run in runs and line.user is not None:
            claims.setdefault(runs[line.run].process, Counter())[line.user, line.client] += 1
    return {
        process: Executor(*max(counted, key=lambda who: (counted[who], str(who))), None)
        for process, counted in claims.items()
    }
