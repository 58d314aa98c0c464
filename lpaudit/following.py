"""`lpaudit ingest --follow` as a process: signals, who watches it, its exit status."""

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from queue import Empty, SimpleQueue
from types import FrameType

from lpaudit.beside import AfterCommits, Starter
from lpaudit.errors import Exit, SourceError
from lpaudit.follow import Follower
from lpaudit.followed import Surroundings
from lpaudit.ingest import IngestOptions
from lpaudit.watch.observers import Observers
from lpaudit.watch.options import WatchOptions
from lpaudit.watch.watchers import watchers


def follow(
    root: str,
    paths: Sequence[str],
    options: IngestOptions,
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
    compact: bool,
    beside: Sequence[str],
    watch: WatchOptions,
) -> int:
    """Follow until SIGTERM, SIGINT or the end of every pipe; return the exit status.

    ``beside`` are commands that are to be run on the store now and then, when lines have come.
    The first signal finishes the batch; the second ends the process at once.
    """
    if "-" in paths:
        _check_stdin()
    sleep, wake = interruptible()
    with watchers(watch, os.environ, sys.stderr, now=now, clock=time.monotonic) as told:
        if compact:
            options = replace(options, compact=Starter("compact", root, told))
        starters = [Starter(command, root, told) for command in beside]
        observer = Observers((told, *(AfterCommits(starter, time.monotonic) for starter in starters)))
        around = Surroundings(now=now, unique=unique, sleep=sleep)
        follower = Follower(root, paths, options, observer, around)

        def stop() -> None:
            follower.stop()
            wake()

        interrupted = on_signal(stop, signal.SIGTERM, signal.SIGINT)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # rotation is seen, not told
        stored = follower.run()
    status = Exit.INTERRUPTED if signal.SIGINT in interrupted else Exit.OK
    if follower.archives.busy:
        # A thread that reads an archive cannot be asked to stop at once; what it has committed stays.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if stored else Exit.FAILED)
    return status if stored else Exit.FAILED


def _check_stdin() -> None:
    """Raise SourceError if standard input cannot be followed: the lines of a file would be new each time."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        raise SourceError(
            "cannot read stdin: it is closed", hint="pipe a log into it, or name a file"
        ) from None
    if stat.S_ISREG(mode):
        raise SourceError("cannot follow stdin: it is a file", hint="name the file, or leave out --follow")


def interruptible() -> tuple[Callable[[float], None], Callable[[], None]]:
    """Return what sleeps for some seconds, and what ends that sleep and all later ones from a signal handler.

    An Event would not do: its ``wait`` holds a lock for a moment, and a handler that comes just then waits
    for that lock in ``set``, for ever. A SimpleQueue's ``put`` may interrupt its ``get`` in the same thread.
    """
    asked = SimpleQueue[None]()

    def sleep(seconds: float) -> None:
        with suppress(Empty):
            asked.put(asked.get(timeout=seconds))

    return sleep, lambda: asked.put(None)


def on_signal(stop: Callable[[], object], *numbers: signal.Signals) -> list[int]:
    """Call ``stop`` when one of the signals comes; a second one ends the process at once.

    Returns the list that those that came are put into.
    """
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        came.append(number)
        stop()

    for number in numbers:
        signal.signal(number, handle)
    return came
