"""What was measured, as Markdown: the method, and a table."""

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import server
from bench.process import Used
from lpaudit import __version__


@dataclass(frozen=True, slots=True)
class Load:
    """What a load was: what wrote, and what it says of the lines it has caused."""

    name: str
    least: int
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """One load, and what became of it. Processor seconds, MiB."""

    load: Load
    lines: int
    size: int
    p50: float
    p99: float
    worst: float
    used: Used
    compaction: float
    memory: float
    probes: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Idle:
    """A follower of logs to which nobody writes; ``share`` is of one core."""

    files: int
    share: float
    memory: float


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first hold numbers."""
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(options: argparse.Namespace, found: Sequence[Run], quiet: Sequence[Idle]) -> str:
    """Return the tables, and how they came about."""
    loads = table(
        (
            "load",
            "lines",
            "lines/s",
            "lost",
            "fresh p50",
            "p99",
            "worst",
            "CPU s",
            "compaction CPU s",
            "lines / CPU s",
            "peak MiB",
        ),
        [
            (
                run.load.name,
                f"{run.lines:,}",
                f"{run.lines / run.load.seconds:,.0f}",
                "**yes**" if run.wrong else "0",
                f"{run.p50:.2f} s",
                f"{run.p99:.2f} s",
                f"{run.worst:.2f} s",
                f"{run.used.own:.1f}",
                f"{run.used.children:.1f} + {run.compaction:.1f}",
                f"{run.lines / run.used.own:,.0f}",
                f"{run.memory:.0f}",
            )
            for run in found
        ],
    )
    idles = table(
        ("quiet files", "CPU, of a core", "MiB"),
        [(f"{one.files}", f"{one.share:.2%}", f"{one.memory:.0f}") for one in quiet],
    )
    wrong = "\n".join(f"- {run.load.name}: {what}" for run in found for what in run.wrong)
    return "\n\n".join(part for part in (_method(options, found), loads, wrong, idles) if part)


def _method(options: argparse.Namespace, found: Sequence[Run]) -> str:
    probes = sum(run.probes for run in found)
    served = f"""\
*lighttpd*: wrk with {server.CONNECTIONS} connections asks a lighttpd for {options.serve} s, as often as it can.
The log must hold all the answers that wrk has counted, and no more beside those that were under way when it hung up."""
    if not options.serve:
        served = "No real server was measured."
    elif not (server.LIGHTTPD and server.WRK):
        served = "Not measured with a real server: that needs lighttpd and wrk."
    return f"""\
{machine()}, {server.version()}.
The loads run on the same cores.
{served}
*replay*: a process of its own appends recorded requests to the log every 20 ms, for {options.seconds:g} s.
It rotates the log half-way, by renaming it.
*lost* is 0 when the log is in segments, byte for byte, and a query counts every line.
*fresh* is how long a line was in the log before the commit that holds it appeared.
Every line counts, and none as fresher than it was: the log's size is looked at every 5 ms, and what is new is taken \
for as old as the look before.
{probes} queries with `lpaudit sql`, during and after the loads, were compared with the log of commits.
*compaction CPU s* is that of compactions during the load, and of one after it.
Vector and Fluent Bit are not beside it: Debian, PyPI and npm do not have them."""


def machine() -> str:
    """Say what was measured, where and when."""
    here = f"{os.cpu_count()} cores ({_processor()}), Linux {platform.release()}"
    return f"{datetime.now(UTC):%Y-%m-%d}: lpaudit {__version__}, Python {platform.python_version()}, {here}"


def _processor() -> str:
    names = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return next(names, platform.machine())


def marks(recipe: str) -> tuple[str, str]:
    """Return what stands before and behind the tables of a recipe in a page."""
    return f"<!-- make {recipe}: begin -->", f"<!-- make {recipe}: end -->"


def put_into(page: Path, text: str, recipe: str, heading: str) -> None:
    """Replace what stands between a recipe's marks in a page, or add it with a heading of its own."""
    begin, end = marks(recipe)
    region = f"{begin}\n{text}\n{end}"
    old = page.read_text("utf-8") if page.exists() else "# Performance\n"
    before, begun, rest = old.partition(begin)
    _, ended, after = rest.partition(end)
    new = before + region + after if begun and ended else f"{old}\n## {heading}\n\n{region}\n"
    page.write_text(new, "utf-8")
