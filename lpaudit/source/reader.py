"""Inputs → decompressed bytes, in order, with what is wrong at their end.

A file's compression is told by its first bytes, not by its name. Damage (a truncated
gzip, say) does not raise in the middle: everything before it is handed out first, and
``Reader.damage`` then says what is wrong.
"""

import bz2
import gzip
import io
import lzma
import os
import select
import shutil
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from lpaudit.errors import SourceError
from lpaudit.source.discover import Input, unreadable
from lpaudit.source.opening import open_input

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LISTEN = 0.2  # seconds after which a pipe that is waited for is asked whether to stop
_SMALL = 1 << 22  # bytes of a pipe that are kept in memory
_STEP = 1 << 18  # bytes a read of a decompressor asks for
_PEEK = 10
_NEAR = 1 << 16  # bytes at the end of a piece that are looked at for a line's end

# Of bz2 more than "BZh" is asked for: a log line might begin with three letters. What
# follows is the magic of a block, or of the end where there is none.
_COMPRESSIONS: tuple[tuple[str, Callable[[bytes], bool], Callable[[BinaryIO], object]], ...] = (
    ("gzip", lambda head: head.startswith(b"\x1f\x8b"), gzip.open),
    ("zstd", lambda head: head.startswith(b"\x28\xb5\x2f\xfd"), zstd.open),
    ("xz", lambda head: head.startswith(b"\xfd7zXZ\x00"), lzma.open),
    ("bzip2", lambda head: head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"), bz2.open),
)
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError)


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with an input. ``truncated``: it ends early, but what was read is right."""

    reason: str
    truncated: bool


class _Read1(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class Reader:
    """The decompressed bytes of one input, forward only unless ``seekable``."""

    def __init__(
        self, source: Input, raw: BinaryIO, *, rewindable: bool, stopping: Callable[[], bool] = _never
    ) -> None:
        self.source = source
        self.damage: Damage | None = None
        pipe = None if rewindable else _Pipe(raw, stopping)
        self._pipe = pipe
        self._raw = cast("BinaryIO", pipe or raw)
        self._rewindable = rewindable
        # A log that is being written grows while it is read: what comes now is for the next time.
        self.end = _size(raw) if rewindable else sys.maxsize
        self._kept = ExitStack()
        self._kept.callback(raw.close)
        self._spool: BinaryIO | None = None
        head = pipe.head if pipe else cast("io.BufferedReader", raw).peek(_PEEK)[:_PEEK]
        fitting = next(((name, opener) for name, fits, opener in _COMPRESSIONS if fits(head)), None)
        self.compression = fitting[0] if fitting else None
        self._decompress = fitting[1] if fitting else None
        if pipe and fitting:
            # What is compressed is read twice, to know that it is whole before it is stored.
            self._raw = self._copy(pipe)
            self._rewindable = True
            self.end = _size(self._raw)
        self._stream = self._decompressed()
        self._pushed = b""

    def _copy(self, pipe: "_Pipe") -> BinaryIO:
        copy = self._temporary()
        try:
            shutil.copyfileobj(pipe, copy)
        except OSError as error:
            raise _no_room(error) from error
        copy.seek(0)
        return copy

    def _temporary(self) -> BinaryIO:
        # In memory while it is small: what an error log's pipe brings is not redacted yet.
        file = tempfile.SpooledTemporaryFile(_SMALL)  # noqa: SIM115 -- lives as long as the reader
        return self._kept.enter_context(cast("BinaryIO", file))

    def _decompressed(self) -> BinaryIO:
        return cast("BinaryIO", self._decompress(self._raw)) if self._decompress else self._raw

    @property
    def seekable(self) -> bool:
        """Whether ``seek`` costs nothing: a plain file."""
        return self._rewindable and self.compression is None

    @property
    def restartable(self) -> bool:
        """Whether ``restart`` is possible now."""
        return self._rewindable or self._spool is not None

    @property
    def final(self) -> bool:
        """Whether the end that is read is the end there will be: a compressed file's."""
        return self.compression is not None

    @property
    def position(self) -> int | None:
        """Bytes read of the input on disk; None for a pipe."""
        return self._raw.tell() if self._rewindable else None

    def size(self) -> int | None:
        """Bytes of the input on disk; None for a pipe."""
        return self.end if self._rewindable else None

    def seek(self, offset: int) -> None:
        """Go to ``offset``; only where ``seekable``."""
        self._pushed = b""
        self._stream.seek(offset)

    def check(self) -> None:
        """Read what is compressed to its end, to learn of damage before anything is used of it.

        Restart afterwards.
        """
        while self.compression is not None and self.read(_STEP):
            pass

    def skip(self, count: int) -> None:
        """Read past ``count`` bytes."""
        while count > 0 and (data := self.read(min(count, _STEP))):
            count -= len(data)

    def restart(self) -> None:
        """Go back to the first byte."""
        damage, self.damage = self.damage, None
        self._pushed = b""
        if self._rewindable:
            self._raw.seek(0)
            self._stream = self._decompressed()
        else:
            spool, self._spool = self._spool, None
            if spool is None:  # keep_for_restart was not called: a mistake of ours
                raise AssertionError("a pipe cannot be read twice")
            spool.seek(0)
            self._stream = cast("BinaryIO", _Chain(spool, self._stream, damage))

    def keep_for_restart(self) -> None:
        """Keep what is read from here on (on disk), so that ``restart`` works on a pipe, too."""
        if not self.restartable:
            self._spool = self._temporary()
            self._spool.write(self._pushed)

    def forget(self) -> None:
        """Keep nothing more: a pipe cannot be restarted from here on."""
        if self._spool is not None:
            self._spool.close()
        self._spool = None

    def push_back(self, data: bytes) -> None:
        """Hand ``data`` out again before anything else."""
        self._pushed = data + self._pushed

    def whole_lines(self, size: int) -> int:
        """Return how many of the next ``size`` bytes are whole lines; ``size`` where that costs more to know.

        What is read up to a line's end need not be cut there, which would copy it.
        """
        if not self.seekable:
            return size
        at = self._stream.tell()
        begin = at - len(self._pushed)  # which is in the file, too
        end = max(begin, min(begin + size, self.end))
        near = max(begin, end - _NEAR)
        try:
            self._stream.seek(near)
            found = self._stream.read(end - near).rfind(b"\n") + 1
        except OSError:
            found = 0  # whoever reads that far is told of it
        self._stream.seek(at)
        return near + found - begin if found else size

    def read(self, size: int, patience: float | None = None) -> bytes:
        """Return ``size`` bytes; fewer only at the end, or before damage.

        With ``patience`` also fewer, but not none, where a pipe has brought some and no more
        within so many seconds.
        """
        pieces = [self._pushed[:size]] if self._pushed else []
        self._pushed = self._pushed[size:]
        missing = size - sum(map(len, pieces))
        until = None if patience is None or not pieces else time.monotonic() + patience
        step = size if self.seekable else _STEP  # a file's bytes are copied once
        if self.seekable:
            missing = min(missing, max(0, self.end - self._stream.tell()))
        while missing > 0 and self.damage is None:
            if until is not None and self._pipe and not self._pipe.wait(until - time.monotonic()):
                break
            try:
                piece = cast("_Read1", self._stream).read1(min(missing, step))
            except _DamagedError as error:
                self.damage = error.damage
                break
            except _DAMAGE as error:
                self.damage = _describe(error)
                break
            if not piece:
                break
            if self._spool is not None:
                try:
                    self._spool.write(piece)
                except OSError as error:
                    raise _no_room(error) from error
            pieces.append(piece)
            missing -= len(piece)
            if until is None and patience is not None:
                until = time.monotonic() + patience
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the input."""
        self._kept.close()


class _DamagedError(Exception):
    """What was wrong at the end of what was spooled is wrong again."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.reason)
        self.damage = damage


