"""`lpaudit ingest --follow` as a process: signals, who watches it, its exit status."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FrameType

from lpaudit.errors import Exit, StoreError
from lpaudit.follow import Follower, Surroundings
from lpaudit.ingest import IngestOptions
from lpaudit.model import NullObserver, Observer


def follow(
    root: str,
    paths: Sequence[str],
    options: IngestOptions,
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
    compact: bool,
) -> int:
    """Follow until SIGTERM, SIGINT or the end of every pipe; return the exit status.

    The first signal finishes the batch; the second ends the process at once.
    """
    observer = NullObserver()
    stopped = threading.Event()
    around = Surroundings(
        now=now,
        unique=unique,
        sleep=stopped.wait,
        compact=_compaction(root, observer) if compact else _nothing,
    )
    follower = Follower(root, paths, options, observer, around)
    interrupted: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        interrupted.append(number)
        follower.stop()
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # rotation is seen, not told
    stored = follower.run()
    status = Exit.INTERRUPTED if signal.SIGINT in interrupted else Exit.OK
    if follower.archives.busy:
        # A thread that reads an archive cannot be asked to stop at once; what it has committed stays.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if stored else Exit.FAILED)
    return status if stored else Exit.FAILED


def _nothing() -> None:
    """Compact nothing."""


def _compaction(root: str, observer: Observer) -> Callable[[], None]:
    """Return what starts a compaction in a process of its own, unless one is running."""
    running: list[subprocess.Popen[bytes]] = []
    command = [sys.executable, "-m", "lpaudit", "compact", "--quiet", "--store", root]

    def start() -> None:
        if running and running[0].poll() is None:
            return
        running.clear()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        except OSError as error:
            observer.retrying(StoreError(f"cannot start a compaction: {error}"), 0.0)
        else:
            running.append(process)

    return start
