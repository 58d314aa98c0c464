"""Compressed logs on the side: one at a time, in another thread, so that the live ones do not wait."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lpaudit.model import SourceResult
from lpaudit.source import FileId, Input

Signature = tuple[int, int]
"""Size and time of the last change (nanoseconds): what has changed has another one."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A compressed file as it was when it was seen."""

    found: Input
    file: FileId
    signature: Signature


class Archives:
    """Reads archives to their ends, in the order in which they were added."""

    def __init__(self, read: Callable[[Input], SourceResult]) -> None:
        self.read = read
        self._waiting: queue.SimpleQueue[Archive] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Archive, SourceResult | Exception]] = queue.SimpleQueue()
        self._pending: dict[FileId, Path | None] = {}
        self._thread: threading.Thread | None = None

    def __contains__(self, file: FileId) -> bool:
        return file in self._pending

    @property
    def busy(self) -> bool:
        """Whether something is waiting or being read."""
        return bool(self._pending)

    def busy_beside(self, path: Path | None) -> bool:
        """Whether something is waiting or being read in the directory that a path is in."""
        return bool(self._pending) and _folder(path) in self._pending.values()

    def add(self, archive: Archive) -> None:
        """Have an archive read; one that is waiting is not added twice."""
        if archive.file in self._pending:
            return
        self._pending[archive.file] = _folder(archive.found.path)
        self._waiting.put(archive)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="archives", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            archive = self._waiting.get()
            try:
                self._done.put((archive, self.read(archive.found)))
            except Exception as error:  # noqa: BLE001 -- handed to the thread that asked
                self._done.put((archive, error))

    def collect(self) -> list[tuple[Archive, SourceResult | Exception]]:
        """Return what has been read since the last time."""
        done = []
        while not self._done.empty():
            archive, result = self._done.get()
            self._pending.pop(archive.file, None)
            done.append((archive, result))
        return done


def _folder(path: Path | None) -> Path | None:
    return path.parent if path is not None else None