class _Chain:
    """What was spooled, then what is still to come."""

    def __init__(self, first: BinaryIO, rest: BinaryIO, damage: Damage | None) -> None:
        self._first = first
        self._rest = rest
        self._damage = damage

    def read1(self, size: int) -> bytes:
        piece = self._first.read(size)
        if piece:
            return piece
        if self._damage is not None:  # a decompressor that has failed must not be asked again
            raise _DamagedError(self._damage)
        return cast("_Read1", self._rest).read1(size)


class _Pipe:
    """A pipe of which the first bytes were looked at: a writer may send them one by one.

    It also ends when ``stopping`` says so: whoever writes to it may outlive the reader.
    """

    def __init__(self, raw: BinaryIO, stopping: Callable[[], bool]) -> None:
        self._raw = raw
        self._stopping = stopping
        try:
            self._descriptor: int | None = raw.fileno()
        except OSError:
            self._descriptor = None  # no pipe of the system's: nothing to wait for
        self._unread = b""
        head = bytearray()
        while len(head) < _PEEK and (piece := self.read1(_PEEK - len(head))):
            head += piece
        self.head = self._unread = bytes(head)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read, or the end, for at most so long; say whether there is."""
        if self._unread or self._descriptor is None:
            return True
        until = time.monotonic() + seconds
        poll = select.poll()  # select() knows no descriptor beyond the 1024th
        poll.register(self._descriptor, select.POLLIN)
        while True:
            left = max(0.0, min(_LISTEN, until - time.monotonic()))
            if self._stopping() or poll.poll(1000 * left):
                return True
            if time.monotonic() >= until:
                return False

    def read(self, size: int = -1) -> bytes:
        if self._unread:
            return self._unread_part(size)
        return self.read1(1 << 20 if size < 0 else size)

    def read1(self, size: int = -1) -> bytes:
        if self._unread:
            return self._unread_part(size)
        if self._descriptor is None:
            return cast("_Read1", self._raw).read1(size)
        while not self.wait(_LISTEN):
            pass
        # Not through Python's buffer, which could hold what select() then does not see.
        return b"" if self._stopping() else os.read(self._descriptor, size if size >= 0 else 1 << 20)

    def _unread_part(self, size: int) -> bytes:
        size = len(self._unread) if size < 0 else size
        piece, self._unread = self._unread[:size], self._unread[size:]
        return piece

    def close(self) -> None:
        self._raw.close()


def open_reader(source: Input, stopping: Callable[[], bool] = _never) -> Reader:
    """Open an input. Raises SourceError if it cannot be opened.

    A pipe ends when ``stopping`` says so.
    """
    if source.path is None:
        if sys.stdin is None:
            raise SourceError("cannot read stdin: it is closed", hint="pipe a log into it, or name a file")
        # `lpaudit ingest - < access.log`: the file itself, which may be growing.
        raw = sys.stdin.buffer
        whole = stat.S_ISREG(os.fstat(raw.fileno()).st_mode) and raw.tell() == 0
        return Reader(source, raw, rewindable=whole, stopping=stopping)
    descriptor = open_input(source, wait=True)
    try:
        rewindable = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return Reader(source, os.fdopen(descriptor, "rb"), rewindable=rewindable, stopping=stopping)
    except OSError as error:
        raise unreadable(source.path, error) from error


def is_compressed(head: bytes) -> bool:
    """Say whether the first bytes of a file (ten are enough) are those of a compression that is read."""
    return any(fits(head) for _, fits, _ in _COMPRESSIONS)


def _no_room(error: OSError) -> SourceError:
    return SourceError(
        f"cannot keep what a pipe brings: {(error.strerror or str(error)).lower()}",
        hint="set TMPDIR to a directory with more room, or ingest a file",
    )


def _size(raw: BinaryIO) -> int:
    here = raw.tell()
    end = raw.seek(0, io.SEEK_END)
    raw.seek(here)
    return end


def _describe(error: BaseException) -> Damage:
    if isinstance(error, EOFError):
        return Damage("the compressed data ends early", truncated=True)
    if isinstance(error, OSError) and error.strerror:
        return Damage(error.strerror.lower(), truncated=True)
    return Damage(f"the compressed data is damaged ({error})", truncated=False)
