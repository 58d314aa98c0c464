"""`make bench-verify`: what `lpaudit verify` takes, beside the ingest that it verifies.

Stores of two sizes and two shapes: a log that was read at once, and one that came a little at a time, as a
follower stores it, compacted since. All are signed. The exit status is 1 if a store does not verify.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import logs
from bench.page import machine, put_into, table
from bench.spent import Spent, run

_LPAUDIT = (sys.executable, "-m", "lpaudit")
_LITTLE = 1000
"""Lines that a follower stores at once."""
_METHOD = """\
{machine}.
`make bench-verify` took {minutes:.0f} minutes; when it began, the load of other programs was {load:.1f}.
The logs are those of `make bench`, with their odd lines.
*at once* is a log that one `lpaudit ingest` reads; *followed* one that `lpaudit ingest --follow` reads as it grows, {little:,} \
lines at a time, compacted in the end, so that packs hold its segments.
All stores are signed, and the logs are still there: they are compared as well.
*ingest* is `lpaudit ingest` of the whole log into a new store: what it would take to read it again.
*wall s* and *CPU s* are medians of {rounds} rounds in turn, start-up included; *peak MiB* is of the hungriest."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A command over a store of so many lines in so many segments, and what it took."""

    shape: str
    lines: int
    command: str
    runs: tuple[Spent, ...]

    def row(self) -> tuple[str, ...]:
        """Return a row of the table."""
        seconds = median(one.seconds for one in self.runs)
        cpu = median(one.cpu for one in self.runs)
        memory = max(one.memory for one in self.runs)
        return (
            self.shape,
            f"{self.lines:,}",
            self.command,
            f"{seconds:.1f}",
            f"{cpu:.1f}",
            f"{cpu / self.lines * 1e6:.1f}",
            f"{memory:.0f}",
        )


def _lpaudit(folder: Path, *words: str) -> None:
    environ = os.environ | {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    subprocess.run([*_LPAUDIT, *words], check=True, env=environ, stdout=subprocess.DEVNULL)


def at_once(folder: Path, log: Path) -> Path:
    """Make a signed store of a log; return its directory."""
    store = folder / "store"
    _lpaudit(folder, "keys", "init", "--as", "bench", "--store", str(store))
    _lpaudit(folder, "ingest", "--quiet", "--store", str(store), str(log))
    _lpaudit(folder, "sign", "--store", str(store))
    return store


def followed(folder: Path, log: Path) -> Path:
    """Make a signed store of a log that grew while it was read; return its directory."""
    store, growing = folder / "store", folder / "access.log"
    _lpaudit(folder, "keys", "init", "--as", "bench", "--store", str(store))
    lines = log.read_bytes().splitlines(keepends=True)
    with (
        growing.open("wb", buffering=0) as file,
        subprocess.Popen(
            [
                *_LPAUDIT,
                "ingest",
                "--follow",
                "--no-compact",
                "--flush-interval",
                "0.05",
                "--store",
                store,
                growing,
            ],
            env=os.environ
            | {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")},
            stderr=subprocess.DEVNULL,
        ) as follower,
    ):
        for start in range(0, len(lines), _LITTLE):
            file.write(b"".join(lines[start : start + _LITTLE]))
            size = growing.stat().st_size
            while _stored(store) < size:
                time.sleep(0.01)
        follower.terminate()
    _lpaudit(folder, "compact", "--quiet", "--store", str(store))
    _lpaudit(folder, "sign", "--store", str(store))
    return store


def _stored(store: Path) -> int:
    """Return up to which byte segments are stored: their names say so."""
    return max((int(path.name.split("-")[1]) for path in store.glob("segments/*/*.zst")), default=0)


def measure(folder: Path, shape: str, log: Path, lines: int, rounds: int) -> list[Verified]:
    """Ingest and verify in turn. Raises ChildProcessError if a store does not verify."""
    folder.mkdir()
    store = (at_once if shape == "at once" else followed)(folder, log)
    again = folder / "again"
    commands = {
        "ingest": ("ingest", "--quiet", "--store", str(again), str(log)),
        "verify --full": ("verify", "--quiet", "--full", "--store", str(store)),
        "verify": ("verify", "--quiet", "--store", str(store)),
    }
    took: dict[str, list[Spent]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            shutil.rmtree(again, ignore_errors=True)
            took[name].append(run([*_LPAUDIT, *words], folder, XDG_CONFIG_HOME=str(folder / "config")))
    return [Verified(shape, lines, name, tuple(runs)) for name, runs in took.items()]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="bench.verify", description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--followed", type=int, nargs="+", default=[100_000, 400_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--into", type=Path, help="a page that the table is put into")
    options = parser.parse_args()
    began, load, measured = time.monotonic(), os.getloadavg()[0], list[Verified]()
    with tempfile.TemporaryDirectory() as temporary:
        for shape, sizes in (("at once", options.lines), ("followed", options.followed)):
            for lines in sizes:
                log = Path(temporary) / f"{lines}.log"
                logs.write(log, lines)
                folder = Path(temporary) / f"{shape} {lines}".replace(" ", "-")
                measured += measure(folder, shape, log, lines, options.rounds)
                shutil.rmtree(folder)
                log.unlink()
    method = _METHOD.format(
        machine=machine(),
        minutes=(time.monotonic() - began) / 60,
        load=load,
        little=_LITTLE,
        rounds=options.rounds,
    )
    header = ("store", "lines", "command", "wall s", "CPU s", "CPU µs a line", "peak MiB")
    text = f"{method}\n\n{table(header, [one.row() for one in measured])}"
    print(text)
    if options.into is not None:
        put_into(options.into, text, "bench-verify", "Verifying")
    return 0


if __name__ == "__main__":
    sys.exit(main())
