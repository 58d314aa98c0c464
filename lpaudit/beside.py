"""What a follower has done by other processes, of lower priority, so that no line waits for it."""

import os
import subprocess
import sys
from collections.abc import Callable

from lpaudit.errors import StoreError
from lpaudit.model import Lag, Observer

EVERY = 60.0
"""Seconds from one start of a command to the next, at least."""


class Starter:
    """Starts one of lpaudit's commands on a store, unless it is running already."""

    def __init__(self, command: str, root: str, observer: Observer) -> None:
        self._command = command
        self._arguments = [sys.executable, "-m", "lpaudit", command, "--quiet", "--store", root]
        self._observer = observer
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> bool:
        """Start it; say whether that was tried."""
        if self.process is not None and self.process.poll() is None:
            return False
        self.process = None
        try:
            process = subprocess.Popen(self._arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        except OSError as error:
            self._observer.retrying(StoreError(f"cannot start `lpaudit {self._command}`: {error}"), 0.0)
        else:
            self.process = process
        return True


class AfterCommits(Observer):
    """Has something done with new lines: soon after they were stored, and not more often than is useful."""

    def __init__(self, start: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._start = start
        self._clock = clock
        self._next = 0.0
        self._new = False

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """There is something to do."""
        del sources, rejected, size, seconds
        self._new = self._new or lines > 0

    def lagging(self, lag: Lag) -> None:
        """Do it when it is time."""
        del lag
        now = self._clock()
        if self._new and now >= self._next and self._start():
            self._new, self._next = False, now + EVERY
