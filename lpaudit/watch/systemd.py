"""systemd is told when a follower is ready, alive and stopping: sd_notify(3).

Of the packages that do this, those over libsystemd need a compiler or a C library,
sdnotify is unkept since 2017, and systemd-watchdog knows no STOPPING=1 and lets a socket
that is gone stop the program. The protocol is one datagram.
"""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from lpaudit.console import counted
from lpaudit.errors import LpauditError
from lpaudit.model import Lag, Observer, Segment
from lpaudit.visible import visible

_STATUS_EVERY = 10.0  # seconds, if no watchdog says how often
_LONGEST = 200  # characters of a status


def notifier(environ: Mapping[str, str]) -> Callable[[str], None] | None:
    """Return what sends a notification to the service manager; None if there is none.

    A notification that cannot be sent is lost: following goes on.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    target = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)

    def notify(state: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.settimeout(1)
            connection.sendto(state.encode("utf-8", "backslashreplace"), target)

    return notify


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """Return after how many seconds of silence the service manager gives up; None if it does not."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None  # meant for our parent
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None


class SystemdObserver(Observer):
    """Notifies the service manager.

    The watchdog hears of a follower that looks at its logs, or waits for a store that
    cannot be written: killing that one would heal nothing.
    """

    def __init__(
        self, notify: Callable[[str], None], watchdog: float | None, clock: Callable[[], float]
    ) -> None:
        self._notify = notify
        self._alive = ("WATCHDOG=1",) if watchdog else ()
        self._every = watchdog / 2 if watchdog else _STATUS_EVERY
        self._clock = clock
        self._next = clock()
        self._lines = 0

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Say how far the first reading is."""
        del rejected
        self._lines += lines
        self._now_and_then(f"{self._stored()}; reading {source}, byte {segment.end}")

    def following(self, files: int) -> None:
        """Be ready."""
        self._tell("READY=1", *self._alive, status=f"following {counted(files, 'file')}; {self._stored()}")

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """Count."""
        del sources, rejected, size, seconds
        self._lines += lines

    def lagging(self, lag: Lag) -> None:
        """Be alive."""
        behind = f"{counted(lag.bytes, 'byte')}, {lag.seconds:.1f} s behind" if lag.bytes else "not behind"
        self._now_and_then(f"following {counted(lag.files, 'file')}; {self._stored()}; {behind}")

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Say what is wrong; waiting is being alive."""
        self._tell(*self._alive, status=f"trying again in {seconds:.0f} s: {error.message}")

    def stopping(self) -> None:
        """Stop."""
        self._tell("STOPPING=1", status="stopping")

    def _stored(self) -> str:
        return f"{counted(self._lines, 'line')} stored"

    def _now_and_then(self, status: str) -> None:
        if self._clock() >= self._next:
            self._tell(*self._alive, status=status)

    def _tell(self, *states: str, status: str) -> None:
        self._next = self._clock() + self._every
        self._notify("\n".join((*states, f"STATUS={visible(status)[:_LONGEST]}")))
