"""When a request comes, beside what else a process did → how likely it is that process's.

Prefect's client does the same things in the same order: a fifth of a second after a run is set to
Running it asks for its flow, its deployment and its work queue; logs are sent every two seconds.
Where several processes could have made a connection, each is asked how long before or after it did
what such a connection usually comes near to (an *anchor*), and how much more often that delay was
seen with the right process than with a wrong one. The table of these odds is data, learnt from a
recording whose truth is known: schemas/correlation/sequence.csv; `make bench-correlate` says how
good it is on lines that it was not learnt from.
"""

import csv
import math
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from lpaudit.correlation.connections import Connection
from lpaudit.correlation.facts import SECOND
from lpaudit.correlation.processes import Process
from lpaudit.resources import folder

# Seconds of delay from an anchor; what lies between two of them counts as the same.
EDGES = (
    *(-20, -8, -4, -2, -1, -0.5, -0.2, -0.1, -0.05, -0.02, -0.008, 0, 0.003, 0.008, 0.02, 0.04, 0.07),
    *(0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1, 1.5, 2, 2.5, 3, 4, 6, 10, 20),
)
_MISSING = -1.5  # odds (natural logarithm) of a process that never did what is usually nearby
_DAMPING = 0.5  # anchors of one process are not independent: together they count for about half

Timeline = Mapping[str, Sequence[int]]
"""What a process did: anchor → times (microseconds), ascending."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of one kind of connection: ``none`` are the odds that it is no run's.

    ``anchors`` has for each the odds by delay: natural logarithms, one more than ``EDGES``.
    """

    none: float
    anchors: tuple[tuple[str, tuple[float, ...]], ...]


Model = Mapping[str, Signature]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The likeliest process, how likely, and the anchor that told most, with its delay in seconds."""

    process: Process
    probability: float
    anchor: str
    delay: float


def timelines(
    owned: Iterable[tuple[Connection, str]], records: Mapping[str, Iterable[tuple[str, int]]]
) -> dict[str, dict[str, list[int]]]:
    """Return what each process did: its requests (``> `` begun, ``< `` ended), and Prefect's events of it."""
    found: dict[str, dict[str, list[int]]] = {}
    for process, events in records.items():
        for event, time in events:
            found.setdefault(process, {}).setdefault(f"! {event}", []).append(time)
    for connection, process in owned:
        mine = found.setdefault(process, {})
        for line in connection.lines:
            if line.route is not None:
                mine.setdefault(f"> {line.route}", []).append(line.begin)
                mine.setdefault(f"< {line.route}", []).append(line.end)
    for mine in found.values():
        for times in mine.values():
            times.sort()
    return found


def delay(timeline: Timeline, anchor: str, time: int) -> float | None:
    """Return the seconds from the nearest occurrence of an anchor to ``time``; None if there is none."""
    times = timeline.get(anchor)
    if not times:
        return None
    at = bisect(times, time)
    return min(((time - near) / SECOND for near in times[max(0, at - 1) : at + 1]), key=abs)


def judge(
    connection: Connection, possible: Sequence[Process], lines: Mapping[str, Timeline], model: Model
) -> Verdict | None:
    """Return the likeliest of the possible processes; None if nothing is known of such connections."""
    known = model.get(connection.signature)
    if known is None or not possible:
        return None
    odds = []
    for process in possible:
        timeline = lines.get(process.run.id, {})
        said = [
            (_MISSING if (seconds := delay(timeline, anchor, connection.begin)) is None
             else by_delay[bisect(EDGES, seconds)], anchor, seconds)
            for anchor, by_delay in known.anchors
        ]  # fmt: skip
        odds.append((math.exp(_DAMPING * sum(value for value, _, _ in said)), process, said))
    total = sum(weight for weight, _, _ in odds) + known.none * len(odds)
    weight, process, said = max(odds, key=lambda each: (each[0], each[1].run.id))
    _, anchor, seconds = max(said, key=lambda each: each[0], default=(0.0, "", None))
    return Verdict(process, weight / total, anchor, seconds if seconds is not None else 0.0)


def learn(
    examples: Iterable[tuple[Connection, Sequence[Process], str | None]],
    lines: Mapping[str, Timeline],
    most: int = 4,
) -> dict[str, Signature]:
    """Return what examples teach: connections, the processes that are possible, and the run that is right.

    An anchor is kept if it tells much; ``most`` of a signature.
    """
    right: dict[str, dict[str, list[int]]] = {}
    wrong: dict[str, dict[str, list[int]]] = {}
    prior: dict[str, list[int]] = {}
    for connection, possible, truth in examples:
        signature = connection.signature
        counts = prior.setdefault(signature, [0, 0])
        counts[any(process.run.id == truth for process in possible)] += 1
        for process in possible:
            timeline = lines.get(process.run.id, {})
            side = right if process.run.id == truth else wrong
            for anchor in timeline:
                bins = side.setdefault(signature, {}).setdefault(anchor, [0] * (len(EDGES) + 1))
                seconds = delay(timeline, anchor, connection.begin)
                bins[bisect(EDGES, seconds if seconds is not None else 0.0)] += 1
    model = {}
    for signature, (others, runs) in sorted(prior.items()):
        anchors = right.get(signature, {})
        often = 0.6 * max((sum(bins) for bins in anchors.values()), default=0)
        told = []
        for anchor, bins in sorted(anchors.items()):
            if sum(bins) < often:
                continue
            odds = _odds(bins, wrong.get(signature, {}).get(anchor, [0] * len(bins)))
            worth = sum(count * value for count, value in zip(bins, odds, strict=True)) / sum(bins)
            told.append((worth, anchor, odds))
        told.sort(key=lambda each: (-each[0], each[1]))
        if told:
            best = tuple((anchor, odds) for _, anchor, odds in told[:most])
            model[signature] = Signature(round((others + 0.5) / (runs + 0.5), 3), best)
    return model


def _odds(right: Sequence[int], wrong: Sequence[int]) -> tuple[float, ...]:
    """Return the logarithm of how much more often each delay was right; three examples are added evenly."""
    even = 3 / len(right)
    return tuple(
        round(math.log((r + even) / (sum(right) + 3) / ((w + even) / (sum(wrong) + 3))), 2)
        for r, w in zip(right, wrong, strict=True)
    )


_HEAD = ("signature", "none", "anchor", *(f"<{edge:g}" for edge in EDGES), "more")


def to_rows(model: Model) -> list[tuple[str, ...]]:
    """Return a model as the rows of its file, the head first."""
    rows = [
        (signature, f"{known.none:g}", anchor, *(f"{value:g}" for value in odds))
        for signature, known in sorted(model.items())
        for anchor, odds in known.anchors
    ]
    return [_HEAD, *rows]


@cache
def shipped() -> Model:
    """Return the model that comes with lpaudit. Raises LpauditError if the installation lacks it."""
    with (folder("schemas") / "correlation" / "sequence.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == _HEAD  # noqa: S101 -- our own file
    model: dict[str, Signature] = {}
    for signature, none, anchor, *odds in rows:
        before = model[signature].anchors if signature in model else ()
        told = (anchor, tuple(float(value) for value in odds))
        model[signature] = Signature(float(none), (*before, told))
    return model


assert all(a < b for a, b in pairwise(EDGES))  # noqa: S101 -- they are searched by halves
