"""Bytes → pieces of whole lines.

A line is cut only when it is longer than ``LONGEST``: then memory matters more than the
line, and each piece of it is a row of its own in quarantine. The cuts are counted from the
line's start, so they do not depend on how much a read happens to bring.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lpaudit.source.reader import Reader

LONGEST = 1 << 27  # 128 MiB

_AHEAD = 2
"""Pieces that are made ready while another one is stored: what is done to each is done in turn."""

_T = TypeVar("_T")


class Framing:
    """Cuts what a reader gives into pieces of whole lines.

    ``held_back`` is, after the last piece, the length of a last line that has no end yet
    and was therefore left for the next time. With ``final`` there is no next time, and it
    is part of the last piece. With ``patience`` a pipe's lines wait for more only so many
    seconds.
    """

    def __init__(self, reader: Reader, size: int, *, final: bool, patience: float | None = None) -> None:
        self._reader = reader
        self._size = min(size, LONGEST)  # so that only a line that spans reads can be too long
        self._final = final
        self._patience = patience
        self.held_back = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        return self.pieces()

    def pieces(self) -> Generator[bytes]:
        """Yield pieces of about ``size`` bytes, each of one whole line or more."""
        begun = bytearray()  # a line whose end has not been read yet
        while data := self._reader.read(self._reader.whole_lines(self._size), self._patience):
            if not begun and data.endswith(b"\n"):
                yield data
                continue
            first = data.find(b"\n") + 1
            begun += data[:first] if first else data
            while len(begun) > LONGEST:
                yield bytes(begun[:LONGEST])
                del begun[:LONGEST]
            if first:
                last = data.rfind(b"\n") + 1
                piece = b"".join((begun, memoryview(data)[first:last]))  # which copies once
                begun = bytearray(data[last:])
                del data  # while the piece is worked on, one copy of it is enough
                yield piece
        if begun and self._final and self._reader.damage is None:
            yield bytes(begun)
        else:
            self.held_back = len(begun)


def ahead(pieces: Iterable[_T]) -> Generator[_T]:
    """Yield each piece while the next two are being made. Close it before the reader is used otherwise."""
    rest = iter(pieces)
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, rest, None) for _ in range(_AHEAD))
        try:
            while (piece := coming.popleft().result()) is not None:
                coming.append(pool.submit(next, rest, None))
                yield piece
                del piece  # while the next one is waited for
        finally:
            for unwanted in coming:
                unwanted.cancel()


def blocks(piece: bytes, size: int) -> Iterator[bytes]:
    """Cut a piece at line ends into blocks of about ``size`` bytes, none much smaller than the others."""
    start, count = 0, max(1, round(len(piece) / size))
    for number in range(1, count + 1):
        cut = len(piece) * number // count
        if cut > start:  # else a long line has taken it in already
            end = piece.find(b"\n", cut - 1) + 1 or len(piece)
            yield piece[start:end]
            start = end
