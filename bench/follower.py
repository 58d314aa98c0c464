"""`lpaudit ingest --follow` as it is run, watched from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.commits import Commits

LPAUDIT = (sys.executable, "-m", "lpaudit")


@contextmanager
def following(folder: Path, logs: Path) -> Iterator[tuple[int, Path]]:
    """Follow logs, with a new store in ``folder``; yield the follower's process and its store."""
    store, events = folder / "store", folder / "events.log"
    command = [*LPAUDIT, "ingest", "--follow", "--log-style", "logfmt", "--store", str(store), str(logs)]
    environ = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    with events.open("w") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr, env=environ)
        try:
            while "event=following" not in events.read_text():
                if process.poll() is not None:
                    raise ChildProcessError(events.read_text())
                time.sleep(0.05)
            yield process.pid, store
            process.send_signal(signal.SIGTERM)
            if process.wait(timeout=120):
                raise ChildProcessError(events.read_text())
        finally:
            process.kill()
            process.wait()


def wait_until_stored(commits: Commits, size: int, seconds: float) -> None:
    """Wait until so many bytes are stored, or as long as that may take."""
    until = time.monotonic() + seconds
    commits.update()
    while commits.size < size and time.monotonic() < until:
        time.sleep(0.05)
        commits.update()


_VISIBLE = """
select source_id, count(*)::bigint n, max(byte_offset + byte_length)::bigint upto
from access_event group by source_id
"""


class Probe:
    """What `lpaudit sql` sees, and between when and when it has looked."""

    def __init__(self, store: Path) -> None:
        command = [*LPAUDIT, "sql", "--store", str(store), "--format", "jsonl", _VISIBLE]
        self.began = time.time()
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        self.ended = time.time()
        self._seen = [json.loads(line) for line in told.splitlines()]

    @property
    def lines(self) -> int:
        """All the lines that it has counted."""
        return sum(int(row["n"]) for row in self._seen)

    def agrees(self, commits: Commits) -> bool:
        """Whether it saw what the log of commits says was visible: all of it, and nothing else."""
        least, most = commits.ends(self.began), commits.ends(self.ended)
        ends = {row["source_id"]: row["upto"] for row in self._seen}
        lines = sum(
            piece.lines
            for piece in commits.pieces
            if piece.segment.end <= ends.get(piece.segment.source_id, 0)
        )
        return lines == self.lines and all(
            least.get(source_id, 0) <= ends.get(source_id, 0) <= end for source_id, end in most.items()
        )


def probe_now_and_then(store: Path, seconds: Sequence[float]) -> list[Probe]:
    """Look at a store so many seconds from now."""
    began = time.monotonic()
    probes = []
    for when in seconds:
        time.sleep(max(0.0, began + when - time.monotonic()))
        probes.append(Probe(store))
    return probes
