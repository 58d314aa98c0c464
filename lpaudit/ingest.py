"""`lpaudit ingest`: source → framing → logformat → normalise → store, one input after another.

Each input is recognised by its content, read on from the first byte that is not stored,
and committed a segment at a time. What another writer commits meanwhile is skipped.
"""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import pyarrow as pa
from deltalake import DeltaTable

from lpaudit import logformat, source, store
from lpaudit.errors import ConfigError, LpauditError, OffsetConflict, SourceError
from lpaudit.logformat import Layout
from lpaudit.logformat.parse import MAX_LINE, match_count
from lpaudit.model import (
    IngestResult,
    Known,
    LogFormat,
    Observer,
    Provenance,
    Segment,
    SourceResult,
)
from lpaudit.normalise import normalise
from lpaudit.visible import visible

BLOCK = 4 << 20
"""Bytes that are parsed at once: 1 and 16 MiB were slower or hungrier."""

_SAMPLE = 1 << 20  # bytes of a source that its format is told by
_ATTEMPTS = 20  # how often a source that other writers keep moving on is looked at again
_EXAMPLES = 3
_ERROR_LOG = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: \([\w.]+\.c\.\d+\) ")


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What the user asked of an ingest.

    ``log_format`` is None to tell it from the lines; ``host`` is None if not told.
    ``format_of``, if there, says an input's format by the input's name instead.
    """

    host: str | None
    log_format: LogFormat | None
    timezone: ZoneInfo
    segment_bytes: int
    final: bool = False
    dry_run: bool = False
    format_of: Callable[[str], LogFormat | None] | None = None


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
    inputs = list(source.discover(arguments))
    if not any(isinstance(i, source.Input) for i in inputs):
        return IngestResult(tuple(_failed(None, e) for e in inputs if isinstance(e, SourceError)))
    target = store.find_store(root) if options.dry_run else store.create_store(root)
    formats = store.formats(target) if target else {}
    results = []
    for found in inputs:
        if isinstance(found, SourceError):
            result = _failed(None, found)
        else:
            result = _Ingest(target, formats, found, options, observer, now, unique).run()
        observer.source_finished(result)
        results.append(result)
    return IngestResult(tuple(results))


def _failed(label: str | None, error: LpauditError) -> SourceResult:
    return SourceResult(label or "", error=error.message, hint=error.hint)


class _NotALog(Exception):
    """A file in a directory that has every right to be there, but is no access log."""


class _Ingest:
    """One input on its way into the store."""

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
        self.observer = observer
        self.now = now
        self.unique = unique
        self.name = visible(found.label)  # in messages: a line end in it must not forge a line
        self.result = SourceResult(found.label)
        self.position = 0  # how far the input agrees with what is stored

    def run(self) -> SourceResult:
        try:
            self._tell_format()
            reader = source.open_reader(self.input)
        except LpauditError as error:
            return _failed(self.input.label, error)
        try:
            self.observer.source_opened(self.input.label, reader.size())
            self._read(reader)
        except _NotALog as skipped:
            self.result = replace(self.result, note=str(skipped))
        except SourceError as error:
            self.result = replace(self.result, error=error.message, hint=error.hint)
        finally:
            reader.close()
        return self.result

    def _tell_format(self) -> None:
        if self.options.format_of is None:
            return
        try:
            told = self.options.format_of(self.input.label)
        except ConfigError:
            if self.input.named:
                raise
            told = None  # a directory holds other files, too: the error log, for one
        self.options = replace(self.options, log_format=told)

    def _read(self, reader: source.Reader) -> None:
        final = self.options.final or reader.final
        line = source.first_line(reader, final=final)
        if not line:
            head = reader.read(1 << 16)
            if b"\0" in head:
                raise self._binary(1)
            note = "no whole line yet" if head else "empty"
            self.result = replace(self.result, held_back=len(head), note=note)
            self._complain(reader)
            return
        stuck, offset = 0, -1
        while stuck < _ATTEMPTS:
            table = self._table()
            known = self._recognise(reader, table, line)
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
        name = "access_event"
        return (
            self.target.table(name) if self.options.dry_run else self.target.create_table(name, self.unique())
        )

    def _recognise(self, reader: source.Reader, table: DeltaTable | None, line: bytes) -> Known:
        """Return the source that the input is, and move the reader past what is stored of it.

        The reader stands before ``known.offset`` where the input ends within what is stored.
        """
        target = self.target
        ordinal = 0
        while True:
            reader.keep_for_restart()
            source_id = source.source_id(self.options.host, line, ordinal)
            known = store.known(target, table, source_id) if target and table else None
            if target is None or known is None:
                note = "begins like another source, but goes on differently" if ordinal else None
                self.result = replace(self.result, note=note)
                self.position = 0
                return Known(source_id)
            position = source.holds(reader, known, partial(store.read_segment, target.storage))
            if position is not None:
                self.position = position
                return known
            reader.restart()
            ordinal += 1

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
        framing = source.Framing(reader, self.options.segment_bytes, final=final)
        layout: Layout | None = None
        offset, line_number = known.offset, known.line_number
        for piece in framing:
            layout = self._layout(piece, known, layout)
            segment = Segment.of(known.source_id, offset, piece)
            rows = _Rows(layout, segment, piece, self._provenance(layout, segment, line_number))
            if self.target is None or table is None or self.options.dry_run:
                for _ in rows:
                    pass
            else:
                self._remember(self.target, layout.log_format)
                store.append(self.target, table, [store.Piece(segment, piece, rows)], self.unique())
            offset, line_number = segment.end, line_number + rows.lines
            self._count(layout, segment, rows)
            if reader.position is not None:
                self.observer.bytes_read(self.input.label, reader.position)
        self._complain(reader)
        self.result = replace(self.result, held_back=framing.held_back)

    def _remember(self, target: store.Store, log_format: LogFormat) -> None:
        """Keep a format before the first line that is read with it: its name alone would say nothing."""
        if log_format.name not in self.formats:
            store.append_format(target, log_format, self.now(), self.unique())
            self.formats[log_format.name] = log_format

    def _provenance(self, layout: Layout, segment: Segment, line_number: int) -> Provenance:
        return Provenance(
            source=self.input.label,
            segment=segment,
            host_name=self.options.host or socket.gethostname(),
            ingest_time=self.now(),
            log_format=layout.log_format.name,
            byte_offset=segment.start,
            line_number=line_number + 1,
        )

    def _count(self, layout: Layout, segment: Segment, rows: "_Rows") -> None:
        room = _EXAMPLES - len(self.result.reject_examples)
        self.result = replace(
            self.result,
            lines=self.result.lines + rows.lines,
            rejected=self.result.rejected + rows.rejected,
            bytes_read=self.result.bytes_read + segment.end - segment.start,
            log_format=layout.log_format.name,
            reject_examples=self.result.reject_examples + tuple(rows.examples[:room]),
        )
        self.observer.segment_committed(self.input.label, segment, rows.lines, rows.rejected)

    def _complain(self, reader: source.Reader) -> None:
        """Raise SourceError if the input is damaged; what was stored of it is right."""
        if reader.damage is None:
            return
        if reader.damage.truncated:
            kept = counted_lines(self.result.lines)
            raise SourceError(
                f"cannot read {self.name} to its end: {reader.damage.reason}{kept}",
                hint="when the file is whole, run the same command again: it goes on from there",
            )
        raise SourceError(
            f"cannot read {self.name}: {reader.damage.reason}; nothing of it was stored",
            hint="get a good copy of the file: `gzip -t` or `zstd -t` tell whether it is one",
        )

    def _layout(self, piece: bytes, known: Known, current: Layout | None) -> Layout:
        """Choose the format that a piece is read with. Raises SourceError if it fits none of its lines.

        Where nothing was told, the source's own format comes first, and a piece that fits no
        line of it may be in another. Lines in the middle of a source are never refused: what
        its format does not fit is in quarantine.
        """
        told = self.options.log_format
        if told and current:
            return current
        sample = _sample(piece)
        if not self.input.named and not known.segments and _ERROR_LOG.match(sample):
            raise _NotALog("lighttpd's error log, not an access log: skipped")
        own = known.log_format or ""
        candidates = [told] if told else self._candidates(own)
        layouts = [current] if current else []
        layouts += [logformat.compile_layout(candidate) for candidate in candidates]
        best, most, readable = layouts[0], 0, 0
        for layout in layouts:
            matched, readable = match_count(layout, sample, plausible=told is None)
            if matched > most:
                best, most = layout, matched
            if most == readable:
                break
        in_the_middle = current is not None or best.log_format.name == own
        if most or not readable or in_the_middle:
            return best
        raise self._wrong_format(sample, told)

    def _candidates(self, own: str) -> list[LogFormat]:
        """Return the formats that lines may be in, the source's own first."""
        presets = [preset.log_format(self.options.timezone) for preset in logformat.PRESETS.values()]
        stored = [self.formats[own]] if own in self.formats else []
        return stored + [preset for preset in presets if preset.name != own]

    def _wrong_format(self, sample: bytes, told: LogFormat | None) -> SourceError:
        lines = sample.split(b"\n")
        number, text = next((i, line) for i, line in enumerate(lines, 1) if line.strip())
        shown = text[:160].decode("utf-8", "backslashreplace")
        if b"\0" in sample:
            return self._binary(number)
        if told is None:
            names = ", ".join(logformat.PRESETS)
            return SourceError(
                f"{self.name} is in none of the known formats ({names}); line {number} reads:\n  {shown}",
                hint="give its accesslog.format with --log-format; `lpaudit doctor` proposes one",
            )
        fits = self._fitting(sample)
        return SourceError(
            f"{self.name} is not in the format {told.name}; line {number} does not match it:\n"
            f"  {shown}\n  expected: {told.format_string}",
            hint=f"it looks like the format {fits}: --log-format {fits}"
            if fits
            else "check accesslog.format",
        )

    def _binary(self, number: int) -> SourceError:
        return SourceError(
            f"{self.name} is not a log: line {number} holds NUL bytes",
            hint="name the access log itself; compressed logs may be gzip, zstd, bzip2 or xz",
        )

    def _fitting(self, sample: bytes) -> str | None:
        for preset in logformat.PRESETS.values():
            layout = logformat.compile_layout(preset.log_format(self.options.timezone))
            if match_count(layout, sample)[0]:
                return preset.name
        return None


