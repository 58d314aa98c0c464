"""One observer that is many."""

from lpaudit.errors import LpauditError
from lpaudit.model import Gap, Lag, Observer, Segment, SourceEvent, SourceResult


class Observers:
    """Tells every one of its observers, in their order."""

    def __init__(self, observers: tuple[Observer, ...]) -> None:
        self._observers = observers

    def source_opened(self, source: str, size: int | None) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.source_opened(source, size)

    def bytes_read(self, source: str, position: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.bytes_read(source, position)

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.segment_committed(source, segment, lines, rejected)

    def source_finished(self, result: SourceResult) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.source_finished(result)

    def following(self, files: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.following(files)

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.committed(sources, lines, rejected, size, seconds)

    def lagging(self, lag: Lag) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.lagging(lag)

    def source_changed(self, event: SourceEvent) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.source_changed(event)

    def gap_found(self, gap: Gap) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.gap_found(gap)

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.retrying(error, seconds)

    def alarm(self, error: LpauditError) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.alarm(error)

    def stopping(self) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.stopping()
