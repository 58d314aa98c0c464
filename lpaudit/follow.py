"""`lpaudit ingest --follow`: one loop that looks, reads, commits, and never trusts a name.

A turn of the loop: see which files the arguments lead to now; look at each file that is held
open and take in what is new; commit what has waited long enough, all sources in one commit;
account for what has ended. Whoever kills it loses nothing: where to go on is in the store.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lpaudit import archived, fitting, source, store, succession
from lpaudit.errors import SourceError, StoreError
from lpaudit.files import LINGER, SCAN, Files
from lpaudit.followed import Log, Surroundings
from lpaudit.ingest import IngestOptions, open_for_writing
from lpaudit.model import Known, Lag, LogKind, Observer
from lpaudit.recognise import recognise_any
from lpaudit.source import Look, Stream
from lpaudit.succession import GRACE, Succession
from lpaudit.writer import Writer

POLL = 0.2
"""Seconds between two looks at a file."""

QUIET = 5.0
"""Seconds after which a file that does not grow is looked at three times as seldom."""

FINISH = 5.0
"""Seconds for which a follower that was asked to stop still takes in what is in the logs."""

_UNREADABLE = 5.0  # seconds until a log that could not be read is looked at again
_READ = 4 << 20  # bytes that are read of a line that is longer than there is room for


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
        self.target = open_for_writing(root, observer, around.unique, options.pseudonyms)
        formats = store.formats(self.target)
        self.archives = archived.reading(
            self.target, formats, options, observer, around, lambda: self.stopping
        )
        self.succession = Succession(partial(succession.generations, self.target), self.now)
        self.files = Files(arguments, options, formats, observer, self.clock)
        self.writer = Writer(self.target, formats, options, observer, around, self.files, self.succession)
        self.logs = self.files.logs
        self.next_scan = 0.0
        self.room: dict[tuple[LogKind, bool], int] = {}

    def run(self) -> bool:
        """Follow until ``stop`` is called or every pipe has ended; say whether what was read is stored."""
        told = False
        while not self.stopping:
            busy = self._turn()
            if not told:
                self.observer.following(len(self.files.open))
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
            self.files.scan(now, self.archives, self.succession.searches)
            self.next_scan = now + min(30 * SCAN, max(SCAN, 300 * (self.clock() - now)))
        self._measure_room()
        busy = False
        for log in list(self.logs):
            if now >= log.look_at and not log.cut:
                busy |= self._look(log, now)
        self.succession.look_beside_empty(self.logs, now)
        archived.account(self.archives, self.files, self.succession, self.observer, self.clock)
        busy |= self._commit_if_due(more=busy)
        self._account()
        self.observer.lagging(self._lag())
        return busy

    # What is new in them.

    def _look(self, log: Log, now: float) -> bool:
        """Take in what is new of a log; say whether there is more to do at once."""
        tail = log.tail
        long_line = len(tail.buffer) > 0 and not tail.buffer.whole
        room = max(self.room[log.kind, log.held], _READ if long_line else 0)
        if log.source_id is None:  # others may wait until it is known; what is read to know it is not kept
            room = max(room, source.HEAD)
        before = tail.position
        looked, log.looked = log.looked, now
        try:
            if log.waiting is not None:
                self._look_again(log, now)
                return False
            look = tail.look(room)
            self.room[log.kind, log.held] -= max(0, tail.position - before)
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
            log.look_at = now + _UNREADABLE
            told = (
                source.unreadable(tail.found.path or Path("stdin"), error)
                if isinstance(error, OSError)
                else error
            )
            self.files.complain(told)
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
        self.succession.learn(log, now)
        found = self._recognise(log)
        if found is None:
            return False
        line, known, position = found
        log.source_id, log.anew = known.source_id, None
        if position >= known.offset:
            self.succession.found(known.source_id, tail.file)
        tail.refresh()
        others = [o for o in self.logs if o is not log and o.source_id == known.source_id and o.active]
        owners = [other for other in others if other.owns]
        longer = tail.size > known.offset and all(o.drained and (o.cut or o.tail.unchanged()) for o in owners)
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
        log.continued = log.kind is LogKind.ERROR and self._ends_within_a_line(known)
        self.succession.begins(log, self.logs, now)
        self.next_scan = 0.0 if any(not s.scanned for s in self.succession.searches) else self.next_scan
        return True

    def _recognise(self, log: Log) -> tuple[bytes, Known, int] | None:
        """Return a log's first line, the source that it is, and how far they agree; None if it is no log yet.

        Raises SourceError, StoreError.
        """
        reader = log.tail.reader()
        try:
            lines = source.first_lines(reader, final=log.final)
            if not lines:
                return None
            line, tables = source.line_of(lines), self.writer.tables()
            before = log.formats or self.succession.formats_before(log)
            log.kind, known, position, _ = recognise_any(
                reader,
                self.target,
                tables,
                log.host,
                line,
                lambda: log.fitting.kind_of(lines, before),
                self.options.identity,
            )
        finally:
            reader.close()
        self._complain(log)
        if not self._accept(log, known, lines, before):
            return None
        log.formats = known.formats or before
        return line, known, position

    def _accept(self, log: Log, known: Known, lines: bytes, before: Sequence[str]) -> bool:
        """Say whether a file is a log, and of a kind that is asked for: only then it comes after anything."""
        try:
            if known.segments:
                log.fitting.check_kind(log.kind)
                return True
            if b"\0" in source.line_of(lines):
                raise fitting.binary(log.tail.found, 1)
            log.reading = log.fitting.choose(lines, log.kind, before, None, begun=False)
        except fitting.NotALog:
            self.files.refuse(log, None)
        except SourceError as error:
            self.files.refuse(log, error)
        else:
            return True
        return False

    def _complain(self, log: Log) -> None:
        """Say that what was told says nothing of an access log: then its lines tell."""
        if log.refused is not None and log.kind is LogKind.ACCESS:
            self.files.complain(log.refused)

    def _ends_within_a_line(self, known: Known) -> bool:
        if not known.segments:
            return False
        return not store.ends_a_line(self.target.storage, known)

    def _identify_stream(self, log: Log, now: float) -> bool:
        """What comes through a pipe is always new: it cannot be read twice."""
        buffer = log.tail.buffer
        if not buffer.ready and not log.final:
            return False
        lines = buffer.take(source.HEAD, final=log.final)[: source.HEAD]
        log.kind = log.fitting.kind_of(lines)
        self._complain(log)
        line = self.options.identity(log.kind, source.line_of(lines))
        ids = (source.source_id(log.host, line, ordinal) for ordinal in range(1 << 30))
        taken = {other.source_id for other in self.logs}
        log.source_id = next(i for i in ids if i not in taken and self.writer.is_new(log.kind, i))
        log.since = now
        return False

    def _cut(self, log: Log, now: float) -> None:
        """Begin again with a file that is no longer what was read of it."""
        fresh = self.files.add(log.tail.again(), now)
        fresh.left, fresh.rotated = log.left, log.rotated
        if log.source_id is None:
            self.files.forget(log)
            self.files.open[fresh.tail.file] = fresh
            return
        log.cut = True
        fresh.formats = log.formats
        self.succession.cut(log, fresh.tail.size, now)
        self.next_scan = 0.0

    # What has ended.

    def _account(self) -> None:
        now = self.clock()
        try:
            self.succession.end_searches(self.logs, self.writer.offset_now, now, self.archives)
        except StoreError as error:
            self.files.complain(error)
        for log in list(self.logs):
            if log.cut:
                if not log.ready and all(
                    s.generation.source_id != log.source_id for s in self.succession.searches
                ):
                    self.files.forget(log)
            elif log.left is not None and not log.ready:
                if log.tail.found.path is None:
                    self.files.settle(log)
                elif now - log.grew >= GRACE and now - log.left >= GRACE:
                    self._end(log, now)
        self.writer.tell()

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
            self.files.settle(log)

    # Into the store.

    def _commit_if_due(self, *, more: bool) -> bool:
        """Commit if something has waited long enough, or there is much; say whether more is waiting.

        With ``more`` to read at once that is read first: one large commit costs less than two.
        """
        now = self.clock()
        ready = self._ready()
        if not ready:
            return False
        oldest = min(now if log.since is None else log.since for log in ready)
        full = any(self.room[log.kind, log.held] <= 0 for log in ready)
        if not full and (more or now - oldest < self.options.flush_interval):
            return False
        return self.writer.commit(ready)

    def _ready(self) -> list[Log]:
        now, waits = self.clock(), self.succession.must_wait
        return [
            log
            for log in self.logs
            if log.ready and self.writer.may_write(log.kind)
            if not waits(log, self.logs, now, self.archives)
        ]

    def _measure_room(self) -> None:
        """Tell how many bytes may be read.

        A kind of log that cannot be stored takes no room of the other, and what has to wait none of
        what it waits for.
        """
        now = self.clock()
        self.room = {(kind, held): self.options.segment_bytes for kind in LogKind for held in (False, True)}
        for log in self.logs:
            log.held = log.ready and self.succession.must_wait(log, self.logs, now, self.archives)
            self.room[log.kind, log.held] -= len(log.tail.buffer)

    def _lag(self) -> Lag:
        now = self.clock()
        waited = [now - log.since for log in self.logs if log.since is not None]
        behind = sum(
            log.tail.buffer.whole if log.cut else max(0, log.tail.size - log.tail.stored)
            for log in self.logs
            if log.waiting is None
        )
        return Lag(len(self.files.open), behind, max(waited, default=0.0))

    # The end.

    def _finish(self) -> bool:
        """Store what was read, and for some seconds what is still to be read; say whether that worked.

        What is left then is in the logs: the next follower goes on with it.
        """
        until = self.clock() + FINISH
        self.writer.try_again()
        failures = self.writer.failures
        while True:
            now = self.clock()
            self._measure_room()
            more = False
            for log in list(self.logs):
                if log.source_id is not None and not log.cut and now < until:
                    more |= self._look(log, now)
            ready = self._ready()
            if ready:
                self.writer.commit(ready)
            if not ready and (not more or self.writer.failures > failures):
                break
        self.writer.tell()
        return not self.succession.told and self.writer.failures <= failures
