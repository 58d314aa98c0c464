"""One file that is being written to: held open whatever becomes of its name, and read as it grows.

It is polled. A notification can be lost (a queue overflows, a network file system sends
none); a size cannot, and to ask for it costs a microsecond.
"""

import os
import select
import stat
from enum import Enum, auto
from pathlib import Path

from lpaudit.errors import SourceError
from lpaudit.source.discover import Input, shown, unreadable
from lpaudit.source.linebuffer import LineBuffer
from lpaudit.source.opening import open_input
from lpaudit.source.reader import Reader

_HEAD = 1 << 10
_MARK = 4 << 10
_CHUNK = 8 << 20

FileId = tuple[int, int]
"""Device and inode: which file a name leads to, as long as the file is held open."""


class Look(Enum):
    """What a look at a file found."""

    SAME = auto()
    GREW = auto()
    CUT = auto()
    """What was read of it is no longer there: it was truncated, or written anew."""
    ENDED = auto()
    """Nothing will ever come: the end of a pipe."""


class Tail:
    """A plain file at the position up to which it has been read.

    ``buffer`` holds what was read and is not stored; ``position`` is its end in the file.
    ``size`` and ``modified`` (nanoseconds) are what was seen last.
    """

    def __init__(self, found: Input, descriptor: int) -> None:
        self.found = found
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self.file: FileId = (status.st_dev, status.st_ino)
        self.size = status.st_size
        self.modified = status.st_mtime_ns
        self.links = status.st_nlink
        self.position = 0
        self.buffer = LineBuffer()
        self._head = b""  # what must still be at the start,
        self._mark = b""  # and just before the position, for it to be the same log
        self._looked: tuple[int, int] | None = None

    @property
    def stored(self) -> int:
        """Offset up to which it is stored."""
        return self.position - len(self.buffer)

    def head(self) -> bytes:
        """Return the first bytes: enough to tell a compression. Raises SourceError."""
        return self._at(0, 16)

    def refresh(self) -> None:
        """See how long it is now."""
        status = os.fstat(self._descriptor)
        self.size, self.modified, self.links = status.st_size, status.st_mtime_ns, status.st_nlink

    def unchanged(self) -> bool:
        """Tell if all of it was read when it was looked at last, and nothing has come since."""
        status = os.fstat(self._descriptor)
        return (status.st_size, status.st_mtime_ns) == self._looked and status.st_size == self.position

    def reader(self) -> Reader:
        """Return a reader of the whole file, whatever it is called now."""
        raw = os.fdopen(os.dup(self._descriptor), "rb")
        raw.seek(0)
        return Reader(self.found, raw, rewindable=True)

    def again(self) -> "Tail":
        """Return the same file from its first byte."""
        return Tail(self.found, os.dup(self._descriptor))

    def start_at(self, offset: int, line: bytes = b"") -> None:
        """Go on from ``offset``: what comes before it is stored. Raises SourceError.

        ``line`` is the first line that it was recognised by: had it been cut since, it shows.
        """
        self.buffer.clear()
        self.position = offset
        self._head = line[:_HEAD]
        self._mark = self._at(max(0, offset - _MARK), min(_MARK, offset))
        self._looked = None

    def wait_at(self, offset: int) -> None:
        """Read nothing for the time being: everything up to ``offset`` is stored."""
        self.buffer.clear()
        self.position = offset

    def look(self, room: int) -> Look:
        """Look whether it has changed, and read at most ``room`` new bytes. Raises SourceError."""
        status = os.fstat(self._descriptor)
        self.links = status.st_nlink
        seen = (status.st_size, status.st_mtime_ns)
        if seen == self._looked and status.st_size == self.position:
            return Look.SAME
        if status.st_size < self.position:
            return Look.CUT
        chunk = self._at(self.position, min(room, _CHUNK, status.st_size - self.position))
        # Only now: had it been cut before or while it was read, this shows it.
        if not self._is_the_same(self.position + len(chunk)):
            return Look.CUT
        self.size, self.modified = self._looked = seen  # of what is there now, not of what was cut
        if not chunk:
            return Look.SAME
        self.buffer.add(chunk)
        self.position += len(chunk)
        if len(self._head) < _HEAD:
            self._head = self._at(0, min(_HEAD, self.position))
        self._mark = (self._mark + chunk)[-_MARK:]
        return Look.GREW

    def _is_the_same(self, least: int) -> bool:
        start = self.position - len(self._mark)
        return (
            os.fstat(self._descriptor).st_size >= least
            and self._at(0, len(self._head)) == self._head
            and self._at(start, len(self._mark)) == self._mark
        )

    def _at(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._descriptor, count, offset) if count else b""
        except OSError as error:
            raise unreadable(Path(self.found.label), error) from error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class Stream(Tail):
    """A pipe or FIFO: what is read of it cannot be read again, and it is never cut."""

    def head(self) -> bytes:
        """Return nothing: to look at it would be to take it."""
        return b""

    def look(self, room: int) -> Look:
        """Read at most ``room`` bytes of what is there. A FIFO without writers is only quiet."""
        before = self.position
        poll = select.poll()  # select() knows no descriptor beyond the 1024th
        poll.register(self._descriptor, select.POLLIN)
        while room > 0 and poll.poll(0):
            try:
                chunk = os.read(self._descriptor, min(room, 1 << 16))
            except BlockingIOError:
                break  # somebody else has read it
            if not chunk:
                if self.found.path is None and self.position == before:
                    return Look.ENDED
                break
            self.buffer.add(chunk)
            self.position += len(chunk)
            room -= len(chunk)
        self.size = self.position
        return Look.GREW if self.position > before else Look.SAME

    def start_at(self, offset: int, line: bytes = b"") -> None:
        """A stream begins where it is."""


def open_tail(found: Input) -> Tail:
    """Open a file, FIFO or standard input to follow it. Raises SourceError if it is nothing of that."""
    descriptor = open_input(found, wait=False)
    mode = os.fstat(descriptor).st_mode
    if found.path is None or stat.S_ISFIFO(mode):
        return Stream(found, descriptor)
    if stat.S_ISREG(mode):
        return Tail(found, descriptor)
    os.close(descriptor)
    raise SourceError(
        f"{shown(found.path)} is not a file any more", hint="it is followed again when it is one"
    )
