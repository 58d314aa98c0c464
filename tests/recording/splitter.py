"""Cuts the truth out of lighttpd's log while it is written: a log without it, and the truth beside it."""

import threading
from pathlib import Path
from typing import Self

MARK = b' truth="'


class Splitter:
    """Follows ``raw``: writes its lines without the truth into ``log``, and the truth into ``made_by``.

    ``made_by`` gets one line a line of the log: the process that made the request, or ``-``.
    Not by a pipe from lighttpd, which drops lines when the pipe is full.
    """

    def __init__(self, raw: Path, log: Path, made_by: Path) -> None:
        for path in (raw, log, made_by):
            path.touch()
        self._raw, self._log, self._made_by = raw, log, made_by
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Read what is left of the log, whose writer has ended."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with (
            self._raw.open("rb") as raw,
            self._log.open("ab", buffering=0) as log,
            self._made_by.open("ab", buffering=0) as made_by,
        ):
            rest, last = b"", False
            while not last:
                last = self._ended.wait(0.1)
                *lines, rest = (rest + raw.read()).split(b"\n")
                parts = [line.rpartition(MARK) for line in lines]
                made_by.write(b"".join(process.rstrip(b'"') + b"\n" for _, _, process in parts))
                log.write(b"".join(line + b"\n" for line, _, _ in parts))
            assert not rest, "the log's last line has no end"
