"""What `make bench` has measured, as Markdown: the method, the goals, and the tables."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench import logs, peers
from bench.page import machine, table
from bench.spent import Spent
from lpaudit import core

WITHOUT_CORE = "lpaudit without its core"


@dataclass(frozen=True, slots=True)
class Read:
    """A log, by name, as one program has read it, once or several times."""

    log: str
    program: str
    lines: int  # in the log
    runs: tuple[Spent, ...]
    rows: int  # that the program has made of it
    size: int  # bytes of what it has written
    wrong: tuple[str, ...] = ()  # what of the log is not in it

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median processor seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def rate(self) -> float:
        """Lines a processor second."""
        return self.lines / self.cpu

    @property
    def memory(self) -> float:
        """MiB at the peak of the hungriest run."""
        return max(run.memory for run in self.runs)


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it; ``starts`` are seconds until the first output, by command.

    ``load`` is how many programs wanted to run before the first was measured (the system's load average).
    """

    reads: tuple[Read, ...]
    starts: dict[str, float]
    load: float = 0.0

    def of(self, log: str, program: str = "lpaudit") -> Read | None:
        """Return how a program has read a log, if it has."""
        return next((one for one in self.reads if (one.log, one.program) == (log, program)), None)


def report(options: argparse.Namespace, found: Measured, seconds: float) -> str:
    """Return the tables, and how they came about."""
    goals = table(("goal", "asked", "measured", "met"), list(_goals(found)))
    reads = table(
        ("log", "program", "lines", "wall s", "CPU s", "lines / CPU s", "peak MiB", "rows", "MB written"),
        [
            (
                one.log,
                one.program,
                f"{one.lines:,}",
                f"{one.seconds:.1f}",
                f"{one.cpu:.1f}",
                f"{one.rate:,.0f}",
                f"{one.memory:.0f}",
                f"{one.rows:,}",
                f"{one.size / 1e6:,.1f}",
            )
            for one in found.reads
        ],
    )
    starts = table(
        ("first output of", "ms"),
        [(command, f"{1000 * seconds:.0f}") for command, seconds in found.starts.items()],
    )
    wrong = "\n".join(f"- {one.log}: {what}" for one in found.reads for what in one.wrong)
    return "\n\n".join(
        part for part in (_method(options, found.load, seconds), goals, reads, wrong, starts) if part
    )


def _goals(found: Measured) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is asked for, and what was measured."""
    mixed, duck, other = (found.of("mixed", name) for name in ("lpaudit", "DuckDB", "GoAccess"))
    assert mixed
    if duck:
        pairs = zip(mixed.runs, duck.runs, strict=True)
        yield _at_most("wall time, of DuckDB's", 1.0, median(a.seconds / b.seconds for a, b in pairs))
        pairs = zip(mixed.runs, duck.runs, strict=True)
        yield _at_most("CPU time, of DuckDB's", 1.0, median(a.cpu / b.cpu for a, b in pairs))
    if other:
        yield _at_least("lines / CPU s, of GoAccess's", 5.0, mixed.rate / other.rate)
    most = max(one.memory for one in found.reads if one.program == "lpaudit")
    yield ("peak memory, any log", "≤ 700 MB", f"{most * 1.048576:.0f} MB", _yes(most * 1.048576 <= 700))
    short, escaped, secret = (found.of(name) for name in ("short", "escaped", "secret"))
    assert short
    assert escaped
    assert secret
    yield _at_least(
        "lines / CPU s where every line has escapes, of the usual", 0.5, escaped.rate / short.rate
    )
    yield _at_least(
        "lines / s where every line has escapes, of the usual", 0.5, short.seconds / escaped.seconds
    )
    yield _at_least("lines / CPU s where every line has a token, of the usual", 0.5, secret.rate / short.rate)
    bare, *ours = found.starts.values()
    yield _at_most("first output, of a bare typer program's", 1.5, max(ours) / bare)


def _at_most(what: str, asked: float, measured: float) -> tuple[str, str, str, str]:
    return (what, f"≤ {asked:g} ×", f"{measured:.2f} ×", _yes(measured <= asked))


def _at_least(what: str, asked: float, measured: float) -> tuple[str, str, str, str]:
    return (what, f"≥ {asked:g} ×", f"{measured:.2f} ×", _yes(measured >= asked))


def _yes(met: bool) -> str:  # noqa: FBT001 -- the answer is the argument
    return "yes" if met else "**no**"


def _core() -> str:
    if core.LIBRARY.exists():
        return f"*{WITHOUT_CORE}* is what it takes where no C compiler was at hand when it was installed: once, the same file."
    return "lpaudit was installed where no C compiler was at hand: it has no core."


def _method(options: argparse.Namespace, load: float, seconds: float) -> str:
    goaccess = (
        "GoAccess once." if peers.GOACCESS else "GoAccess is not here (Debian: goaccess), and was left out."
    )
    return f"""\
{machine()}, DuckDB {peers.duckdb_version()}, {peers.goaccess_version()}.
`make bench` took {seconds / 60:.0f} minutes; when it began, the load of other programs was {load:.1f}.
All logs are made for the run: lighttpd's default format, requests of Prefect clients, every line with another UUID, \
{logs.PER_SECOND} lines a second.
Of a thousand lines one is odd: what a real lighttpd wrote of hostile requests, and blank lines, garbage, binary.
*mixed*: each program reads the same file, from the page cache; lpaudit and DuckDB {options.rounds} times in turn, {goaccess}
*long* is that file {options.times} times over, *short* has other lines, in *escaped* every one has escapes, in *secret* a token: {options.rounds} times in turn.
lpaudit's work is done when rows with identities and evidence are in a new store, hashed, synced and committed; \
the segments are then compared with the log, and the rows counted.
{_core()}
DuckDB's `read_csv` makes typed, zstd-compressed Parquet of the same columns: no identities, no evidence, no sync, \
and lines of another shape are dropped.
GoAccess makes one JSON file of figures, and keeps no rows.
Python's modules are compiled before the first is measured, as they are where programs are installed.
*wall s* and *CPU s* are medians with start-up, ratios are medians of the rounds; *peak MiB* is that of all processes together, of the hungriest run.
*first output* is the median of {options.starts} starts in turn."""
