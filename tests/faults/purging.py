"""A purge that is killed at its nth step in the store: run as `python -m tests.faults.purging DIR FIRST STRIDE`.

Each step is a child of its own, forked before any library has started threads. A second child looks
at what is left, has the purge finished, and looks again. Ends when a purge comes to its end before its step.
"""

import os
import shutil
import signal
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from lpaudit import ingest, keys, pipeline, retention, signing
from lpaudit.model import Observer
from lpaudit.store import open_store, packing
from lpaudit.verification import Asked, verify
from tests.faults.crashing import child, die_at
from tests.follower import append, line

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OLD, NEW = datetime(2025, 3, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
LINES = 12


def unique() -> str:
    return uuid.uuid4().hex


def read(folder: Path) -> None:
    """Ingest the log."""
    options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
    log = str(folder / "access.log")
    done = ingest.ingest(str(folder / "store"), [log], options, Observer(), now=lambda: NOW, unique=unique)
    assert not done.errors


def build(folder: Path) -> None:
    """Make a store with a pack and a merged file, in which old lines and new ones stand side by side."""
    root = str(folder / "store")
    keys.init(root, folder / "key.pem", "gw1", now=NOW, unique=unique())
    packing.LEAST = 4
    for number in range(LINES - 2):
        append(folder / "access.log", line(f"{number}", NEW if number % 4 == 0 else OLD))
        read(folder)
    signing.sign(open_store(root), keys.signer(open_store(root), folder / "key.pem"), unique=unique)
    pipeline.compact(root, keep_replaced=24, unique=unique)
    for number in range(LINES - 2, LINES):
        append(folder / "access.log", line(f"{number}", OLD))
        read(folder)


def purge(folder: Path) -> retention.Done:
    """Purge the old lines."""
    root = str(folder / "store")
    rule = retention.Rule("1y", datetime(2026, 1, 1, tzinfo=UTC), tuple(retention.chosen([])))
    signer = keys.signer(open_store(root), folder / "key.pem")
    means = retention.Means(signer, (), {"HOME": str(folder)}, lambda: NOW, unique)
    return retention.purge(root, rule, retention.Said("ops", None, None, "gw1", "tests"), means)


def findings(folder: Path) -> list[str]:
    """Verify the store."""
    root = str(folder / "store")
    public = keys.signer(open_store(root), folder / "key.pem").public
    return [
        f"{found.what} {found.where}: {found.text}" for found in verify(root, Asked((public,), None)).findings
    ]


def proof(folder: Path) -> None:
    """See that nothing is wrong with what is left, finish it, and see that only old lines are gone."""
    root = str(folder / "store")
    assert pipeline.status(root).total("lines") == LINES
    assert not (found := findings(folder)), found
    read(folder)
    purge(folder)
    read(folder)
    assert not (found := findings(folder)), found
    status = pipeline.status(root)
    kept = len(range(0, LINES - 2, 4))
    assert [status.total(name) for name in ("lines", "access", "purged")] == [LINES, kept, LINES - kept]
    assert status.missing_segments == []
    with pipeline.opened(root) as (connection, _):
        [purged] = connection.select("select count(*) n, count(done_at) done from purge").to_pylist()
    assert purged == {"n": 1, "done": 1}
    names = [path.name for path in (folder / "store" / "purges").iterdir()]
    assert len(names) == 1, names


def main() -> None:
    top, step, stride = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    base = top / "base"
    base.mkdir()
    if child(lambda: build(base)):
        sys.exit("the store cannot be built")
    killed = 0
    while True:
        folder = top / str(step)
        shutil.copytree(base, folder)

        def run(folder: Path = folder, step: int = step) -> None:
            die_at(step, folder / "store")
            purge(folder)

        status = child(run)
        if status not in (0, -signal.SIGKILL):
            sys.exit(f"step {step}: the purge ended with {status}")
        if child(lambda folder=folder: proof(folder)):
            sys.exit(f"after it was killed at step {step}, the store is not what it should be")
        shutil.rmtree(folder)
        if status == 0:
            break
        killed += 1
        step += stride
    print(killed)


if __name__ == "__main__":
    os.environ["HOME"] = sys.argv[1]
    main()
