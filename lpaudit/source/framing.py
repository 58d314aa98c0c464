"""Bytes → pieces of whole lines.

A line is cut only when it is longer than ``LONGEST``: then memory matters more than the
line, and each piece of it is a row of its own in quarantine.
"""

from collections.abc import Iterator

from lpaudit.source.reader import Reader

LONGEST = 1 << 27  # 128 MiB


class Framing:
    """Cuts what a reader gives into pieces of whole lines.

    ``held_back`` is, after the last piece, the length of a last line that has no end yet
    and was therefore left for the next time. With ``final`` there is no next time, and it
    is part of the last piece.
    """

    def __init__(self, reader: Reader, size: int, *, final: bool) -> None:
        self._reader = reader
        self._size = size
        self._final = final
        self.held_back = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces of about ``size`` bytes, each of one whole line or more."""
        rest: list[bytes] = []
        rest_size = 0
        while data := self._reader.read(self._size):
            cut = data.rfind(b"\n") + 1
            if cut:
                yield b"".join([*rest, data[:cut]])
                rest, rest_size = [data[cut:]], len(data) - cut
            else:
                rest.append(data)
                rest_size += len(data)
                while rest_size >= LONGEST:
                    whole = b"".join(rest)
                    yield whole[:LONGEST]
                    rest, rest_size = [whole[LONGEST:]], rest_size - LONGEST
        if rest_size and self._final and self._reader.damage is None:
            yield b"".join(rest)
        else:
            self.held_back = rest_size


def blocks(piece: bytes, size: int) -> Iterator[bytes]:
    """Cut a piece into blocks of about ``size`` bytes at line ends."""
    start = 0
    while start < len(piece):
        if len(piece) - start <= size:
            end = len(piece)
        else:
            end = piece.rfind(b"\n", start, start + size) + 1
            if not end:
                end = piece.find(b"\n", start + size) + 1 or len(piece)
        yield piece[start:end]
        start = end
