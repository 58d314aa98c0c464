"""How good correlation is, on a recording whose truth is known: ``python -m bench.correlate``.

Prints tables with their method, and puts them into a page where that was asked for. With ``--learn``
it learns the table of delays (schemas/correlation/sequence.csv) from the recording first. The exit
status is 1 where a goal is missed.
"""

import argparse
import csv
import gzip
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.page import put_into, table
from lpaudit import pipeline
from lpaudit.correlation import (
    Confidence,
    Facts,
    Link,
    Method,
    Relation,
    links,
    read,
    read_runs,
    sequence,
    window,
)
from lpaudit.correlation.claims import executors
from lpaudit.correlation.connections import Connection, connections
from lpaudit.correlation.origin import by_sequence, pairs, sure
from lpaudit.correlation.processes import candidates, flows_of, processes, there_at

_HERE = Path(__file__).parent.parent
_SAMPLES = _HERE / "sample_logs"
_MODEL = _HERE / "schemas" / "correlation" / "sequence.csv"
_FROM, _TO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recording:
    """A log's facts, the run that made each line (those that no run made are not in it), and lines left out."""

    facts: Facts
    truth: Mapping[str, str]
    unscored: frozenset[str]

    @property
    def middle(self) -> int:
        """The begin of the middle line: what comes before it is one half."""
        begins = sorted(line.begin for line in self.facts.lines)
        return begins[len(begins) // 2]


def recording(folder: Path, log: str, truth: str, unscored: Sequence[str]) -> Recording:
    """Ingest a log and Prefect's records, and return what is known of them; ``unscored`` are users."""
    with gzip.open(folder / truth, "rt") as file:
        by_number = {int(row["line"]): row["origin_flow_run_id"] for row in csv.DictReader(file)}
    with tempfile.TemporaryDirectory() as temporary:
        store = f"{temporary}/store"
        lpaudit = [sys.executable, "-m", "lpaudit"]
        subprocess.run(
            [*lpaudit, "ingest", "--quiet", "--host", "gw1", "--store", store, folder / log], check=True
        )
        dump = ["sync", "--quiet", "--store", store, "--from-dump", str(folder / "prefect")]
        subprocess.run([*lpaudit, *dump], check=True)
        with pipeline.opened(store) as (connection, _):
            facts = read(connection.select, read_runs(connection.select), _FROM, _TO)
            numbers = connection.select("select line_id, line_number from access").to_pylist()
    ids = {row["line_number"]: row["line_id"] for row in numbers}
    # Processes that sent a header of their own did not send the one that tells the truth.
    left_out = frozenset(
        line.line_id for line in facts.lines if line.user in unscored or line.run in facts.runs
    )
    return Recording(facts, {ids[number]: run for number, run in by_number.items()}, left_out)


def learn(of: Recording, chosen: Callable[[Connection], bool]) -> dict[str, sequence.Signature]:
    """Return what the chosen connections of a recording teach."""
    facts = of.facts
    known = executors(facts.starts, facts.runs)
    owned, left = sure(connections(facts.lines, facts.runs), facts.runs, known, facts.horizon)
    model: dict[str, sequence.Signature] = {}
    for with_header in (True, False):
        lines = sequence.timelines(pairs(owned), facts.events)
        examples = [
            (connection, possible, of.truth.get(connection.lines[0].line_id))
            for connection, possible in left
            if (connection.deployment is not None) is with_header and chosen(connection)
            if connection.lines[0].line_id not in of.unscored
        ]
        model |= sequence.learn(examples, lines)
        owned += by_sequence(left, lines, model, with_header=with_header)
    return model


def held_out(of: Recording) -> list[Link]:
    """Return the origins of each half, judged by what the other half has taught."""
    middle, found = of.middle, []
    for first in (True, False):
        model = learn(of, lambda connection, first=first: (connection.begin < middle) is not first)  # type: ignore[misc]
        found += [
            link
            for link in links(of.facts, model)
            if (link.begin < middle) is first and link.relation is Relation.ORIGIN
        ]
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """Links of a kind: how many there are, how many are right, and of how many lines that have an origin."""

    links: int
    right: int
    lines: int

    @property
    def precision(self) -> float:
        """Of the links, those that are right."""
        return self.right / self.links if self.links else 1.0

    @property
    def recall(self) -> float:
        """Of the lines that a run made, those with a right link."""
        return self.right / self.lines


def score(of: Recording, found: Iterable[Link]) -> Score:
    """Count the links that are right."""
    counted = [link for link in found if link.line_id not in of.unscored]
    right = sum(of.truth.get(link.line_id) == link.flow_run_id for link in counted)
    return Score(len(counted), right, len(of.truth.keys() - of.unscored))


_WINDOW = "Lines of which nothing better is known, if the newest run of their client were taken that was there at that moment:"
_WINDOWS = (
    "header, one run",
    "header, several runs",
    "identity alone, one run",
    "identity alone, several runs",
)


def windows(of: Recording, found: Iterable[Link]) -> list[tuple[str, ...]]:
    """Return how often the newest run of a client would be right, of lines that nothing better tells of."""
    facts, known = of.facts, executors(of.facts.starts, of.facts.runs)
    better = {link.line_id for link in found if link.method is not Method.WINDOW}
    all_of = connections(facts.lines, facts.runs)
    owned, _ = sure(all_of, facts.runs, known, facts.horizon)
    flows = flows_of(facts.runs.values())
    recognised = processes(pairs(owned), facts.runs, flows, known, facts.horizon)
    deployments = frozenset(run.deployment for run in facts.runs.values() if run.deployment is not None)
    counts = {kind: [0, 0] for kind in _WINDOWS}
    rest = [each for each in all_of if each.lines[0].line_id not in better and not each.mixed]
    for each, near in there_at(rest, window.whole(recognised, facts.runs, flows, facts.horizon)):
        header = each.deployment is not None or bool(each.flows)
        possible = [
            process
            for process in candidates(each, near, deployments)
            if header or (each.user is not None and any(by.user == each.user for by in process.by))
        ]
        if not possible:
            continue
        newest = max(possible, key=lambda process: (process.run.start or 0, process.run.id)).run.id
        kind = counts[_WINDOWS[2 * (not header) + (len(possible) > 1)]]
        for line in each.lines:
            if line.line_id not in of.unscored:
                kind[0] += 1
                kind[1] += of.truth.get(line.line_id) == newest
    return [
        (kind, f"{lines:,}", f"{right / lines if lines else 1:.3f}", "yes" if kind == _WINDOWS[0] else "no")
        for kind, (lines, right) in counts.items()
    ]


GOALS = (
    ("strong and better", Confidence.STRONG, 0.99, 0.50),
    ("all", Confidence.WEAK, 0.88, 0.68),
    ("all, stretch", Confidence.WEAK, 0.93, 0.85),
)
"""What was aimed at: from which confidence on, at least which precision, at least which recall."""

_METHOD = """\
A real lighttpd in front of a real Prefect 3.9.1, 13 minutes, up to ten runs at a time of two users from one address \
(`sample_logs/audit.log.gz`): of {lines:,} lines {made:,} were made by the processes of {runs} flow runs.
Which, is known from a header that a hook in the test added, and that was cut out of the log \
(`sample_logs/audit.truth.csv.gz`).
Lines of one worker whose runs sent no such header are left out.
*Precision*: of the lines that are given an origin, those with the right one.
*Recall*: of the lines that a run made, those that are given the right one.
The table of delays is learnt from one half of the recording and judged on the other, both ways: no line is judged by \
what it has taught itself."""


def report(of: Recording, found: Sequence[Link]) -> str:
    """Return the method, the goals and the tables."""
    words, goals = [], []
    for word in Confidence:
        mine = [link for link in found if link.confidence is word]
        if not mine:
            continue
        one, upto = score(of, mine), score(of, _upto(found, word))
        words.append(
            (f"`{word}`", f"{one.links:,}", *_two(one.precision, upto.precision), f"{upto.recall:.3f}")
        )
    for name, word, precision, recall in GOALS:
        got = score(of, _upto(found, word))
        met = "yes" if got.precision >= precision and got.recall >= recall else "**no**"
        goals.append((name, *_two(precision, recall), *_two(got.precision, got.recall), met))
    kinds = {(link.method, link.confidence) for link in found}
    methods = [
        (f"`{method}`, {word}", f"{one.links:,}", f"{one.precision:.3f}")
        for method, word in sorted(kinds, key=lambda each: (list(Confidence).index(each[1]), each[0]))
        for one in [score(of, (x for x in found if (x.method, x.confidence) == (method, word)))]
    ]
    made = of.truth.keys() - of.unscored
    runs = len({of.truth[line] for line in made})
    return "\n\n".join(
        (
            _METHOD.format(lines=len(of.facts.lines), made=len(made), runs=runs),
            table(("goal", "precision", "recall", "measured: precision", "recall", "met"), goals),
            table(("confidence", "lines", "precision", "with the better: precision", "recall"), words),
            table(("method", "lines", "precision"), methods),
            _WINDOW,
            table(("what tells of it", "lines", "precision", "said, as `window`"), windows(of, found)),
        )
    )


def _upto(found: Iterable[Link], word: Confidence) -> list[Link]:
    order = list(Confidence)
    return [link for link in found if order.index(link.confidence) <= order.index(word)]


def _two(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="bench.correlate", description=__doc__.split("\n")[0])
    parser.add_argument("--learn", action="store_true", help="write schemas/correlation/sequence.csv anew")
    parser.add_argument("--into", type=Path, help="a page that the tables are put into")
    parser.add_argument("--folder", type=Path, default=_SAMPLES, help="audit.log.gz, its truth and prefect/")
    options = parser.parse_args()
    of = recording(options.folder, "audit.log.gz", "audit.truth.csv.gz", ["worker-ml"])
    if options.learn:
        _MODEL.parent.mkdir(exist_ok=True)
        with _MODEL.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(sequence.to_rows(learn(of, lambda _: True)))
    found = held_out(of)
    text = report(of, found)
    print(text)
    if options.into:
        put_into(options.into, text, "bench-correlate", "Precision and recall")
    return int("**no**" in text)


if __name__ == "__main__":
    sys.exit(main())