def _sample(piece: bytes) -> bytes:
    """Return a piece's first block that has a line which could be read."""
    for block in source.blocks(piece, _SAMPLE):
        if any(line.strip() and len(line) < MAX_LINE for line in block.split(b"\n")):
            return block
    return piece[:_SAMPLE]


def counted_lines(count: int) -> str:
    """Say what was kept of an input that is damaged."""
    return f"; the {count:,} lines before that are stored" if count else ""


class _Rows:
    """The rows of a segment, block by block, counted on their way to the store."""

    def __init__(self, layout: Layout, segment: Segment, piece: bytes, where: Provenance) -> None:
        self._layout = layout
        self._piece = piece
        self._where = where
        self._start = segment.start
        self.lines = 0
        self.rejected = 0
        self.examples: list[tuple[int, str, str]] = []

    def __iter__(self) -> Iterator[pa.Table]:
        where, offset = self._where, self._start
        for block in source.blocks(self._piece, BLOCK):
            parsed = logformat.parse(self._layout, block)
            here = replace(where, byte_offset=offset, line_number=where.line_number + self.lines)
            rows = normalise(parsed.columns, parsed.lengths, here)
            self._note_rejects(rows)
            offset += len(block)
            self.lines += rows.num_rows
            yield rows

    def _note_rejects(self, rows: pa.Table) -> None:
        reasons = rows.column("reject_reason")
        count = rows.num_rows - reasons.null_count
        self.rejected += count
        if count and len(self.examples) < _EXAMPLES:
            bad = rows.filter(reasons.is_valid()).slice(0, _EXAMPLES)
            columns = (bad.column(n).to_pylist() for n in ("line_number", "reject_reason", "raw"))
            self.examples += list(zip(*columns, strict=True))
