"""What `lpaudit correlate` takes, over how many lines: ``python -m bench.links [--copies N …]``.

The sample recording is laid end to end, each copy a quarter of an hour later than the one before and with
runs and task runs of its own, but the same deployments and flows. Prints a table, and puts it into a page.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench.page import put_into, table
from bench.spent import run

_SAMPLES = Path(__file__).parent.parent / "sample_logs"
_LATER = timedelta(minutes=15)
_SAME = ("deployments", "flows", "work_pools")
_LINE = re.compile(rb"ts=(\d+)(\.\d{6}) end=(\d{10})(\d{6}) ")
_INSTANT = re.compile(r'"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)([\d.]*Z)"')
_ID = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_LPAUDIT = [sys.executable, "-m", "lpaudit"]
_METHOD = """\
The sample recording (`sample_logs/`, {lines:,} lines with {runs} runs and {events:,} events in 13 minutes) laid end to end, \
each copy {minutes} minutes later than the one before and with runs of its own. \
Everything is new: nothing of it was correlated before.
A line is looked at with its hour, and with the hours before and after it: the first rows have fewer of those, and from \
three hours on the time grows with the lines. What is in memory together are 200,000 lines, or three hours if they have more."""


def make(folder: Path, copies: int) -> Path:
    """Make a store of so many copies; return its directory."""
    store = folder / "store"
    same = {one["id"] for name in _SAME for one in json.loads(_records(name))}
    log = gzip.decompress((_SAMPLES / "audit.log.gz").read_bytes()).decode("latin-1")
    for number in range(copies):
        path = folder / "audit.log"
        path.write_bytes(_LINE.sub(partial(_line, number), _renamed(log, same, number).encode("latin-1")))
        options = ["--quiet", "--host", "gw1", "--store", str(store)]
        _lpaudit(folder, "ingest", *options, str(path))
        dump = folder / "dump"
        dump.mkdir(exist_ok=True)
        for name in ("flow_runs", "task_runs", "events", "deployments", "flows"):
            text = _records(name)
            if name not in _SAME:
                text = _INSTANT.sub(partial(_instant, number), _renamed(text, same, number))
            (dump / f"{name}.json").write_text(text, "utf-8")
        _lpaudit(folder, "sync", "--quiet", "--store", str(store), "--from-dump", str(dump))
    _lpaudit(folder, "compact", "--quiet", "--store", str(store))
    return store


def _lpaudit(folder: Path, *words: str) -> None:
    environ = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    subprocess.run([*_LPAUDIT, *words], check=True, env=environ)


def _records(name: str) -> str:
    return gzip.decompress((_SAMPLES / "prefect" / f"{name}.json.gz").read_bytes()).decode()


def _renamed(text: str, same: set[str], number: int) -> str:
    """Give what is not the same in all copies ids of its own."""
    return _ID.sub(lambda m: m[0] if m[0] in same else f"{int(m[1], 16) ^ number << 8:08x}{m[0][8:]}", text)


def _line(number: int, match: re.Match[bytes]) -> bytes:
    later = number * _LATER // timedelta(seconds=1)
    return b"ts=%d%b end=%d%b " % (int(match[1]) + later, match[2], int(match[3]) + later, match[4])


def _instant(number: int, match: re.Match[str]) -> str:
    at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC) + number * _LATER
    return f'"{at:%Y-%m-%dT%H:%M:%S}{match[2]}"'


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="bench.links", description=__doc__.split("\n")[0])
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 8, 62])
    parser.add_argument("--into", type=Path, help="a page that the table is put into")
    parser.add_argument("--folder", type=Path, help="where stores are kept, to be measured again")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for copies in options.copies:
            folder = (options.folder or Path(temporary)) / str(copies)
            folder.mkdir(parents=True, exist_ok=True)
            store = folder / "store" if (folder / "store").is_dir() else make(folder, copies)
            spent = run([*_LPAUDIT, "correlate", "--all", "--format", "json", "--store", str(store)], folder)
            told = json.loads(spent.printed[spent.printed.index("[") :])
            again = run([*_LPAUDIT, "correlate", "--store", str(store)], folder)
            lines = copies * _lines()
            links = sum(row["links"] for row in told)
            numbers = (spent.seconds, spent.cpu, lines / spent.cpu, spent.memory, again.cpu)
            rows.append((f"{lines:,}", f"{links:,}", *(f"{number:,.0f}" for number in numbers)))
            print(rows[-1], flush=True)
    method = _METHOD.format(
        lines=_lines(),
        runs=len(json.loads(_records("flow_runs"))),
        events=len(json.loads(_records("events"))),
        minutes=_LATER // timedelta(minutes=1),
    )
    head = (
        *("lines", "links", "seconds", "processor seconds"),
        *("lines a processor second", "MiB at the peak", "again, nothing new: processor seconds"),
    )
    text = f"{method}\n\n{table(head, rows)}"
    print(text)
    if options.into:
        put_into(options.into, text, "bench-links", "Time and memory")
    return 0


def _lines() -> int:
    return gzip.decompress((_SAMPLES / "audit.log.gz").read_bytes()).count(b"\n")


if __name__ == "__main__":
    sys.exit(main())
