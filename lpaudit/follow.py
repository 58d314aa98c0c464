"""`lpaudit ingest --follow`: one loop that looks, reads, commits, and never trusts a name.

A turn of the loop: see which files the arguments lead to now; look at each file that is held
open and take in what is new; commit what has waited long enough, all sources in one commit;
account for what has ended. Whoever kills it loses nothing: where to go on is in the store.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from lpaudit import fitting, source, store, succession
from lpaudit.archives import Archive, Archives
from lpaudit.errors import LpauditError, OffsetConflict, SourceError, StoreError
from lpaudit.followed import Log
from lpaudit.ingest import COMPACT_EVERY, IngestOptions, OneInput, open_for_writing, remember
from lpaudit.model import Gap, Lag, Observer, Provenance, Segment, SourceResult
from lpaudit.recognise import recognise
from lpaudit.rows import Rows
from lpaudit.source import FileId, Input, Look, Stream, Tail
from lpaudit.succession import GRACE, Search, Succession
from lpaudit.visible import visible

POLL = 0.2
"""Seconds between two looks at a file."""

QUIET = 5.0
"""Seconds after which a file that does not grow is looked at three times as seldom."""

SCAN = 1.0
"""Seconds between two looks at what files there are; more where that takes long."""

FINISH = 5.0
"""Seconds for which a follower that was asked to stop still takes in what is in the logs."""

LINGER = 3600.0
"""Seconds that a rotated file is still watched, for somebody who goes on writing to it."""

REFUSED = 60.0
"""Seconds until a growing file that is no access log is looked at again."""

STALE = 60.0
"""Seconds after which the table is opened anew: others may have moved its log of commits on, far."""

_RETRIES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds to wait after a failure, and after the next ones
_ALIKE = 8  # sources that may begin with the same line, for one to be found by it
_PIPE = ((0, 0), (0, 0))  # what stands for standard input, which is always the same
_READ = 4 << 20  # bytes that are read of a line that is longer than there is room for


class _Stopped(Exception):
    """An archive is left where it is: the follower was asked to stop."""


class _ArchiveObserver(Observer):
    """Hears archives being read, and leaves them when the follower stops."""

    def __init__(self, observer: Observer, stopping: Callable[[], bool]) -> None:
        self._observer = observer
        self._stopping = stopping

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Pass it on."""
        self._observer.segment_committed(source, segment, lines, rejected)
        if self._stopping():
            raise _Stopped


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a follower needs of the world.

    ``now`` is the time that goes into the store, ``clock`` the monotonic one that waiting is
    measured with; ``sleep`` waits for some seconds, or until the follower is stopped;
    ``unique`` names files.
    """

    now: Callable[[], datetime]
    unique: Callable[[], str]
    sleep: Callable[[float], object]
    clock: Callable[[], float] = time.monotonic


class Follower:
    """Follows what ``arguments`` lead to, until it is stopped.

    Raises StoreError if the store cannot be used when it begins. Later it waits, and tries again.
    """

    def __init__(
        self,
        root: str,
        arguments: Sequence[str],
        options: IngestOptions,
        observer: Observer,
        around: Surroundings,
    ) -> None:
        self.arguments = arguments
        self.options = options
        self.observer = observer
        self.now, self.clock, self.unique = around.now, around.clock, around.unique
        self.around = around
        self.stopping = False
        self.target = open_for_writing(root, observer, around.unique)
        self.opened = 0.0
        self.mark = store.mark_file(self.target, os.environ)
        self.formats = store.formats(self.target)
        self.table = self._open_table()
        self.logs: list[Log] = []
        self.open: dict[FileId, Log] = {}
        self.settled: dict[FileId, tuple[tuple[int, int], float]] = {}
        self.archives = Archives(self._read_archive)
        self.succession = Succession(succession.generations(self.target), self.now)
        self.complaints: dict[str, float] = {}
        self.failures = 0
        self.blocked = 0.0
        self.next_scan = 0.0
        self.commits = 0
        self.room = options.segment_bytes

    def run(self) -> bool:
        """Follow until ``stop`` is called or every pipe has ended; say whether what was read is stored."""
        told = False
        while not self.stopping:
            busy = self._turn()
            if not told:
                self.observer.following(len(self.open))
                told = True
            if not self.logs and all(argument == "-" for argument in self.arguments):
                break
            if not busy:
                self.around.sleep(POLL)
        self.observer.stopping()
        stored = self._finish()
        self.observer.lagging(self._lag())
        return stored

    def stop(self) -> None:
        """Have it finish its batch and return: safe to call from a signal handler."""
        self.stopping = True

    def _turn(self) -> bool:
        """Do one round; say whether there is more to do at once."""
        now = self.clock()
        if now >= self.next_scan:
            self._scan(now)
            self.next_scan = now + min(30 * SCAN, max(SCAN, 300 * (self.clock() - now)))
        self.room = self.options.segment_bytes - sum(len(log.tail.buffer) for log in self.logs)
        busy = False
        for log in list(self.logs):
            if now >= log.look_at and not log.cut:
                busy |= self._look(log, now)
        self._collect()
        busy |= self._commit_if_due(more=busy)
        self._account()
        self.observer.lagging(self._lag())
        return busy and self.clock() >= self.blocked

    # What files there are.

    def _scan(self, now: float) -> None:
        discovered = list(source.discover(self.arguments, leave=self.options.leave))
        wrong = [found for found in discovered if isinstance(found, SourceError)]
        inputs = [found for found in discovered if isinstance(found, Input)]
        for found in sorted(inputs, key=_last_change):  # archives are read in the order they are seen in
            self._see(found, now)
        for search in self.succession.searches:
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
                        self._see(_beside(search, path), now)
            search.scanned = True
        for log in self.logs:
            log.rotated = log.rotated or _was_rotated(log)
            elsewhere = log.rotated or _leads_elsewhere(log)
            log.left = (now if log.left is None else log.left) if elsewhere else None
        self._complain(*wrong)

    def _see(self, found: Input, now: float) -> None:
        """Open a file that is not known yet, or that has changed since it was settled."""
        try:
            file, signature = _identity(found)
            settled, until = self.settled.get(file, (None, 0.0))
            if file in self.open or file in self.archives or settled == signature or now < until:
                return
            tail = source.open_tail(found)
        except SourceError as error:
            self._complain(error)
            return
        try:
            head = tail.head()
        except SourceError as error:
            tail.close()
            self.settled[file] = (signature, now + REFUSED)
            self._complain(error)
            return
        if found.path is not None and tail.file != file:
            tail.close()  # by now the name leads elsewhere: next time
        elif source.is_compressed(head):
            tail.close()
            self.archives.add(Archive(found, file, signature))
        else:
            tail.file = file
            self._add(tail, now)

    def _add(self, tail: Tail, now: float) -> Log:
        told = None
        try:
            told = fitting.told_format(tail.found, self.options.format_of)
        except LpauditError as error:
            self._complain(error)
        choice = fitting.Fitting(tail.found, told, self.formats, self.options.timezone)
        log = Log(tail, self.options.host_of(tail.found), choice, now)
        self.logs.append(log)
        self.open[tail.file] = log
        return log

    def _settle(self, log: Log, until: float = 0.0) -> None:
        """Close a file; it is opened again when it has changed, but not before ``until``."""
        with suppress(OSError):  # the file system has gone: what was seen last
            log.tail.refresh()
        signature = (log.tail.size, log.tail.modified) if log.tail.found.path is not None else _PIPE[1]
        self.settled[log.tail.file] = (signature, until)
        self._forget(log)

    def _forget(self, log: Log) -> None:
        self.logs.remove(log)
        if self.open.get(log.tail.file) is log:
            del self.open[log.tail.file]
        log.tail.close()

    # What is new in them.

    def _look(self, log: Log, now: float) -> bool:
        """Take in what is new of a log; say whether there is more to do at once."""
        tail = log.tail
        long_line = len(tail.buffer) > 0 and not tail.buffer.whole
        room = max(self.room, _READ if long_line else 0)
        before = tail.position
        looked, log.looked = log.looked, now
        try:
            if log.waiting is not None:
                self._look_again(log, now)
                return False
            look = tail.look(room)
            self.room -= max(0, tail.position - before)
            if look is Look.CUT:
                self._cut(log, now)
                return True
            if look is Look.ENDED:
                log.final = log.rotated = True
                log.left = now
                log.since = log.since if log.since is not None else now
            if log.source_id is None and len(tail.buffer):
                return self._identify(log, now)
        except (SourceError, StoreError, OSError) as error:
            log.look_at = now + _RETRIES[2]
            told = (
                source.unreadable(tail.found.path or Path("stdin"), error)
                if isinstance(error, OSError)
                else error
            )
            self._complain(told)
            return False
        if look is Look.GREW:
            log.grew = now
            if log.ready and log.since is None:
                log.since = min(looked, now)  # while something else was committed, for one
        elif now - log.grew > QUIET:
            log.look_at = now + 3 * POLL
        return look is Look.GREW and tail.size > tail.position

    def _look_again(self, log: Log, now: float) -> None:
        """Recognise a file anew that was waiting, if it has changed, or if it may be more than a copy."""
        tail = log.tail
        log.look_at = now + SCAN
        tail.refresh()
        changed = (tail.size, tail.modified) != log.waiting
        log.grew = now if changed else log.grew
        owner = next((o for o in self.logs if o.owns and o.source_id == log.source_id), None)
        # There is nothing new to compare it with, and what it has more may yet come there.
        alike = owner is not None and not owner.drained and owner.tail.stored <= tail.position
        if changed or (not alike and tail.size > tail.position):
            log.source_id, log.anew, log.waiting = None, log.source_id, None
            tail.start_at(0)
            log.look_at = now

    def _identify(self, log: Log, now: float) -> bool:
        """Find out which source a log is, and go on where the store ends.

        Says whether there may be more to read at once. Raises SourceError, StoreError.
        """
        tail = log.tail
        if isinstance(tail, Stream):
            return self._identify_stream(log, now)
        reader = tail.reader()
        try:
            line = source.first_line(reader, final=log.final)
            if not line:
                return False
            known, position, _ = recognise(reader, self.target, self.table, log.host, line)
        finally:
            reader.close()
        if not known.segments and b"\0" in line:
            self._refuse(log, fitting.binary(tail.found, 1))
            return False
        log.source_id, log.anew = known.source_id, None
        if position >= known.offset:
            self.succession.found(known.source_id, tail.file)
        tail.refresh()
        others = [o for o in self.logs if o is not log and o.source_id == known.source_id and o.active]
        owners = [other for other in others if other.owns]
        longer = tail.size > known.offset and all(o.drained and o.look_at <= now for o in owners)
        if position < known.offset or (owners and not longer):
            # It is shorter than what was read of it, or a copy of what is being read.
            for owner in owners:
                owner.look_at = now
            log.waiting = (tail.size, tail.modified)
            tail.wait_at(known.offset)
            if not others:
                self.succession.shorter(log, known.offset)
            return False
        for other in others:
            other.tail.buffer.clear()  # the start of a line that the copy has in full
        for owner in owners:  # the other one is the copy: it has nothing that is not stored
            owner.waiting = (owner.tail.size, owner.tail.modified)
            owner.tail.wait_at(known.offset)
        tail.start_at(known.offset, line)
        log.begun = bool(known.segments)
        log.line_number = known.line_number
        log.log_format = known.log_format or self.succession.format_before(log)
        self.succession.begins(log, self.logs, now)
        self.next_scan = 0.0 if any(not s.scanned for s in self.succession.searches) else self.next_scan
        return True

    def _identify_stream(self, log: Log, now: float) -> bool:
        """What comes through a pipe is always new: it cannot be read twice."""
        buffer = log.tail.buffer
        if not buffer.ready and not log.final:
            return False
        line = buffer.take(1, final=log.final)[: source.HEAD]
        ids = (source.source_id(log.host, line, ordinal) for ordinal in range(1 << 30))
        taken = {other.source_id for other in self.logs}
        log.source_id = next(i for i in ids if i not in taken and self.target.offset(self.table, i) is None)
        log.since = now
        return False

    def _refuse(self, log: Log, error: LpauditError | None) -> None:
        """Leave a file alone that is no access log, until it has changed."""
        if error is not None:
            self._complain(error)
        self._settle(log, self.clock() + REFUSED)

    def _cut(self, log: Log, now: float) -> None:
        """Begin again with a file that is no longer what was read of it."""
        fresh = self._add(log.tail.again(), now)
        fresh.left, fresh.rotated = log.left, log.rotated
        if log.source_id is None:
            self._forget(log)
            self.open[fresh.tail.file] = fresh
            return
        log.cut = True
        fresh.log_format = log.log_format
        self.succession.cut(log, fresh.tail.size, now)
        self.next_scan = 0.0

    # What has ended.

    def _account(self) -> None:
        now, archives = self.clock(), self.archives.busy
        try:
            self.succession.end_searches(self.logs, self._offset_now, now, archives=archives)
        except StoreError as error:
            self._fail(error)
        for log in list(self.logs):
            if log.cut:
                if not log.ready and all(
                    s.generation.source_id != log.source_id for s in self.succession.searches
                ):
                    self._forget(log)
            elif log.left is not None and not log.ready:
                if log.tail.found.path is None:
                    self._settle(log)
                elif now - log.grew >= GRACE and now - log.left >= GRACE:
                    self._end(log, now)
        self._tell()

    def _end(self, log: Log, now: float) -> None:
        """A file was rotated away and is quiet: take its last line as it is, and say that it is finished."""
        gone = log.tail.links == 0 and now - log.grew >= LINGER
        if self.succession.is_current(log) and not gone:
            return  # nothing has come after it: whoever writes may still be writing to it
        if log.waiting is None and log.tail.size > log.tail.stored:
            if log.tail.position < log.tail.size:
                return  # it cannot be read: the start of a line is not its last
            log.final, log.since = True, now
            if log.source_id is None:
                log.look_at = now
            return
        if not log.finished and log.active and log.begun:
            self.succession.finished(log)
        log.finished = True
        if log.tail.links == 0 or now - log.grew >= LINGER:
            self._settle(log)

    def _tell(self) -> None:
        """Record what has happened; what cannot be recorded now waits."""
        told = self.succession.told
        while told and self.clock() >= self.blocked:
            what = told[0]
            try:
                if isinstance(what, Gap):
                    if store.append_gap(self.target, what, self.unique()):
                        self.observer.gap_found(what)
                elif store.append_event(self.target, what, self.unique()):
                    self.observer.source_changed(what)
            except StoreError as error:
                self._fail(error)
            else:
                del told[0]

    # Compressed files, on the side.

    def _read_archive(self, found: Input) -> SourceResult:
        observer = _ArchiveObserver(self.observer, lambda: self.stopping)
        options = replace(self.options, dry_run=False)
        one = OneInput(self.target, self.formats, found, options, observer, self.now, self.unique)
        return one.run()

    def _collect(self) -> None:
        for archive, result in self.archives.collect():
            if isinstance(result, StoreError):
                self._fail(result)
                self.settled[archive.file] = ((-1, -1), self.clock() + _RETRIES[-1])
            elif isinstance(result, SourceResult):
                self.settled[archive.file] = (archive.signature, 0.0)
                if result.source_id is not None and not result.error:
                    self.succession.found(result.source_id, archive.file)
                if result.error:
                    self._complain(SourceError(result.error, hint=result.hint))
                self.observer.source_finished(result)
            elif not isinstance(result, _Stopped):
                self.settled[archive.file] = (archive.signature, 0.0)
                reason = str(result) or type(result).__name__
                self._complain(
                    SourceError(
                        f"cannot read {visible(archive.found.label)}: {reason}",
                        hint="is it whole? `gzip -t` or `zstd -t` tell",
                    )
                )

    # Into the store.

    def _commit_if_due(self, *, more: bool) -> bool:
        """Commit if something has waited long enough, or there is much; say whether more is waiting.

        With ``more`` to read at once that is read first: one large commit costs less than two.
        """
        now = self.clock()
        ready = self._ready()
        if not ready or now < self.blocked:
            return False
        oldest = min(now if log.since is None else log.since for log in ready)
        if self.room > 0 and (more or now - oldest < self.options.flush_interval):
            return False
        return self._commit(ready)

    def _ready(self) -> list[Log]:
        archives = self.archives.busy
        return [
            log
            for log in self.logs
            if log.ready and not self.succession.must_wait(log, self.logs, self.clock(), archives=archives)
        ]

    def _commit(self, ready: Iterable[Log]) -> bool:
        """Commit what is ready, about a segment's worth of bytes; say whether more is waiting."""
        began = self.clock()
        batch = self._batch(ready)
        if not batch:
            return False
        try:
            if began - self.opened > STALE:
                self.table = self._open_table()
            for log, _, _ in batch:
                if log.layout is not None:
                    remember(self.target, self.formats, log.layout.log_format, self.now(), self.unique)
            store.append(self.target, self.table, [piece for _, piece, _ in batch], self.unique())
            self.opened = self.clock()
        except OffsetConflict as conflict:
            if self._resync(conflict.source_ids):
                return True
            self._fail(conflict)  # it was about something else
            return False
        except StoreError as error:
            self._fail(error)
            return False
        self.failures = 0
        for log, piece, rows in batch:
            self._stored(log, piece, rows)
        self.observer.committed(
            len(batch),
            sum(rows.lines for _, _, rows in batch),
            sum(rows.rejected for _, _, rows in batch),
            sum(len(piece.data) for _, piece, _ in batch),
            self.clock() - began,
        )
        store.remember(self.target, self.table, self.mark)
        self.commits += 1
        if self.commits % COMPACT_EVERY == 0:
            self.options.compact()
        return any(log.ready for log, _, _ in batch)

    def _batch(self, ready: Iterable[Log]) -> list[tuple[Log, store.Piece, Rows]]:
        """Take from each log what it has, the longest waiting first, until the segment is full."""
        batch: list[tuple[Log, store.Piece, Rows]] = []
        room = self.options.segment_bytes
        for log in sorted(ready, key=lambda log: log.since or 0.0):
            if room <= 0:
                break
            data = log.tail.buffer.take(room, final=log.final)
            try:
                log.layout = log.fitting.choose(data, log.log_format, log.layout, begun=log.begun)
            except fitting.NotALog:
                self._refuse(log, None)
                continue
            except SourceError as error:
                self._refuse(log, error)
                continue
            segment = Segment.of(log.source_id or "", log.tail.stored, data)
            where = Provenance(
                source=log.label,
                segment=segment,
                host_name=log.key[1],
                ingest_time=self.now(),
                log_format=log.layout.log_format.name,
                byte_offset=segment.start,
                line_number=log.line_number + 1,
            )
            rows = Rows(log.layout, data, where)
            room -= len(data)
            batch.append((log, store.Piece(segment, data, rows), rows))
        return batch

    def _stored(self, log: Log, piece: store.Piece, rows: Rows) -> None:
        log.begun, log.conflicts = True, 0
        log.tail.buffer.drop(len(piece.data))
        log.line_number += rows.lines
        log.log_format = log.layout.log_format.name if log.layout else None
        log.last_time = rows.last_time or self.now()
        if not log.ready:
            log.since = None
        self.succession.stored(log)

    def _open_table(self) -> store.Table:
        self.opened = self.clock()
        return self.target.create_table("access_event", self.unique())

    def _offset_now(self, source_id: str) -> int:
        """Return how far a source is stored by now, whoever has stored it."""
        self.table = self._open_table()
        return self._offset_of(source_id)

    def _offset_of(self, source_id: str) -> int:
        return self.target.offset(self.table, source_id) or 0

    def _fail(self, error: StoreError) -> None:
        """Wait, and look anew at what the store holds: a commit that failed may have been made."""
        delay = _RETRIES[min(self.failures, len(_RETRIES) - 1)]
        self.failures += 1
        self.blocked = self.clock() + delay
        self.observer.retrying(error, delay)
        with suppress(StoreError):  # it is as it was: the next attempt says why
            self._resync()

    def _resync(self, moved: Sequence[str] = ()) -> bool:
        """Read the offsets anew, and skip what others have stored of the same sources; say if they have.

        The one who loses waits ever longer: the other is doing its work.
        """
        self.table = self._open_table()
        now, found = self.clock(), False
        for log in self.logs:
            if log.source_id is None or not log.active:
                continue
            ahead = self._offset_of(log.source_id) - log.tail.stored
            if ahead == 0:
                continue
            found = True
            if log.source_id in moved:
                pause = _RETRIES[min(log.conflicts, len(_RETRIES) - 1)]
                log.conflicts += 1
                log.look_at = now + pause
                error = OffsetConflict(
                    f"another lpaudit is storing the same lines of {log.label}", hint="stop one of the two"
                )
                self.observer.retrying(error, pause)
            log.since = None
            if log.cut or isinstance(log.tail, Stream):
                log.tail.buffer.drop(max(0, min(ahead, len(log.tail.buffer))))
            else:
                log.source_id, log.anew, log.layout = None, log.source_id, None
                log.tail.start_at(0)
        return found

    def _lag(self) -> Lag:
        now = self.clock()
        waited = [now - log.since for log in self.logs if log.since is not None]
        behind = sum(
            log.tail.buffer.whole if log.cut else max(0, log.tail.size - log.tail.stored)
            for log in self.logs
            if log.waiting is None
        )
        return Lag(len(self.open), behind, max(waited, default=0.0))

    # The end.

    def _finish(self) -> bool:
        """Store what was read, and for some seconds what is still to be read; say whether that worked.

        What is left then is in the logs: the next follower goes on with it.
        """
        until = self.clock() + FINISH
        while True:
            now = self.clock()
            self.room = self.options.segment_bytes - sum(len(log.tail.buffer) for log in self.logs)
            more = False
            for log in list(self.logs):
                if log.source_id is not None and not log.cut and now < until:
                    more |= self._look(log, now)
            ready, failures = self._ready(), self.failures
            if ready:
                self._commit(ready)
            if self.failures > failures:
                return False
            if not more and not ready:
                break
        self._tell()
        return not self.succession.told

    def _complain(self, *errors: LpauditError) -> None:
        """Tell of what is wrong with an input when it begins, and again every hour."""
        now = self.clock()
        for error in errors:
            if now - self.complaints.get(error.message, -LINGER) >= LINGER:
                self.complaints[error.message] = now
                self.observer.retrying(error, SCAN)


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
            ids = (source.source_id(search.host, line, ordinal) for ordinal in range(_ALIKE))
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
