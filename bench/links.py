"""What `lpaudit correlate` takes, over how many lines: ``python -m bench.links [--copies N …]``.

The sample recording is laid end to end, each copy a quarter of an hour later than the one before and with
runs and task runs of its own, but the same deployments and flows. Prints a table, and puts it into a page.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from bench.copies import Copies, records
from bench.page import put_into, table
from bench.spent import run

_LATER = timedelta(minutes=15)
_LPAUDIT = [sys.executable, "-m", "lpaudit"]
_METHOD = """\
The sample recording (`sample_logs/`, {lines:,} lines with {runs} runs and {events:,} events in 13 minutes) laid end to end, \
each copy {minutes} minutes later than the one before and with runs of its own. \
Everything is new: nothing of it was correlated before.
A line is looked at with its hour, and with the hours before and after it: the first rows have fewer of those, and from \
three hours on the time grows with the lines. What is in memory together are 200,000 lines, or three hours if they have more."""


def make(folder: Path, copies: Copies, number: int) -> Path:
    """Make a store of so many copies; return its directory."""
    store = folder / "store"
    for copy in range(number):
        path = folder / "audit.log"
        path.write_bytes(copies.log(copy))
        _lpaudit(folder, "ingest", "--quiet", "--host", "gw1", "--store", str(store), str(path))
        dump = copies.dump(folder, copy)
        _lpaudit(folder, "sync", "--quiet", "--store", str(store), "--from-dump", str(dump))
    _lpaudit(folder, "compact", "--quiet", "--store", str(store))
    return store


def _lpaudit(folder: Path, *words: str) -> None:
    environ = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    subprocess.run([*_LPAUDIT, *words], check=True, env=environ)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="bench.links", description=__doc__.split("\n")[0])
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 8, 62])
    parser.add_argument("--into", type=Path, help="a page that the table is put into")
    parser.add_argument("--folder", type=Path, help="where stores are kept, to be measured again")
    options = parser.parse_args()
    rows, recording = [], Copies(_LATER)
    with tempfile.TemporaryDirectory() as temporary:
        for copies in options.copies:
            folder = (options.folder or Path(temporary)) / str(copies)
            folder.mkdir(parents=True, exist_ok=True)
            store = folder / "store" if (folder / "store").is_dir() else make(folder, recording, copies)
            spent = run([*_LPAUDIT, "correlate", "--all", "--format", "json", "--store", str(store)], folder)
            told = json.loads(spent.printed[spent.printed.index("[") :])
            again = run([*_LPAUDIT, "correlate", "--store", str(store)], folder)
            lines = copies * recording.lines
            links = sum(row["links"] for row in told)
            numbers = (spent.seconds, spent.cpu, lines / spent.cpu, spent.memory, again.cpu)
            rows.append((f"{lines:,}", f"{links:,}", *(f"{number:,.0f}" for number in numbers)))
            print(rows[-1], flush=True)
    method = _METHOD.format(
        lines=recording.lines,
        runs=len(json.loads(records("flow_runs"))),
        events=len(json.loads(records("events"))),
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


if __name__ == "__main__":
    sys.exit(main())
