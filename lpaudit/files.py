"""Which files the arguments of a follower lead to, and which of them it holds open.

A name is asked what it leads to now; a file that was opened is held whatever becomes of it.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lpaudit import fitting, source
from lpaudit.archives import Archive, Archives
from lpaudit.errors import LpauditError, SourceError
from lpaudit.followed import Log
from lpaudit.ingest import IngestOptions
from lpaudit.model import LogFormat, LogKind, Observer
from lpaudit.reading import identities
from lpaudit.source import FileId, Input, Tail
from lpaudit.succession import Search

SCAN = 1.0
"""Seconds between two looks at what files there are; more where that takes long."""

LINGER = 3600.0
"""Seconds that a rotated file is still watched, for somebody who goes on writing to it."""

REFUSED = 60.0
"""Seconds until a growing file that is no log is looked at again."""

_ALIKE = 8  # sources that may begin with the same line, for one to be found by it
_PIPE = ((0, 0), (0, 0))  # what stands for standard input, which is always the same


class Files:
    """The files that are followed: ``logs``, and of those the ones that a name may lead to, in ``open``.

    ``settled`` are the files that were closed: what they were like then, and until when they
    are left alone.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        options: IngestOptions,
        formats: dict[str, LogFormat],
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self._arguments = arguments
        self._options = options
        self._formats = formats
        self._observer = observer
        self._clock = clock
        self.logs: list[Log] = []
        self.open: dict[FileId, Log] = {}
        self.settled: dict[FileId, tuple[tuple[int, int], float]] = {}
        self._complaints: dict[str, float] = {}

    def scan(self, now: float, archives: Archives, searches: Iterable[Search]) -> None:
        """See what files there are, also beside the paths where something is searched for."""
        discovered = list(source.discover(self._arguments, leave=self._options.leave))
        wrong = [found for found in discovered if isinstance(found, SourceError)]
        inputs = [found for found in discovered if isinstance(found, Input)]
        for found in sorted(inputs, key=_last_change):  # archives are read in the order they are seen in
            self._see(found, now, archives)
        for search in searches:
            try:
                if not search.scanned:
                    search.since = min(search.since, _changed_last(search))
                beside = source.rotated(search.path)
            except OSError as error:
                wrong.append(source.unreadable(search.path.parent, error))
                continue
            for path in beside:
                with suppress(OSError):  # it has just been renamed again, or compressed
                    if path.stat().st_mtime_ns >= search.since:
                        self._see(_beside(search, path), now, archives)
            search.scanned = True
        for log in self.logs:
            log.rotated = log.rotated or _was_rotated(log)
            elsewhere = log.rotated or _leads_elsewhere(log)
            log.left = (now if log.left is None else log.left) if elsewhere else None
        self.complain(*wrong)

    def _see(self, found: Input, now: float, archives: Archives) -> None:
        """Open a file that is not known yet, or that has changed since it was settled."""
        try:
            file, signature = _identity(found)
            settled, until = self.settled.get(file, (None, 0.0))
            if file in self.open or file in archives or settled == signature or now < until:
                return
            tail = source.open_tail(found)
        except SourceError as error:
            self.complain(error)
            return
        try:
            head = tail.head()
        except SourceError as error:
            tail.close()
            self.settled[file] = (signature, now + REFUSED)
            self.complain(error)
            return
        if found.path is not None and tail.file != file:
            tail.close()  # by now the name leads elsewhere: next time
        elif source.is_compressed(head):
            tail.close()
            archives.add(Archive(found, file, signature))
        else:
            tail.file = file
            self.add(tail, now)

    def add(self, tail: Tail, now: float) -> Log:
        """Follow an open file."""
        told, refused = fitting.told_format(tail.found, self._options.format_of)
        options = self._options
        choice = fitting.Fitting(
            tail.found,
            told,
            options.kind,
            self._formats,
            options.timezone,
            options.former,
            options.format_now,
        )
        log = Log(tail, self._options.host_of(tail.found), choice, now, now, refused=refused)
        self.logs.append(log)
        self.open[tail.file] = log
        return log

    def settle(self, log: Log, until: float = 0.0) -> None:
        """Close a file; it is opened again when it has changed, but not before ``until``."""
        with suppress(OSError):  # the file system has gone: what was seen last
            log.tail.refresh()
        signature = (log.tail.size, log.tail.modified) if log.tail.found.path is not None else _PIPE[1]
        self.settled[log.tail.file] = (signature, until)
        self.forget(log)

    def forget(self, log: Log) -> None:
        """Close a file."""
        self.logs.remove(log)
        if self.open.get(log.tail.file) is log:
            del self.open[log.tail.file]
        log.tail.close()

    def refuse(self, log: Log, error: LpauditError | None) -> None:
        """Leave a file alone that is no log, until it has changed."""
        if error is not None:
            self.complain(error)
        self.settle(log, self._clock() + REFUSED)

    def complain(self, *errors: LpauditError) -> None:
        """Tell of what is wrong with an input when it begins, and again every hour."""
        now = self._clock()
        self._complaints = {what: said for what, said in self._complaints.items() if now - said < LINGER}
        for error in errors:
            if error.message not in self._complaints:
                self._complaints[error.message] = now
                self._observer.retrying(error, SCAN)


def _identity(found: Input) -> tuple[FileId, tuple[int, int]]:
    """Return which file a name leads to, and what changes when the file does. Raises SourceError."""
    if found.path is None:
        return _PIPE
    try:
        status = found.path.stat()
    except OSError as error:
        raise source.unreadable(found.path, error) from error
    return (status.st_dev, status.st_ino), (status.st_size, status.st_mtime_ns)


def _was_rotated(log: Log) -> bool:
    """Say whether a log was rotated away before it was found."""
    path = log.tail.found.path
    return path is not None and source.was_rotated(path)


def _beside(search: Search, path: Path) -> Input:
    """Return a file beside the path of a search as an input; it must not lead elsewhere."""
    within = Path(os.path.realpath(path.parent))
    return Input(source.label_of(path), path, named=False, host=search.host, within=within)


def _changed_last(search: Search) -> int:
    """Return when the file beside a path that begins like what is searched for was last written to.

    A clock that was set back must not hide it. Nanoseconds since the epoch.
    """
    for path in source.rotated(search.path):
        with suppress(OSError, SourceError):
            changed = path.stat().st_mtime_ns
            reader = source.open_reader(_beside(search, path))
            try:
                line = source.first_line(reader, final=True)
            finally:
                reader.close()
            known_by = [one for kind in LogKind for one in identities(kind, line)]
            ids = (source.source_id(search.host, one, n) for one in known_by for n in range(_ALIKE))
            if search.generation.source_id in ids:
                return changed
    return search.since


def _last_change(found: Input) -> int:
    """Return when an input was last written to, in nanoseconds since the epoch; 0 if nobody knows."""
    try:
        return found.path.stat().st_mtime_ns if found.path is not None else 0
    except OSError:
        return 0


def _leads_elsewhere(log: Log) -> bool:
    """Say whether a log's name leads to another file by now, or to none."""
    path = log.tail.found.path
    if path is None:
        return False
    try:
        status = path.stat()
    except OSError:
        return True
    return (status.st_dev, status.st_ino) != log.tail.file
