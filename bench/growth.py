"""When which bytes of a log were in its file: its size, looked at every few milliseconds."""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICK = 0.005


@dataclass(slots=True)
class File:
    """A file that a log's name has led to. It stays open, so that it can be read whatever it is called.

    ``seen``: since when at the earliest which size was there. What is between two sizes came
    after the first look that did not show it, so no line is thought fresher than it was.
    """

    descriptor: int
    seen: list[tuple[float, int]] = field(default_factory=list)
    size: int = 0

    def look(self, before: float) -> None:
        """See how long it is; the look before was at ``before`` (seconds since the epoch)."""
        size = os.fstat(self.descriptor).st_size
        if size > self.size:
            self.seen.append((before, size))
            self.size = size

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        return os.pread(self.descriptor, end - start, start)


class Growth:
    """Looks at a log, and at what it was rotated to, while a ``with`` block runs."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._inodes: set[int] = set()
        self.files: list[File] = []

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def _run(self) -> None:
        before = time.time()
        while True:
            stopping = self._stop.is_set()
            now = time.time()
            with suppress(FileNotFoundError):  # between rename and create
                inode = self._log.stat().st_ino
                if inode not in self._inodes:
                    self._inodes.add(inode)
                    self.files.append(File(os.open(self._log, os.O_RDONLY)))
            for file in self.files:
                file.look(before)
            before = now
            if stopping:
                return
            time.sleep(TICK)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
