"""`make bench`: what `lpaudit ingest` takes, beside DuckDB and GoAccess on the same file.

Prints tables with their method, and puts them into a page where that was asked for. The exit
status is 1 if a line was lost, whatever the figures are; a goal that is missed is only said.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench import logs, peers, spent
from bench.commits import Commits
from bench.ingested import WITHOUT_CORE, Measured, Read, report
from bench.page import put_into
from bench.spent import Spent
from lpaudit import core
from lpaudit.redaction import covers
from lpaudit.store import open_store, read_segment

LPAUDIT = (sys.executable, "-m", "lpaudit")
BARE = "import typer; app = typer.Typer(); app.command()(lambda: None); app()"
_COUNT = "select count(*)::bigint lines from access_event"


def by_lpaudit(folder: Path, log: Path, **variables: str) -> Spent:
    """Ingest a log into a new store."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    command = (*LPAUDIT, "ingest", "--quiet", "--store", str(folder / "store"), str(log))
    return spent.run(command, folder, **variables)


def by_duckdb(folder: Path, log: Path) -> Spent:
    """Have DuckDB write a log as Parquet."""
    return spent.run(peers.duckdb_command(log, folder / "duckdb.parquet"), folder)


def by_goaccess(folder: Path, log: Path) -> Spent:
    """Have GoAccess write a log's figures."""
    return spent.run(peers.goaccess_command(log, folder / "goaccess.json"), folder)


def stored(folder: Path, log: Path, lines: int) -> tuple[int, tuple[str, ...]]:
    """Return how many rows a store has of a log, and what of the log is not in it, byte for byte.

    What looks like a secret is not stored; some of the odd lines hold one.
    """
    store = folder / "store"
    told = spent.run((*LPAUDIT, "sql", "--store", str(store), "--format", "jsonl", _COUNT), folder).printed
    rows = int(json.loads(told)["lines"])
    wrong = [f"{rows:,} of {lines:,} lines are rows"] if rows != lines else []
    commits, storage = Commits(store), open_store(str(store)).storage
    commits.update()
    position = 0
    with log.open("rb") as file:
        for segment in (piece.segment for piece in commits.pieces):
            there = (store / segment.name).exists() and segment.start == position
            logged = file.read(segment.end - segment.start)
            if not there or not covers(read_segment(storage, segment), logged):
                wrong.append(f"bytes {segment.start} to {segment.end} are not stored")
            position = segment.end
    if position != log.stat().st_size:
        wrong.append(f"{position:,} of {log.stat().st_size:,} bytes are stored")
    return rows, tuple(wrong)


def read(
    name: str, folder: Path, log: Path, lines: int, rounds: int, *, peers_too: bool = False
) -> list[Read]:
    """Have a log read by lpaudit, and by its peers in turn with it; GoAccess, which is slow, does it once."""
    ours: list[Spent] = []
    ducks: list[Spent] = []
    for _ in range(rounds):
        with log.open("rb") as file:  # from now on it is in memory
            while file.read(1 << 24):
                pass
        ours.append(by_lpaudit(folder, log))
        if peers_too:
            ducks.append(by_duckdb(folder, log))
    rows, wrong = stored(folder, log, lines)
    found = [Read(name, "lpaudit", lines, tuple(ours), rows, _size(folder / "store"), wrong)]
    if peers_too and core.LIBRARY.exists():
        without = by_lpaudit(folder, log, **{core.SWITCH: "0"})
        again, wrong = stored(folder, log, lines)
        found.append(Read(name, WITHOUT_CORE, lines, (without,), again, _size(folder / "store"), wrong))
    if peers_too:
        size = _size(folder / "duckdb.parquet")
        found.append(Read(name, "DuckDB", lines, tuple(ducks), int(ducks[-1].printed), size))
    if peers_too and peers.GOACCESS:
        once, figures = by_goaccess(folder, log), folder / "goaccess.json"
        found.append(Read(name, "GoAccess", lines, (once,), peers.goaccess_lines(figures), _size(figures)))
    shutil.rmtree(folder / "store")
    return found


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def starts(count: int) -> dict[str, float]:
    """Return the median of the seconds until the first output, of lpaudit and of a program that is only typer."""
    commands = {
        "typer --help": (sys.executable, "-c", BARE, "--help"),
        "lpaudit --version": (*LPAUDIT, "--version"),
        "lpaudit --help": (*LPAUDIT, "--help"),
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(count):
        for name, command in commands.items():
            found[name].append(spent.first_output(command))
    return {name: median(seconds) for name, seconds in found.items()}


def repeat(log: Path, times: int, target: Path) -> None:
    """Write a log that is another one so many times."""
    with target.open("wb") as file:
        for _ in range(times):
            with log.open("rb") as part:
                shutil.copyfileobj(part, file, 1 << 24)


def measure(options: argparse.Namespace, folder: Path) -> Measured:
    """Measure everything that was asked for, one thing after the other."""
    names = ("access", "escaped", "secret", "few", "many")
    log, escaped, secret, few, many = (folder / f"{name}.log" for name in names)
    reads: list[Read] = []
    load = os.getloadavg()[0]

    def done(*more: Read) -> None:
        reads.extend(more)
        for one in more:
            print(
                f"{one.log}, {one.program}: {one.seconds:.1f} s, {one.rate:,.0f} lines/CPU-s", file=sys.stderr
            )

    logs.write(few, 1000)
    for program in (by_lpaudit, by_duckdb):  # from now on Python's modules are compiled
        program(folder, few)
    logs.write(log, options.lines)
    done(*read("mixed", folder, log, options.lines, options.rounds, peers_too=True))
    if options.times > 1:
        repeat(log, options.times, many)
        done(*read("long", folder, many, options.times * options.lines, 1))
        many.unlink()
    log.unlink()
    logs.write(few, options.few)
    logs.write(escaped, options.few, escapes=True)
    logs.write(secret, options.few, tokens=True)
    each = {"short": few, "escaped": escaped, "secret": secret}
    pairs = [
        [one for name, path in each.items() for one in read(name, folder, path, options.few, 1)]
        for _ in range(options.rounds)
    ]
    for same in zip(*pairs, strict=True):
        runs = tuple(run for one in same for run in one.runs)
        done(replace(same[-1], runs=runs, wrong=tuple(what for one in same for what in one.wrong)))
    return Measured(tuple(reads), starts(options.starts), load)


def main() -> int:
    """Measure, print, and say whether all was whole."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a glance: does it work, is anything lost?")
    parser.add_argument("--lines", type=int, help="of the log that all programs read [5000000]")
    parser.add_argument("--times", type=int, help="so many times as long is the longest log; 1 for none [4]")
    parser.add_argument("--few", type=int, help="lines of the short log, and of those like it [1000000]")
    parser.add_argument("--rounds", type=int, help="how often each is read [3]")
    parser.add_argument("--starts", type=int, help="how often a program is started [15]")
    parser.add_argument("--dir", type=Path, help="where logs and stores are made, and removed again")
    parser.add_argument("--into", type=Path, help="a page that the tables are put into")
    options = parser.parse_args()
    usual, short = (5_000_000, 4, 1_000_000, 3, 15), (20_000, 2, 5_000, 1, 1)
    names = ("lines", "times", "few", "rounds", "starts")
    for name, value in zip(names, short if options.short else usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lpaudit-bench-", dir=options.dir) as folder:
        found = measure(options, Path(folder))
    text = report(options, found, time.monotonic() - began)
    print(text)
    if options.into:
        put_into(options.into, text, "bench", "Ingest")
    return int(any(one.wrong for one in found.reads))


if __name__ == "__main__":
    sys.exit(main())
