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
from dataclasses import dataclass, replace
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
from lpaudit.correlation.facts import SECOND, Line
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
    """Return what the chosen connections of a recording teach, if nobody names his worker: that must go without it."""
    facts = POORER["no header of a worker"](of.facts)
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


def taught(of: Recording) -> dict[bool, sequence.Model]:
    """Return what judges the first half, and what judges the second one: each is learnt from the other."""
    middle = of.middle
    return {
        first: learn(of, lambda connection, first=first: (connection.begin < middle) is not first)  # type: ignore[misc]
        for first in (True, False)
    }


def held_out(
    of: Recording, by: Mapping[bool, sequence.Model] | None = None, facts: Facts | None = None
) -> list[Link]:
    """Return the origins of each half, judged by what the other half has taught; ``facts`` are its own or poorer."""
    middle, facts = of.middle, facts or of.facts
    return [
        link
        for first, model in (by or taught(of)).items()
        for link in links(facts, model)
        if (link.begin < middle) is first and link.relation is Relation.ORIGIN
    ]


def _every(facts: Facts, change: Callable[[Line], Line]) -> Facts:
    return replace(facts, lines=[*map(change, facts.lines)], starts=[*map(change, facts.starts)])


def _clock(facts: Facts, by: int) -> Facts:
    """Have Prefect's clock go before lighttpd's, by so many microseconds."""

    def later(time: int | None) -> int | None:
        return None if time is None else time + by

    runs = {
        id_: replace(
            run,
            created=later(run.created),
            begin=run.begin + by,
            start=later(run.start),
            end=later(run.end),
            starts=tuple(start + by for start in run.starts),
        )
        for id_, run in facts.runs.items()
    }
    events = {one: [(event, time + by) for event, time in told] for one, told in facts.events.items()}
    return replace(facts, runs=runs, events=events)


def _second(line: Line) -> Line:
    return replace(line, begin=line.begin // SECOND * SECOND, end=line.end // SECOND * SECOND)


POORER: Mapping[str, Callable[[Facts], Facts]] = {
    "nothing": lambda facts: facts,
    "one login for all": lambda f: _every(f, lambda line: replace(line, user=line.user and "team")),
    "no logins": lambda f: _every(f, lambda line: replace(line, user=None)),
    "no header of a worker": lambda f: _every(f, lambda line: replace(line, worker=None)),
    "no header of a deployment": lambda f: _every(f, lambda line: replace(line, deployment=None)),
    "no headers of Prefect's client": lambda f: _every(
        f, lambda line: replace(line, deployment=None, flow=None, worker=None)
    ),
    "no `%k`": lambda f: _every(f, lambda line: replace(line, number=None)),
    "no `%{remote}p`": lambda f: _every(f, lambda line: replace(line, port=None)),
    "times in whole seconds": lambda f: _every(f, _second),
    "no time of the end": lambda f: _every(f, lambda line: replace(line, end=line.begin)),
    "Prefect's clock 0.1 s before lighttpd's": lambda f: _clock(f, SECOND // 10),
    "Prefect's clock 1 s before lighttpd's": lambda f: _clock(f, SECOND),
    "Prefect's clock 1 s behind": lambda f: _clock(f, -SECOND),
    "Prefect's clock 5 s behind": lambda f: _clock(f, -5 * SECOND),
    "no events of Prefect's": lambda f: replace(f, events={}),
}
"""What may be missing or wrong → the facts of a recording as they would be then."""


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

_RECORDED = """\
A real lighttpd in front of a real Prefect 3.9.1, 13 minutes, up to ten runs at a time of two users from one address \
(`sample_logs/audit.log.gz`): of {lines:,} lines {made:,} were made by the processes of {runs} flow runs.
Which, is known from a header that a hook in the test added, and that was cut out of the log \
(`sample_logs/audit.truth.csv.gz`).
Lines of one worker whose runs sent no such header are left out.
The table of delays is learnt from one half of the recording and judged on the other, both ways: no line is judged by \
what it has taught itself."""
_ANOTHER = """\
Another recording: of {lines:,} lines {made:,} were made by the processes of {runs} flow runs.
They are judged by the table of delays that lpaudit has; nothing was learnt from it."""
_WORDS = """\
*Precision*: of the lines that are given an origin, those with the right one.
*Recall*: of the lines that a run made, those that are given the right one."""
_POORER = """\
The same lines and records with something missing or wrong, by the same tables of delays: precision / recall.
What is missing costs recall, and hardly any precision."""


def poorer(of: Recording, by: Mapping[bool, sequence.Model]) -> list[tuple[str, ...]]:
    """Return precision and recall of each word and better, where something is missing."""
    rows = []
    for what, change in POORER.items():
        found = held_out(of, by, change(of.facts))
        scores = [score(of, _upto(found, word)) for word in (*Confidence,)[1:]]
        rows.append((what, *(f"{one.precision:.3f} / {one.recall:.3f}" for one in scores)))
    return rows


def report(of: Recording, by: Mapping[bool, sequence.Model], method: str) -> str:
    """Return the method, the goals and the tables; ``by`` judges each half."""
    found = held_out(of, by)
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
            method.format(lines=len(of.facts.lines), made=len(made), runs=runs) + "\n" + _WORDS,
            table(("goal", "precision", "recall", "measured: precision", "recall", "met"), goals),
            table(("confidence", "lines", "precision", "with the better: precision", "recall"), words),
            table(("method", "lines", "precision"), methods),
            _WINDOW,
            table(("what tells of it", "lines", "precision", "said, as `window`"), windows(of, found)),
            _POORER,
            table(
                ("missing or wrong", *(f"`{word}` and better" for word in (*Confidence,)[1:])), poorer(of, by)
            ),
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
    parser.add_argument("--folder", type=Path, help="another recording, as tests.recording.record makes them")
    options = parser.parse_args()
    if options.folder is None:
        of = recording(_SAMPLES, "audit.log.gz", "audit.truth.csv.gz", ["worker-ml"])
    else:
        of = recording(options.folder, "access.log.gz", "truth.csv.gz", [])
    if options.learn:
        _MODEL.parent.mkdir(exist_ok=True)
        with _MODEL.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(sequence.to_rows(learn(of, lambda _: True)))
    if options.folder is None:
        text = report(of, taught(of), _RECORDED)
    else:
        text = report(of, dict.fromkeys((True, False), sequence.shipped()), _ANOTHER)
    print(text)
    if options.into:
        put_into(options.into, text, "bench-correlate", "Precision and recall")
    return int("**no**" in text)


if __name__ == "__main__":
    sys.exit(main())
