"""One observer that is many."""

import threading
from collections.abc import Callable

from lpaudit.errors import LpauditError
from lpaudit.model import Gap, Lag, Observer, Segment, SourceEvent, SourceResult


class Observers(Observer):
    """Tells every one of its observers, in their order, and one thing after the other.

    A follower tells of compressed logs from another thread: no observer has to know of that.
    """

    def __init__(self, observers: tuple[Observer, ...]) -> None:
        self._observers = observers
        self._lock = threading.Lock()

    def source_opened(self, source: str, size: int | None) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.source_opened(source, size))

    def bytes_read(self, source: str, position: int) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.bytes_read(source, position))

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.segment_committed(source, segment, lines, rejected))

    def source_finished(self, result: SourceResult) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.source_finished(result))

    def following(self, files: int) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.following(files))

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.committed(sources, lines, rejected, size, seconds))

    def lagging(self, lag: Lag) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.lagging(lag))

    def source_changed(self, event: SourceEvent) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.source_changed(event))

    def gap_found(self, gap: Gap) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.gap_found(gap))

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.retrying(error, seconds))

    def alarm(self, error: LpauditError) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.alarm(error))

    def stopping(self) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.stopping())

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        with self._lock:
            for observer in self._observers:
                tell(observer)
