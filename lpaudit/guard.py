"""A process that others cannot be hurt by: its parent watches its time and its memory, and ends it.

DuckDB hears of an interruption between pieces of its work: not while it plans a query, nor inside a function,
and what functions allocate is not in its memory limit. `select length(repeat('x', 4000000000))` is such a
query. So a command that runs SQL of others goes on in a child, and the parent does nothing but look on.

Where many questions are asked and each says its name (``asking``), one for which the child had to be ended
does not end the rest: the parent begins again with another child, in which that question is refused.
"""

import ctypes
import mmap
import os
import shutil
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from lpaudit.errors import QueryLimit

MEMORY = 4 << 30
"""Bytes that a watched process may have for itself: DuckDB's own limit, an answer, and what writes it."""

_GRACE = 2.0
"""Seconds after its time in which a query may still end by itself."""

_LOOK = 0.05
_WORDS = struct.Struct("dd")  # when the query must be over (monotonic; 0: never), and how long it may take
_NAME = struct.Struct("255p")  # what is asked, behind the words: a file's name is no longer
_SCRATCH = "lpaudit-"
_FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_FROM_KILL = 0  # si_code: what a terminal sends, it sends to both
_PR_SET_PDEATHSIG = 1

_told: list[mmap.mmap] = []
"""In a watched process: where its parent reads how long it may take."""

_left_out: dict[str, str] = {}
"""Questions for which a child had to be ended, and why."""


class Ended(Exception):
    """Raised in the parent when the child has ended by itself, with an exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def watch(memory: int = MEMORY, *, asked_alone: bool = False) -> None:
    """Go on in a child. Call it before there are threads.

    Its memory is limited; with ``asked_alone`` while it asks something that has a name.

    In the parent it does not return: it raises Ended when the child has ended, and QueryLimit when it had to
    be ended, or crashed, unless it is known what it was asked then: so often another child begins again.
    """
    while True:
        shared = mmap.mmap(-1, _WORDS.size + _NAME.size)
        try:
            _watch(shared, memory, asked_alone=asked_alone)
        except QueryLimit as limit:
            name = _asked(shared)
            if not name or name in _left_out:
                raise
            _left_out[name] = limit.message
        else:
            return


def _watch(shared: mmap.mmap, memory: int, *, asked_alone: bool) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(signal.SIGKILL + 128)  # the parent was ended before it could be asked for
        _told[:] = [shared]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    try:
        status, forwarded = _look_on(child, shared, memory, asked_alone=asked_alone)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if status >= 0:
        raise Ended(status)
    _clean(child)
    if forwarded in (signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), forwarded)
    if forwarded:
        _NAME.pack_into(shared, _WORDS.size, b"")  # it was not what was asked
    raise QueryLimit(
        f"the process that asked was ended ({signal.Signals(-status).name})",
        hint="simplify the query: it is too deep, or the machine has too little memory",
    )


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Tell the parent what is asked inside. Raises QueryLimit if an earlier child had to be ended for it."""
    if name in _left_out:
        raise QueryLimit(_left_out[name], hint="simplify it")
    if not _told:
        yield
        return
    _NAME.pack_into(_told[0], _WORDS.size, name.encode())
    try:
        yield
    finally:
        _NAME.pack_into(_told[0], _WORDS.size, b"")


def again() -> bool:
    """Tell if this is not the first child."""
    return bool(_left_out)


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory that is gone afterwards, also if the parent has to end this process."""
    with TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as folder:
        yield Path(folder)


@contextmanager
def limited(left: float | None, seconds: float | None) -> Iterator[None]:
    """Have the parent end this process if what is inside takes longer than what is ``left`` of ``seconds``.

    None is any time. It has a moment to end by itself.
    """
    if not _told or left is None or seconds is None:
        yield
        return
    _WORDS.pack_into(_told[0], 0, time.monotonic() + left + _GRACE, seconds)
    try:
        yield
    finally:
        _WORDS.pack_into(_told[0], 0, 0.0, 0.0)


def _asked(shared: mmap.mmap) -> str:
    name: bytes = _NAME.unpack_from(shared, _WORDS.size)[0]
    return name.decode("utf-8", "replace")


def _look_on(child: int, shared: mmap.mmap, memory: int, *, asked_alone: bool) -> tuple[int, int]:
    """Wait for a child, and end it if need be. Returns its exit status, and what it was sent meanwhile."""
    forwarded = 0
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), forwarded
        until, seconds = _WORDS.unpack_from(shared)
        if until and time.monotonic() > until:
            _end(child)
            raise took_longer(seconds)
        if _private_bytes(child) > memory and (_asked(shared) or not asked_alone):
            _end(child)
            raise QueryLimit(
                f"the query needs more memory than {memory >> 30} GiB",
                hint="aggregate, or narrow it with where and limit",
            )
        told = signal.sigtimedwait(_FORWARDED | {signal.SIGCHLD}, _LOOK)
        if told is not None and told.si_signo in _FORWARDED and told.si_code <= _FROM_KILL:
            forwarded = told.si_signo
            os.kill(child, forwarded)


def took_longer(seconds: float) -> QueryLimit:
    """Say that a query had its time."""
    return QueryLimit(
        f"the query took longer than {seconds:g} seconds",
        hint="aggregate before you join, or allow it more: --timeout, or for checks check_seconds",
    )


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    _clean(child)


def _clean(child: int) -> None:
    """Remove what a child has left behind that could not do so itself."""
    for path in Path(gettempdir()).glob(f"{_SCRATCH}{child}-*"):
        shutil.rmtree(path, ignore_errors=True)


def _private_bytes(child: int) -> int:
    """Return how much memory a process has for itself; 0 where nobody says."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{child}/statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
