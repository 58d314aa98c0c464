"""Which run's process made a request: the methods in their order, the surest first.

What a connection shows holds for all its lines. A later method only judges what no earlier one has.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lpaudit.correlation import claims, sequence, window
from lpaudit.correlation.connections import Connection
from lpaudit.correlation.facts import SECOND, Confidence, Link, Method, Relation, Run
from lpaudit.correlation.processes import Process, candidates, flows_of, owner, processes, there_at

_LIKELY, _WEAK = 0.9, 0.6  # probabilities from which the sequence's verdict is told, and how

Open = list[tuple[Connection, list[Process]]]
"""Connections that nothing sure tells of, each with the processes that it may be of."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A connection and the run whose process made it, and how that was found out."""

    connection: Connection
    process: str
    method: Method
    confidence: Confidence
    evidence: Mapping[str, object]


def origins(
    found: Sequence[Connection],
    runs: Mapping[str, Run],
    known: claims.Known,
    records: Mapping[str, Iterable[tuple[str, int]]],
    model: sequence.Model,
    horizon: int,
) -> Iterator[Link]:
    """Yield a link for each line whose origin can be told, and one for each claim that is contradicted.

    ``known`` are executors of processes, ``records`` Prefect's events, both by process; ``horizon`` is
    when the runs were fetched: of what came later, only ids and headers tell.
    """
    claimed = _claimed(found, runs, known)
    yield from claimed.values()
    owned, left = sure(found, runs, known, horizon)
    # First those with a header, among few processes: they are anchors for the others.
    shown = pairs(owned)
    for with_header in (True, False):
        owned += by_sequence(left, sequence.timelines(pairs(owned), records), model, with_header=with_header)
    owned += by_window(found, owned, shown, runs, known, horizon)
    for each in owned:
        text, root = json.dumps(each.evidence), runs[each.process].root
        for line in each.connection.lines:
            if line.line_id not in claimed:
                yield Link(
                    line_id=line.line_id,
                    begin=line.begin,
                    relation=Relation.ORIGIN,
                    flow_run_id=each.process,
                    root_flow_run_id=root,
                    task_run_id=None,
                    method=each.method,
                    confidence=each.confidence,
                    evidence=text,
                )


def pairs(owned: Iterable[Owned]) -> list[tuple[Connection, str]]:
    """Return connections and whose they are."""
    return [(each.connection, each.process) for each in owned]


def sure(
    found: Sequence[Connection],
    runs: Mapping[str, Run],
    known: claims.Known,
    horizon: int,
) -> tuple[list[Owned], Open]:
    """Return the connections that show whose they are, and the others that may be of a process."""
    flows = flows_of(runs.values())
    owned = []
    for connection in found:
        process = owner(connection, runs, flows)
        # Anybody can send a deployment's id and ask for a run: who is known to be another is not it.
        if process is not None and not claims.stranger(
            _who(connection), known.get(process, ()), connection.begin
        ):
            shown = {"deployment": connection.deployment, "flows": sorted(connection.flows)}
            owned.append(Owned(connection, process, Method.CONNECTION, Confidence.STRONG, shown))
    there = processes(pairs(owned), runs, flows, known, horizon)
    deployments = frozenset(run.deployment for run in runs.values() if run.deployment is not None)
    done = {id(each.connection) for each in owned}
    left: Open = []
    for connection, near in there_at(found, there):
        # Who acts on several runs is a worker or a person; what came later may be of a run not known yet.
        acts = connection.of_worker or len(connection.processes) > 1
        if id(connection) in done or connection.mixed or acts:
            continue
        if connection.begin > horizon:
            continue
        possible = candidates(connection, near, deployments)
        if connection.deployment is not None and len(possible) == 1:
            evidence = {"deployment": connection.deployment, "processes": 1}
            process = possible[0].run.id
            owned.append(Owned(connection, process, Method.DEPLOYMENT, Confidence.STRONG, evidence))
        elif possible:
            left.append((connection, possible))
    return owned, left


def by_sequence(
    left: Open, lines: Mapping[str, sequence.Timeline], model: sequence.Model, *, with_header: bool
) -> list[Owned]:
    """Return whose the others probably are: those that carry a deployment's header, or those that do not."""
    owned = []
    for connection, possible in left:
        if (connection.deployment is not None) is not with_header or not _precise(connection):
            continue
        verdict = sequence.judge(connection, possible, lines, model)
        if verdict is None or verdict.probability < _WEAK:
            continue
        evidence = {
            "probability": round(verdict.probability, 2),
            "processes": len(possible),
            "anchor": verdict.anchor,
            "seconds": round(verdict.delay, 3),
        }
        likely = Confidence.LIKELY if verdict.probability >= _LIKELY else Confidence.WEAK
        owned.append(Owned(connection, verdict.process.run.id, Method.SEQUENCE, likely, evidence))
    return owned


def by_window(
    found: Iterable[Connection],
    owned: Iterable[Owned],
    shown: Iterable[tuple[Connection, str]],
    runs: Mapping[str, Run],
    known: claims.Known,
    horizon: int,
) -> list[Owned]:
    """Return whose those are that nobody owns yet, and of which only one run can be.

    ``shown`` are connections that showed whose they are.
    """
    flows, done = flows_of(runs.values()), {id(each.connection) for each in owned}
    rest = [connection for connection in found if id(connection) not in done]
    there = processes(shown, runs, flows, known, horizon)
    return [
        Owned(
            each.connection,
            each.process,
            Method.WINDOW,
            Confidence.WEAK,
            {"candidates": 1, "runs": each.there},
        )
        for each in window.alone(rest, there, runs, flows, horizon)
    ]


def _who(connection: Connection) -> claims.Executor:
    return claims.Executor(connection.user, connection.lines[0].client, connection.worker)


def _claimed(
    found: Iterable[Connection], runs: Mapping[str, Run], executors: claims.Known
) -> dict[str, Link]:
    """Return what headers that name a run give, by line: its origin, or a claim that is contradicted."""
    lines = [line for connection in found for line in connection.lines]
    if not any(line.run is not None for line in lines):
        return {}
    known = {**claims.majority(lines, runs), **executors}
    links = {}
    for line in lines:
        if line.run is None or line.run not in runs:
            continue
        run = runs[line.run]
        process = runs.get(run.process, run)
        against = claims.contradiction(line, run, runs, known)
        # Where nobody is known to have started it, who claims it most often is believed, but not for sure.
        confirmed = claims.confirmed(line, process.id, executors)
        believed = Confidence.EXACT if confirmed else Confidence.STRONG
        links[line.line_id] = Link(
            line_id=line.line_id,
            begin=line.begin,
            relation=Relation.CLAIM if against else Relation.ORIGIN,
            flow_run_id=run.id if against else process.id,
            root_flow_run_id=process.root,
            task_run_id=None,
            method=Method.HEADER,
            confidence=Confidence.WEAK if against else believed,
            evidence=json.dumps({"forged": against} if against else {"claimed": line.run}),
        )
    return links


def _precise(connection: Connection) -> bool:
    """Say whether its times are finer than seconds: else a delay says nothing."""
    return any(line.begin % SECOND for line in connection.lines)
