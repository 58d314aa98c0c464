"""A follower's way into the store: what logs have → one commit; and what to do when that fails."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from lpaudit import fitting, store
from lpaudit.errors import OffsetConflict, SourceError, StoreError
from lpaudit.files import Files
from lpaudit.followed import Log, Surroundings
from lpaudit.ingest import COMPACT_EVERY, IngestOptions, remember
from lpaudit.model import Gap, LogFormat, LogKind, Observer, Provenance, Segment
from lpaudit.reading import Reading, kept
from lpaudit.rows import Rows
from lpaudit.source import Stream
from lpaudit.succession import Succession
from lpaudit.veil import veiled

STALE = 60.0
"""Seconds after which the table is opened anew: others may have moved its log of commits on, far."""

_RETRIES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds to wait after a failure, and after the next ones


_Taken = tuple[Log, store.Piece, Rows]
"""What was taken from a log for a commit."""


@dataclass(slots=True)
class _Way:
    """How one kind of log stands with its table: what is wrong with one does not hold up the other.

    ``table`` is None until it is needed, or has to be opened anew. Nothing is written before
    ``blocked`` (monotonic seconds); ``failures`` counts those since the last commit.
    """

    table: store.Table | None = None
    opened: float = 0.0
    blocked: float = 0.0
    failures: int = 0


class Writer:
    """Commits what logs have, and knows how far each source is stored."""

    def __init__(
        self,
        target: store.Store,
        formats: dict[str, LogFormat],
        options: IngestOptions,
        observer: Observer,
        around: Surroundings,
        files: Files,
        succession: Succession,
    ) -> None:
        self._target = target
        self._formats = formats
        self._options = options
        self._observer = observer
        self._now, self._clock, self._unique = around.now, around.clock, around.unique
        self._files = files
        self._succession = succession
        self._commits = 0
        self._ways = {kind: _Way() for kind in LogKind}
        self._records = _Way()  # into the tables of gaps and events
        self.table(LogKind.ACCESS)

    @property
    def failures(self) -> int:
        """How often it has failed since it last succeeded."""
        return sum(way.failures for way in (*self._ways.values(), self._records))

    def may_write(self, kind: LogKind) -> bool:
        """Whether there is a reason to believe that a commit will succeed now."""
        return self._clock() >= self._ways[kind].blocked

    def try_again(self) -> None:
        """Wait for nothing any more: it is the last chance."""
        for way in (*self._ways.values(), self._records):
            way.blocked = 0.0

    def commit(self, ready: Iterable[Log]) -> bool:
        """Commit what is ready, about a segment's worth of bytes; say whether more is waiting.

        A commit is one table's: of the kind of log that has waited longest.
        """
        began = self._clock()
        batch = self._batch(ready)
        if not batch:
            return False
        kind = batch[0][0].kind
        try:
            if began - self._ways[kind].opened > STALE:
                self._ways[kind].table = None
            store.append(self._target, self.table(kind), [piece for _, piece, _ in batch], self._unique())
        except OffsetConflict as conflict:
            try:
                if self._resync(kind, conflict.source_ids):
                    return True
            except StoreError as error:
                self.fail(kind, error)
                return False
            self.fail(kind, conflict)  # it was about something else
            return False
        except StoreError as error:
            self.fail(kind, error)
            return False
        self._ways[kind].opened = self._clock()
        self._committed(kind, batch, self._clock() - began)
        return any(log.ready for log, _, _ in batch)

    def _batch(self, ready: Iterable[Log]) -> list[_Taken]:
        """Take from each log what it has, the longest waiting first, until the segment is full.

        All of one kind.
        """
        batch: list[_Taken] = []
        room = self._options.segment_bytes
        for log in sorted(ready, key=lambda log: log.since or 0.0):
            if room <= 0:
                break
            if batch and log.kind is not batch[0][0].kind:
                continue
            data = log.tail.buffer.take(room, final=log.final)
            try:
                log.reading = log.fitting.choose(data, log.kind, log.formats, log.reading, begun=log.begun)
            except fitting.NotALog:
                self._files.refuse(log, None)
                continue
            except SourceError as error:
                self._files.refuse(log, error)
                continue
            data = kept(log.reading, data, self._options.fingerprint_key, continued=log.continued)
            hidden = veiled(log.reading, data, self._options.pseudonyms)
            segment = Segment.of(log.source_id or "", log.tail.stored, hidden.data)
            where = Provenance(
                source=log.label,
                segment=segment,
                host_name=log.key[1],
                ingest_time=self._now(),
                log_format=log.reading.name,
                byte_offset=segment.start,
                line_number=log.line_number + 1,
            )
            rows = Rows(log.reading, hidden.data, where, partial(self._remember, log.reading), hidden.names)
            room -= len(data)
            batch.append((log, store.Piece(segment, hidden.data, rows), rows))
        return batch

    def _committed(self, kind: LogKind, batch: Sequence[_Taken], seconds: float) -> None:
        self._ways[kind].failures = 0
        for log, piece, rows in batch:
            self._stored(log, piece, rows)
        self._observer.committed(
            len(batch),
            sum(rows.lines for _, _, rows in batch),
            sum(rows.rejected for _, _, rows in batch),
            sum(len(piece.data) for _, piece, _ in batch),
            seconds,
        )
        store.remember(self._target, self.table(kind), store.mark_file(self._target, os.environ, kind))
        self._commits += 1
        if self._commits % COMPACT_EVERY == 0:
            self._options.compact()

    def _remember(self, reading: Reading, name: str) -> None:
        remember(self._target, self._formats, reading, name, self._now(), self._unique)

    def _stored(self, log: Log, piece: store.Piece, rows: Rows) -> None:
        log.begun, log.conflicts = True, 0
        log.continued = not piece.data.endswith(b"\n")
        log.tail.buffer.drop(len(piece.data))
        log.line_number += rows.lines
        log.formats = rows.formats + tuple(name for name in log.formats if name not in rows.formats)
        log.last_time = rows.last_time or self._now()
        if not log.ready:
            log.since = None
        self._succession.stored(log)

    def table(self, kind: LogKind) -> store.Table:
        """Return the table that a kind of log is stored in. Raises StoreError."""
        way = self._ways[kind]
        if way.table is None:
            way.table = self._target.create_table(kind.table, self._unique())
            way.opened = self._clock()
        return way.table

    def tables(self) -> dict[LogKind, store.Table]:
        """Return the tables that can be opened now."""
        found = {}
        for kind, way in self._ways.items():
            with suppress(StoreError):  # whoever stores that kind of log says so
                if way.table is None and self._target.table(kind.table) is None:
                    continue
                found[kind] = self.table(kind)
        return found

    def offset_now(self, source_id: str) -> int:
        """Return how far a source is stored by now, whoever has stored it. Raises StoreError."""
        for way in self._ways.values():
            way.table = None
        return max(self._offset(kind, source_id) for kind in LogKind)  # a source is of one kind

    def _offset(self, kind: LogKind, source_id: str) -> int:
        """Return how far a source is stored, as was seen last."""
        if self._ways[kind].table is None and self._target.table(kind.table) is None:
            return 0
        return self._target.offset(self.table(kind), source_id) or 0

    def is_new(self, kind: LogKind, source_id: str) -> bool:
        """Whether nothing of a source is stored, as was seen last. Raises StoreError."""
        return not self._offset(kind, source_id)

    def fail(self, kind: LogKind, error: StoreError) -> None:
        """Wait, and look anew at what the store holds: a commit that failed may have been made."""
        self._wait(self._ways[kind], error)
        with suppress(StoreError):  # it is as it was: the next attempt says why
            self._resync(kind)

    def _wait(self, way: _Way, error: StoreError) -> None:
        delay = _RETRIES[min(way.failures, len(_RETRIES) - 1)]
        way.failures += 1
        way.blocked = self._clock() + delay
        self._observer.retrying(error, delay)

    def _resync(self, kind: LogKind, moved: Sequence[str] = ()) -> bool:
        """Read the offsets anew, and skip what others have stored of the same sources; say if they have.

        The one who loses waits ever longer: the other is doing its work. Raises StoreError.
        """
        self._ways[kind].table = None
        now, found = self._clock(), False
        for log in self._files.logs:
            if log.source_id is None or not log.active or log.kind is not kind:
                continue
            ahead = self._offset(kind, log.source_id) - log.tail.stored
            if ahead == 0:
                continue
            found = True
            if log.source_id in moved:
                pause = _RETRIES[min(log.conflicts, len(_RETRIES) - 1)]
                log.conflicts += 1
                log.look_at = now + pause
                if log.conflicts > 1:  # else it may be its archive, which is read beside it
                    error = OffsetConflict(
                        f"another lpaudit is storing the same lines of {log.label}",
                        hint="stop one of the two",
                    )
                    self._observer.retrying(error, pause)
            log.since = None
            if log.cut or isinstance(log.tail, Stream):
                self._skip(log, ahead)
            else:
                log.source_id, log.anew, log.reading = None, log.source_id, None
                log.tail.start_at(0)
        return found

    def _skip(self, log: Log, ahead: int) -> None:
        """Go on where the store ends with what cannot be read again. Raises StoreError."""
        known = store.known(self._target, self.table(log.kind), log.source_id or "")
        if known is None or ahead < 0:
            return
        log.tail.buffer.drop(min(ahead, len(log.tail.buffer)))
        log.begun, log.line_number, log.formats = True, known.line_number, known.formats
        log.continued = not store.ends_a_line(self._target.storage, known)

    def tell(self) -> None:
        """Record what has happened; what cannot be recorded now waits."""
        told = self._succession.told
        while told and self._clock() >= self._records.blocked:
            what = told[0]
            try:
                if isinstance(what, Gap):
                    if store.append_gap(self._target, what, self._unique()):
                        self._observer.gap_found(what)
                elif store.append_event(self._target, what, self._unique()):
                    self._observer.source_changed(what)
            except StoreError as error:
                self._wait(self._records, error)
            else:
                self._records.failures = 0
                del told[0]
