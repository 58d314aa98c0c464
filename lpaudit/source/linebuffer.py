"""Bytes as they come → whole lines, for what is read while it is being written."""

from lpaudit.source.framing import LONGEST


class LineBuffer:
    """Bytes that were read and are not stored yet; what is taken stays until it is dropped.

    ``whole`` is the length of the part that ends with a line end. Lines are cut exactly
    where ``Framing`` cuts them, so that it makes no difference how a log was read.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self.whole = 0

    def __len__(self) -> int:
        return len(self._data)

    def add(self, chunk: bytes) -> None:
        """Append what was read."""
        last = chunk.rfind(b"\n") + 1
        if last:
            self.whole = len(self._data) + last
        self._data += chunk

    @property
    def ready(self) -> bool:
        """Whether there is something to take."""
        return self.whole > 0 or len(self._data) > LONGEST

    def take(self, limit: int, *, final: bool = False) -> bytes:
        """Return about ``limit`` bytes of whole lines from the front, at least one line if there is one.

        With ``final`` there is no more to come: a last line without its end counts as whole.
        """
        whole = len(self._data) if final else self.whole
        if len(self._data) > LONGEST and self._data.find(b"\n", 0, LONGEST) < 0:
            return bytes(self._data[:LONGEST])
        if whole <= limit:
            return bytes(self._data[:whole])
        end = self._data.rfind(b"\n", 0, limit) + 1 or self._data.find(b"\n", limit) + 1 or whole
        return bytes(self._data[:end])

    def drop(self, count: int) -> None:
        """Forget ``count`` bytes at the front: they are stored."""
        del self._data[:count]
        self.whole = max(0, self.whole - count)

    def clear(self) -> None:
        """Forget everything."""
        self._data.clear()
        self.whole = 0
