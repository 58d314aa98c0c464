"""`make bench-report`: what a full report takes, beside plain DuckDB queries over the same Parquet files.

Fills a store with `lpaudit ingest`, a day's log after the other, until it has a month. The same first days
are reported before and after the rest is there: whatever that takes more is what the store costs, and not
the period. The last day is what a night reports, whose checks look back upon the whole month. The exit
status is 1 if a report does not count the lines that were written.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from bench import plain, spent
from bench.copies import Copies
from bench.page import machine, put_into, table
from bench.peers import duckdb_version
from bench.spent import Spent

LPAUDIT = (sys.executable, "-m", "lpaudit")
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
SECONDS, MEMORY = 60, 4096

_PEOPLE = """\
[[identity]]
name = "alice"
kind = "human"
groups = ["operators"]
[[identity]]
name = "bob"
kind = "human"
[[identity]]
name = "carol"
kind = "human"
[[identity]]
name = "svc-ci"
kind = "service"
owner = "alice"
[[identity]]
name = "worker-etl"
kind = "worker"
owner = "alice"
[[identity]]
name = "agent-claude"
kind = "agent"
owner = "carol"
[[entitlement]]
group = "operators"
actions = ["*"]
"""
_METHOD = """\
{machine}, DuckDB {duckdb}.
`make bench-report` took {minutes:.0f} minutes; when it began, the load of other programs was {load:.1f}.
The sample recording (`sample_logs/`: {copy:,} lines in lpaudit's format, 13 minutes of a real Prefect behind a real \
lighttpd, with some hundred runs) is laid end to end, a copy every {spacing:g} minutes, each with runs of its own.
Every {whole}th copy, and the first of a day, is whole; in the others nobody changes or runs anything: in the place of \
each such request is the one before it that only asks or reports, so that they have as many lines at the same times.
A log a day is read by `lpaudit ingest`, and of the first copy of a day also Prefect's records, by `lpaudit sync`.
Requests are not tied to runs: `lpaudit correlate` is not part of this.
The last two rows are of the last day alone, as a night reports it: checks that look back then do so upon all the others.
*lpaudit* is `lpaudit report {framework}` with HTML and JSON, in a process of its own, start-up and files included: \
{questions} questions, each with its population.
*plain DuckDB* is what a tool such as Tailpipe does, which asks Parquet files with DuckDB: {plain} queries over the \
store's files, without routes, populations, coverage or a report.
*wall s* and *CPU s* are medians of {rounds} rounds in turn, *peak MiB* is of the hungriest."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A period of a store, and what it took to report it, or to ask plain queries about it."""

    program: str
    stored: int
    lines: int
    questions: int
    runs: tuple[Spent, ...]
    wrong: str | None = None

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median processor seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def memory(self) -> float:
        """MiB at the peak of the hungriest run."""
        return max(run.memory for run in self.runs)


@dataclass(slots=True)
class Month:
    """A store that is filled day by day, in ``folder``."""

    folder: Path
    copies: Copies
    spacing: timedelta
    whole: int
    days: int = 0
    lines: int = 0

    @property
    def store(self) -> Path:
        """Where it lies."""
        return self.folder / "store"

    def lpaudit(self, *words: str) -> None:
        """Run a command on it, quietly."""
        environ = os.environ | {"XDG_STATE_HOME": str(self.folder / "state")}
        subprocess.run([*LPAUDIT, *words, "--quiet", "--store", str(self.store)], check=True, env=environ)

    def fill(self, days: int) -> None:
        """Add days, until there are so many."""
        for day in range(self.days, days):
            log = self.folder / f"access-{day:02d}.log"
            numbers = range(_before(day, self.spacing), _before(day + 1, self.spacing))
            with log.open("wb") as file:
                for number in numbers:
                    file.write(
                        self.copies.log(number, quiet=number % self.whole != 0 and number != numbers[0])
                    )
            self.lpaudit("ingest", "--host", "gw1", str(log))
            log.unlink()
            self.lpaudit("sync", "--from-dump", str(self.copies.dump(self.folder, numbers[0])))
            self.lines += len(numbers) * self.copies.lines
            print(f"day {day + 1}: {self.lines:,} lines", file=sys.stderr)
        self.days = days
        self.lpaudit("compact")


def _before(day: int, spacing: timedelta) -> int:
    """Return how many copies begin before a day, counted from 0."""
    return -(-timedelta(day) // spacing)


def by_lpaudit(month: Month, framework: str, days: range) -> tuple[Spent, dict[str, object]]:
    """Report some days; return what it took, and the report as JSON."""
    out = month.folder / "out"
    first, last = (BEGIN + timedelta(day) for day in (days[0], days[-1]))
    period = ("--from", f"{first:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}")
    words = (
        "report",
        framework,
        *period,
        "--format",
        "html,json",
        "--out",
        str(out),
        "--store",
        str(month.store),
    )
    took = spent.run((*LPAUDIT, *words), month.folder)
    [file] = out.glob("*.json")
    return took, json.loads(file.read_bytes())


def by_duckdb(month: Month, days: range) -> Spent:
    """Ask plain queries about some days."""
    files = sorted((month.store / "access_event").glob("*.parquet"))
    first, end = (BEGIN + timedelta(day) for day in (days.start, days.stop))
    return spent.run(plain.command(first.isoformat(), end.isoformat(), files), month.folder)


def ask(month: Month, framework: str, days: range, lines: int, rounds: int) -> list[Asked]:
    """Have some days, which have so many lines, asked by both, in turn."""
    ours: list[Spent] = []
    ducks: list[Spent] = []
    report: dict[str, object] = {}
    for _ in range(rounds):
        took, report = by_lpaudit(month, framework, days)
        ours.append(took)
        ducks.append(by_duckdb(month, days))
    sections = report["sections"]
    assert isinstance(sections, list)
    population = next(s["population"] for s in sections if s["check"] == "identities")
    # A day's last copy goes on beyond midnight.
    wrong = (
        None if abs(population - lines) * 200 <= lines else f"{population:,} of {lines:,} lines are counted"
    )
    found = [
        Asked("lpaudit", month.lines, population, len(sections), tuple(ours), wrong),
        Asked("plain DuckDB", month.lines, population, len(plain.QUESTIONS), tuple(ducks)),
    ]
    for one in found:
        print(
            f"{one.program}, {lines:,} of {month.lines:,} lines: {one.seconds:.1f} s, {one.cpu:.1f} CPU s",
            file=sys.stderr,
        )
    return found


def report(
    options: argparse.Namespace, found: Sequence[Asked], month: Month, minutes: float, load: float
) -> str:
    """Return the tables, and how they came about."""
    ours = [one for one in found if one.program == "lpaudit"]
    small, grown, whole, *_ = ours
    goals = table(
        ("goal", "asked", "measured", "met"),
        [
            _goal(f"a report of {whole.lines / 1e6:.0f} M lines, wall time", SECONDS, whole.seconds, "s"),
            _goal("the same, peak memory", MEMORY, whole.memory, "MiB"),
            _goal(
                f"CPU s a line, of those for {whole.lines / small.lines:.1f} × fewer lines",
                1.25,
                whole.cpu / whole.lines / (grown.cpu / grown.lines),
                "×",
            ),
            _goal(
                f"CPU s for the same lines, in a store with {grown.stored / small.stored:.1f} × as many",
                1.25,
                grown.cpu / small.cpu,
                "×",
            ),
        ],
    )
    rows = [
        (
            one.program,
            f"{one.stored:,}",
            f"{one.lines:,}",
            f"{one.questions}",
            f"{one.seconds:.1f}",
            f"{one.cpu:.1f}",
            f"{one.cpu / one.questions:.2f}",
            f"{one.memory:.0f}",
        )
        for one in found
    ]
    measured = table(
        (
            "program",
            "lines stored",
            "of the period",
            "questions",
            "wall s",
            "CPU s",
            "CPU s a question",
            "peak MiB",
        ),
        rows,
    )
    method = _METHOD.format(
        machine=machine(),
        duckdb=duckdb_version(),
        minutes=minutes,
        load=load,
        copy=month.copies.lines,
        spacing=options.spacing,
        whole=options.whole,
        framework=options.framework,
        questions=whole.questions,
        plain=len(plain.QUESTIONS),
        rounds=options.rounds,
    )
    return f"{method}\n\n{goals}\n\n{measured}"


def _goal(what: str, most: float, measured: float, unit: str) -> tuple[str, str, str, str]:
    digits = 2 if unit == "×" else 0
    met = "yes" if measured <= most else "**no**"
    return what, f"≤ {most:g} {unit}", f"{measured:,.{digits}f} {unit}", met


def main() -> int:
    """Measure, print, and say whether all was counted."""
    parser = argparse.ArgumentParser(prog="make bench-report", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a glance: does it work, are lines counted?")
    parser.add_argument("--days", type=int, help="of the store in the end [31]")
    parser.add_argument("--first", type=int, help="days that are reported before the rest is there, too [7]")
    parser.add_argument(
        "--spacing", type=float, help="minutes from one copy of the recording to the next [14]"
    )
    parser.add_argument("--whole", type=int, default=8, help="every which copy is whole [8]")
    parser.add_argument("--rounds", type=int, help="how often each is asked [3]")
    parser.add_argument("--framework", default="soc2-tsc-2017", help="which report [soc2-tsc-2017]")
    parser.add_argument("--dir", type=Path, help="where the store is made, and removed again")
    parser.add_argument("--into", type=Path, help="a page that the tables are put into")
    options = parser.parse_args()
    usual, short = (31, 7, 14.0, 3), (2, 1, 1440.0, 1)
    for name, value in zip(
        ("days", "first", "spacing", "rounds"), short if options.short else usual, strict=True
    ):
        if getattr(options, name) is None:
            setattr(options, name, value)
    began, load, spacing = datetime.now(UTC), os.getloadavg()[0], timedelta(minutes=options.spacing)
    with tempfile.TemporaryDirectory(prefix="lpaudit-bench-", dir=options.dir) as folder:
        month = Month(Path(folder), Copies(spacing, BEGIN), spacing, options.whole)
        month.fill(1)
        people = month.folder / "people.toml"
        people.write_text(_PEOPLE, "utf-8")
        month.lpaudit("identities", "import", str(people))
        month.fill(options.first)
        lines, first = month.lines, range(options.first)
        found = ask(month, options.framework, first, lines, options.rounds)
        month.fill(options.days - 1)
        before = month.lines
        month.fill(options.days)
        found += ask(month, options.framework, first, lines, options.rounds)
        found += ask(month, options.framework, range(options.days), month.lines, options.rounds)
        night = range(options.days - 1, options.days)
        found += ask(month, options.framework, night, month.lines - before, options.rounds)
    text = report(options, found, month, (datetime.now(UTC) - began) / timedelta(minutes=1), load)
    print(text)
    if options.into:
        put_into(options.into, text, "bench-report", "Reports")
    return int(any(one.wrong for one in found))


if __name__ == "__main__":
    sys.exit(main())
