"""`lpaudit ingest`: source → framing → logformat → normalise → store, one input after another.

Each input is recognised by its content, read on from the first byte that is not stored,
and committed some segments at a time. What another writer commits meanwhile is skipped.
"""

import os
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from zoneinfo import ZoneInfo

from deltalake import DeltaTable

from lpaudit import fitting, source, store
from lpaudit.core import line_count
from lpaudit.errors import LpauditError, OffsetConflict, SourceError, StoreError
from lpaudit.model import (
    IngestResult,
    Known,
    LogFormat,
    LogKind,
    Observer,
    Provenance,
    Segment,
    SourceResult,
)
from lpaudit.pseudonyms import Pseudonyms, agree
from lpaudit.reading import AccessReading, Reading, identity, is_kept_alike, kept
from lpaudit.recognise import recognise_any
from lpaudit.rows import EXAMPLES, Rows
from lpaudit.schema import tables
from lpaudit.veil import Veiled, veiled
from lpaudit.visible import visible

COMPACT_EVERY = 100
"""Commits after which a compaction is started on the side."""

TOGETHER = 8
"""Pieces of a file that are committed together: a commit costs as much as some thousand lines.

The first one is committed alone, then two are, then four: what stops early, or finds no room, has
stored something.
"""

_ATTEMPTS = 20  # how often a source that other writers keep moving on is looked at again


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What the user asked of an ingest.

    ``format_of`` says an access log's format by its label, ``kind`` which log of lighttpd's
    the inputs are; None: it is told from the lines. ``former`` are formats that older lines may be in;
    ``format_now`` says the format anew, as ``format_of`` did.
    ``host`` is None if not told. ``flush_interval`` is how many seconds lines may wait for
    more. ``leave``: symbolic links may lead out of a directory. ``stopping`` ends a pipe
    before its end; ``compact`` is called now and then while one brings its lines. ``fingerprint_key``
    is what secrets' fingerprints are made with; None: they have none. ``pseudonyms`` stand for people; None:
    there are none.
    """

    host: str | None
    format_of: Callable[[str], LogFormat | None] | None
    timezone: ZoneInfo
    segment_bytes: int
    kind: LogKind | None = None
    flush_interval: float = 1.0
    final: bool = False
    dry_run: bool = False
    leave: bool = False
    stopping: Callable[[], bool] = lambda: False
    compact: Callable[[], object] = lambda: None
    fingerprint_key: bytes | None = None
    pseudonyms: Pseudonyms | None = None
    former: tuple[LogFormat, ...] = ()
    format_now: Callable[[str], LogFormat | None] | None = None

    def identity(self, kind: LogKind, line: bytes) -> bytes:
        """Return what a new source is known by, of its first line."""
        return identity(kind, line, veiled=self.pseudonyms is not None)

    def host_of(self, found: source.Input) -> str | None:
        """Return the host that was told for an input: by its path, or for all."""
        return found.host or self.host


def ingest(
    root: str,
    arguments: Sequence[str],
    options: IngestOptions,
    observer: Observer,
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
) -> IngestResult:
    """Read every input to its end and store what is new.

    An input that fails does not stop the others: it is an error in the result. What stops
    everything (a store that cannot be written) is raised.
    """
    inputs = list(source.discover(arguments, leave=options.leave))
    if not any(isinstance(i, source.Input) for i in inputs):
        return IngestResult(tuple(_failed(None, e) for e in inputs if isinstance(e, SourceError)))
    if options.dry_run:
        target = store.find_store(root)
        if target is not None:
            agreed(target, options.pseudonyms, None)
    else:
        target = open_for_writing(root, observer, unique, options.pseudonyms)
    formats = store.formats(target) if target else {}
    results = []
    for found in inputs:
        if isinstance(found, SourceError):
            result = _failed(None, found)
        else:
            result = OneInput(target, formats, found, options, observer, now, unique).run()
        observer.source_finished(result)
        results.append(result)
    for kind in LogKind if target is not None and not options.dry_run else ():
        if target is not None and (table := target.table(kind.table)) is not None:
            store.remember(target, table, store.mark_file(target, os.environ, kind))
    return IngestResult(tuple(results))


def open_for_writing(
    root: str, observer: Observer, unique: Callable[[], str], pseudonyms: Pseudonyms | None = None
) -> store.Store:
    """Open a store, or create it; put a torn commit aside, and give alarm if the store was rolled back.

    Raises StoreError; ConfigError if its ``pseudonyms`` are others.
    """
    existed = store.find_store(root) is not None
    target = store.create_store(root)
    agreed(target, pseudonyms, unique)
    for name in tables():
        torn = store.set_aside_torn(target, name, unique())
        if torn is not None:
            observer.alarm(
                StoreError(
                    f"the last commit of {name} was torn, as by a power cut; it was moved to {torn}",
                    hint="what it held is read again from the logs",
                )
            )
    for kind in LogKind if existed else ():
        mark = store.read_mark(store.mark_file(target, os.environ, kind))
        told = store.rolled_back(target, kind, target.table(kind.table), mark) if mark is not None else None
        if told is not None:
            observer.alarm(
                StoreError(
                    f"the store {target.location} was rolled back: {told}",
                    hint="if you restored a copy: ingest again every log since then, also the rotated ones",
                )
            )
    return target


def agreed(target: store.Store, pseudonyms: Pseudonyms | None, unique: Callable[[], str] | None) -> None:
    """Have a store hold pseudonyms of one key (``pseudonyms.agree``). Raises ConfigError, StoreError."""
    try:
        agree(target.storage, pseudonyms, unique)
    except OSError as error:
        raise store.cannot_write(target.location, error) from error


def _failed(label: str | None, error: LpauditError) -> SourceResult:
    return SourceResult(label or "", error=error.message, hint=error.hint)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A piece of a source; ``continued``: it begins with the rest of a line."""

    data: bytes
    source_id: str
    offset: int
    line_number: int
    continued: bool


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is stored of a piece: its bytes without secrets, and its rows, if it is read as ``reading``.

    ``alike``: its bytes are the same whatever it is read as. Then nothing else of it is in memory.
    """

    taken: _Taken
    reading: Reading
    data: bytes
    segment: Segment
    rows: Rows
    alike: bool


class OneInput:
    """One input on its way into the store, to its end."""

    def __init__(
        self,
        target: store.Store | None,
        formats: dict[str, LogFormat],
        found: source.Input,
        options: IngestOptions,
        observer: Observer,
        now: Callable[[], datetime],
        unique: Callable[[], str],
    ) -> None:
        self.target = target
        self.formats = formats  # that the store has lines of, by name
        self.input = found
        self.options = options
        self.host = options.host_of(found)
        self.observer = observer
        self.now = now
        self.unique = unique
        self.name = visible(found.label)  # in messages: a line end in it must not forge a line
        self.result = SourceResult(found.label)
        self.refused: SourceError | None = None  # why what was told says nothing of it
        self.position = 0  # how far the input agrees with what is stored
        self.reading: Reading | None = None  # how its newest lines are read

    def run(self) -> SourceResult:
        """Read it. What is wrong with it is in the result; what is wrong with the store is raised."""
        try:
            told, self.refused = fitting.told_format(self.input, self.options.format_of)
            self.fitting = fitting.Fitting(
                self.input,
                told,
                self.options.kind,
                self.formats,
                self.options.timezone,
                self.options.former,
                self.options.format_now,
            )
            reader = source.open_reader(self.input, self.options.stopping)
        except LpauditError as error:
            return _failed(self.input.label, error)
        try:
            self.observer.source_opened(self.input.label, reader.size())
            self._read(reader)
        except fitting.NotALog as skipped:
            self.result = replace(self.result, note=str(skipped))
        except SourceError as error:
            self.result = replace(self.result, error=error.message, hint=error.hint)
        finally:
            reader.close()
        return self.result

    def _read(self, reader: source.Reader) -> None:
        final = self.options.final or reader.final
        lines = source.first_lines(reader, final=final)
        if not lines:
            head = reader.read(1 << 16)
            if b"\0" in head:
                raise fitting.binary(self.input, 1)
            note = "no whole line yet" if head else "empty"
            self.result = replace(self.result, held_back=len(head), note=note)
            self._complain(reader)
            return
        stuck, offset = 0, -1
        while stuck < _ATTEMPTS:
            known = self._recognise(reader, lines)
            table = self._table()
            stuck, offset = (stuck + 1 if known.offset == offset else 0), known.offset
            try:
                self._go_on(reader, known, table)
            except OffsetConflict:
                # Another process reads the same source. Look again; what it has committed is skipped.
                if not reader.restartable:
                    break
                reader.restart()
            else:
                return
        raise SourceError(
            f"another lpaudit is storing the same lines of {self.name}",
            hint="run the same command again when it is done",
        )

    def _table(self) -> DeltaTable | None:
        if self.target is None:
            return None
        name = self.kind.table
        return (
            self.target.table(name) if self.options.dry_run else self.target.create_table(name, self.unique())
        )

    def _recognise(self, reader: source.Reader, lines: bytes) -> Known:
        opened = ((kind, self.target.table(kind.table)) for kind in LogKind) if self.target else ()
        tables = {kind: table for kind, table in opened if table is not None}
        self.kind, known, self.position, alike = recognise_any(
            reader,
            self.target,
            tables,
            self.host,
            source.line_of(lines),
            lambda: self.fitting.kind_of(lines),
            self.options.identity,
        )
        if self.refused is not None and self.kind is LogKind.ACCESS:
            raise self.refused
        self.result = replace(self.result, kind=self.kind)
        if known.segments:
            self.fitting.check_kind(self.kind)
        else:
            note = "begins like another source, but goes on differently" if alike else None
            self.result = replace(self.result, note=note)
        return known

    def _go_on(self, reader: source.Reader, known: Known, table: DeltaTable | None) -> None:
        """Store what comes after what is stored."""
        if self.result.source_id is None:
            self.result = replace(
                self.result,
                source_id=known.source_id,
                already_stored=known.offset,
                already_lines=known.line_number,
            )
        if self.position < known.offset:
            self._complain(reader)
            return
        if reader.compression is not None:
            reader.check()
            if reader.damage is not None and not reader.damage.truncated:
                self._complain(reader)
            reader.restart()
            reader.skip(known.offset)
        reader.forget()
        self._store_rest(reader, known, table)

    def _store_rest(self, reader: source.Reader, known: Known, table: DeltaTable | None) -> None:
        final = self.options.final or reader.final
        framing = source.Framing(
            reader, self.options.segment_bytes, final=final, patience=self.options.flush_interval
        )
        self.reading = None
        # Of a file the next piece is made ready while one is written; what a pipe brings is waited for.
        file = reader.position is not None
        taken = self._taken(framing, known)
        with closing(source.ahead(taken) if file else taken) as coming:
            pieces = self._fitting(coming, known, reader)
            number, together = 0, 1
            while self._store(islice(pieces, together), table):
                number += 1
                if file:
                    together = min(2 * together, TOGETHER)
                elif number % COMPACT_EVERY == 0:
                    self.options.compact()
        self._complain(reader)
        self.result = replace(self.result, held_back=framing.held_back)

    def _store(self, pieces: Iterable[_Ready], table: DeltaTable | None) -> bool:
        """Commit pieces together. False: there were none."""
        done: list[tuple[Reading, Segment, Rows]] = []

        def each() -> Iterator[store.Piece]:
            for piece in pieces:
                yield store.Piece(piece.segment, piece.data, piece.rows)
                done.append((piece.reading, piece.segment, piece.rows))

        if self.target is None or table is None or self.options.dry_run:
            for piece in each():
                for _ in piece.rows:
                    pass
        else:
            store.append(self.target, table, each(), self.unique())
        for reading, segment, rows in done:
            self._count(reading, segment, rows)
        return bool(done)

    def _taken(self, framing: source.Framing, known: Known) -> Generator[_Ready]:
        """Yield pieces, ready to be stored if they are read as those before, which is as good as certain."""
        offset, line_number, continued = known.offset, known.line_number, self._is_continued(known)
        for data in framing.pieces():
            taken = _Taken(data, known.source_id, offset, line_number, continued)
            if self.reading is None:
                self.reading = self._chosen(data, known, known.formats)
            ready = self._ready(taken, self.reading)
            ready.rows.begin()
            offset, line_number = offset + len(data), line_number + line_count(data)
            continued = not data.endswith(b"\n")
            del data, taken  # while it waits, a piece is in memory once
            yield ready

    def _fitting(self, pieces: Iterable[_Ready], known: Known, reader: source.Reader) -> Iterator[_Ready]:
        """Yield pieces, each read as fits what those before it were found to be in."""
        own = known.formats
        for number, piece in enumerate(pieces):
            ready = piece
            if number:
                self.reading = self._chosen(piece.taken.data, known, own)
                if self.reading != piece.reading:
                    ready = self._read_as(self.reading, piece)
            yield ready
            if reader.position is not None:
                self.observer.bytes_read(self.input.label, reader.position)
            formats = ready.rows.formats
            own = formats + tuple(name for name in own if name not in formats)

    def _chosen(self, data: bytes, known: Known, own: tuple[str, ...]) -> Reading:
        return self.fitting.choose(data, self.kind, own, self.reading, begun=bool(known.segments))

    def _ready(self, piece: _Taken, reading: Reading) -> _Ready:
        """Return a piece as it is stored, and its rows."""
        data = kept(reading, piece.data, self.options.fingerprint_key, continued=piece.continued)
        hidden = veiled(reading, data, self.options.pseudonyms)
        segment = Segment.of(piece.source_id, piece.offset, hidden.data)
        rows = self._rows(reading, piece, segment, hidden)
        plain = self.options.pseudonyms is None and self.options.format_now is None
        alike = plain and is_kept_alike(reading)
        taken = replace(piece, data=hidden.data) if alike else piece
        return _Ready(taken, reading, hidden.data, segment, rows, alike)

    def _read_as(self, reading: Reading, piece: _Ready) -> _Ready:
        """Return a piece in another reading. What is redacted already is never redacted again."""
        if not piece.alike:
            return self._ready(piece.taken, reading)
        rows = self._rows(reading, piece.taken, piece.segment, Veiled(piece.data, {}))
        return replace(piece, reading=reading, rows=rows)

    def _rows(self, reading: Reading, piece: _Taken, segment: Segment, hidden: Veiled) -> Rows:
        where = self._provenance(reading, segment, piece.line_number)
        return Rows(reading, hidden.data, where, partial(self._remember, reading), hidden.names)

    def _is_continued(self, known: Known) -> bool:
        """Whether what comes next is the rest of an error log's line whose start is stored."""
        if self.kind is LogKind.ACCESS or self.target is None or not known.segments:
            return False
        return not store.ends_a_line(self.target.storage, known)

    def _remember(self, reading: Reading, name: str) -> None:
        if self.target is not None and not self.options.dry_run:
            remember(self.target, self.formats, reading, name, self.now(), self.unique)

    def _provenance(self, reading: Reading, segment: Segment, line_number: int) -> Provenance:
        return Provenance(
            source=self.input.label,
            segment=segment,
            host_name=self.host or socket.gethostname(),
            ingest_time=self.now(),
            log_format=reading.name,
            byte_offset=segment.start,
            line_number=line_number + 1,
        )

    def _count(self, reading: Reading, segment: Segment, rows: Rows) -> None:
        room = EXAMPLES - len(self.result.reject_examples)
        self.result = replace(
            self.result,
            lines=self.result.lines + rows.lines,
            rejected=self.result.rejected + rows.rejected,
            bytes_read=self.result.bytes_read + segment.end - segment.start,
            log_format=rows.formats[0] if rows.formats else reading.name,
            reject_examples=self.result.reject_examples + tuple(rows.examples[:room]),
        )
        self.observer.segment_committed(self.input.label, segment, rows.lines, rows.rejected)

    def _complain(self, reader: source.Reader) -> None:
        """Raise SourceError if the input is damaged; what was stored of it is right."""
        if reader.damage is None:
            return
        if reader.damage.truncated:
            lines = 0 if self.options.dry_run else self.result.lines
            kept = f"; lines stored before that: {lines:,}" if lines else ""
            raise SourceError(
                f"cannot read {self.name} to its end: {reader.damage.reason}{kept}",
                hint="when the file is whole, run the same command again: it goes on from there",
            )
        raise SourceError(
            f"cannot read {self.name}: {reader.damage.reason}; nothing of it was stored",
            hint="get a good copy of the file: `gzip -t` or `zstd -t` tell whether it is one",
        )


def remember(
    target: store.Store,
    formats: dict[str, LogFormat],
    reading: Reading,
    name: str,
    now: datetime,
    unique: Callable[[], str],
) -> None:
    """Keep a format before the first line that is read with it: its name alone would say nothing."""
    if isinstance(reading, AccessReading) and name not in formats:
        store.append_format(target, reading.format(name), now, unique())
        formats[name] = reading.format(name)
