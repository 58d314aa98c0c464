"""Facts made by hand: lines and runs in a few words. Times are seconds after ``T``."""

from dataclasses import replace
from uuid import UUID

from lpaudit.correlation import Facts, Link, Relation, links, shipped
from lpaudit.correlation.facts import Line, Run

SECOND = 1_000_000
T = 1_795_428_000 * SECOND  # 2026-11-23T10:00:00Z
ALWAYS = 2**60


def uid(number: int) -> str:
    return str(UUID(int=number | 0xA << 124))


def line(name: str, at: float, took: float = 0.02, **what: object) -> Line:
    """A request of a worker's process; each has a port of its own unless ``port`` says otherwise."""
    begin = T + round(at * SECOND)
    plain = Line(
        line_id=name, host="gw1", client="192.0.2.1", port=1024 + sum(map(ord, name)) * 31 % 60000, number=0,
        user="worker", route="POST /logs/", status=201, begin=begin, end=begin + round(took * SECOND),
        named=(), asked=(), run=None, deployment=None, flow=None, worker=None,
    )  # fmt: skip
    return replace(plain, **what)


def started(one: Run, *, number: int = 0, **what: object) -> Line:
    """The request that set a run to Running, the first time or another."""
    assert one.start is not None
    at = (one.starts[number] - T) / SECOND - 0.01
    return line(
        f"start {one.id}" + f" {number}" * bool(number),
        at,
        **{"route": "POST /flow_runs/{id}/set_state", "named": (one.id,), **what},
    )


def run(number: int, start: float | None, end: float | None, **what: object) -> Run:
    """A run that was created a second before it started."""
    one = uid(number)
    begin = T + round(((start if start is not None else 0) - 1) * SECOND)
    times = [None if at is None else T + round(at * SECOND) for at in (start, end)]
    plain = Run(one, one, one, deployment=uid(1000 + number), flow=uid(2000 + number), created=begin, begin=begin,
                start=times[0], end=times[1])  # fmt: skip
    one = replace(plain, **what)
    return one if one.starts or one.start is None else replace(one, starts=(one.start,))


def facts(lines: list[Line], runs: list[Run], tasks: dict[str, str] | None = None) -> Facts:
    everything = Facts(lines, lines, {one.id: one for one in runs}, tasks or {}, {}, T + 86_400 * SECOND)
    return everything.within(0, ALWAYS)


def said(lines: list[Line], runs: list[Run], tasks: dict[str, str] | None = None) -> dict[str, set[tuple]]:
    """What is said of each line: (relation, run, method, confidence)."""
    found: dict[str, set[tuple]] = {}
    for link in made(lines, runs, tasks):
        about = str(link.relation), link.flow_run_id, str(link.method), str(link.confidence)
        found.setdefault(link.line_id, set()).add(about)
    return found


def made(lines: list[Line], runs: list[Run], tasks: dict[str, str] | None = None) -> list[Link]:
    return links(facts(lines, runs, tasks), shipped())


def origins(lines: list[Line], runs: list[Run]) -> dict[str, str]:
    """The run that is said to have made each line."""
    return {x.line_id: x.flow_run_id for x in made(lines, runs) if x.relation is Relation.ORIGIN}


def claims(lines: list[Line], runs: list[Run]) -> dict[str, str]:
    """Why each claim is not believed."""
    return {x.line_id: x.evidence for x in made(lines, runs) if x.relation is Relation.CLAIM}
