"""How a source's bytes are kept, and its lines read: the two kinds of lighttpd's logs in one shape."""

import re
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import compress

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import errorlog, logformat, source
from lpaudit.core.copies import exchange
from lpaudit.logformat import Layout
from lpaudit.model import LogFormat, LogKind, Provenance, RejectReason
from lpaudit.normalise import normalise
from lpaudit.redaction import MASK, VEIL
from lpaudit.schema import tables

_TIMES = re.compile(
    rb"(?<![0-9A-Za-z])(?:\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d|\d{10,})"
)

_UNREAD_REASONS = pa.array([str(RejectReason.NO_MATCH), str(RejectReason.INVALID_UTF8)])
"""Lines that another format may be able to read: JSON escapes leave bytes that are not UTF-8 as they are."""

SHOWN_VEIL = "~"
"""What a row has for each byte that is hidden because there is a pseudonym for it."""

ERRORLOG = "errorlog"
"""``log_format`` of the rows of error logs."""


@dataclass(frozen=True, slots=True)
class AccessReading:
    """The lines of an access log: each in the first of the formats that fits it.

    The first is the one that its newest lines are in.
    """

    layouts: tuple[Layout, ...]

    @property
    def name(self) -> str:
        """The first format's name: ``log_format`` of the rows that it reads, and of those that none does."""
        return self.layouts[0].log_format.name

    def format(self, name: str) -> LogFormat:
        """Return the format of that name. It is one of those that are tried."""
        return next(layout.log_format for layout in self.layouts if layout.log_format.name == name)

    def newest(self, name: str | None) -> "AccessReading":
        """Return the same with the format of that name first, if it is one of them."""
        first = [layout for layout in self.layouts if layout.log_format.name == name]
        return AccessReading((*first, *(layout for layout in self.layouts if layout not in first)))

    def rows(self, block: bytes, where: Provenance) -> pa.Table:
        """Return the rows of access_event for a block of redacted lines."""
        block = exchange(block, (MASK, b"*"), (VEIL, SHOWN_VEIL.encode()))
        rows = _read(self.layouts[0], block, where)
        left = _unread(rows, block, where) if len(self.layouts) > 1 else None
        for layout in self.layouts[1:]:
            if left is None:
                break
            before, rows = rows, _read_again(layout, rows, left, where)
            if rows is not before:
                left = _unread(rows, block, where)
        return rows


@dataclass(frozen=True, slots=True)
class _Unread:
    """Lines that another format may be able to read, and their places among the rows."""

    places: pa.UInt64Array
    lines: tuple[bytes, ...]


def _unread(rows: pa.Table, block: bytes, where: Provenance) -> _Unread | None:
    reasons = rows.column("reject_reason")
    rejected = pc.indices_nonzero(reasons.is_valid())
    places = rejected.filter(pc.is_in(reasons.take(rejected), _UNREAD_REASONS).combine_chunks())
    if not len(places):
        return None
    starts = pc.subtract(rows.column("byte_offset").take(places), where.byte_offset).to_pylist()
    lengths = rows.column("byte_length").take(places).to_pylist()
    lines = (block[start : start + length] for start, length in zip(starts, lengths, strict=True))
    return _Unread(places, tuple(lines))


def _read(layout: Layout, block: bytes, where: Provenance) -> pa.Table:
    parsed = logformat.parse(layout, block)
    return normalise("access_event", parsed.columns, parsed.lengths, where)


def _read_again(layout: Layout, rows: pa.Table, left: _Unread, where: Provenance) -> pa.Table:
    """Return ``rows`` with those that are in another format read in that."""
    if not any(line.startswith(layout.beginning) for line in left.lines):
        return rows
    fitting = logformat.fits(layout, b"".join(left.lines))
    if not any(fitting):
        return rows
    places = left.places.filter(pa.array(fitting))
    travelling, declared = rows.schema, tables()["access_event"].arrow
    rows = rows.cast(declared)  # rows that travel cannot be chosen from
    name = layout.log_format.name
    again = _read(layout, b"".join(compress(left.lines, fitting)), replace(where, log_format=name))
    again = again.cast(declared)
    for column in ("line_id", "byte_offset", "line_number"):  # what depends on a line's place
        index = again.schema.get_field_index(column)
        again = again.set_column(index, again.schema.field(index), rows.column(column).take(places))
    read = again.column("reject_reason").is_null()
    again, places = again.filter(read), places.filter(read.combine_chunks())
    others = pc.invert(pc.is_in(rows.column("byte_offset"), again.column("byte_offset").combine_chunks()))
    together = pa.concat_tables([rows.filter(others), again]).sort_by("byte_offset").combine_chunks()
    return together.cast(travelling)


@dataclass(frozen=True, slots=True)
class ErrorReading:
    """The lines of an error log, redacted; its times are local, of ``timezone``."""

    timezone: tzinfo
    name: str = ERRORLOG

    def rows(self, block: bytes, where: Provenance) -> pa.Table:
        """Return the rows of server_event for a block of lines."""
        return normalise("server_event", *errorlog.parse(block, self.timezone), where)


Reading = AccessReading | ErrorReading


def kept(reading: Reading, data: bytes, key: bytes | None, *, continued: bool = False) -> bytes:
    """Return what is stored of whole lines, and hashed: no secrets. As long as ``data``.

    ``key`` is what secrets' fingerprints are made with. ``continued``: it begins with the rest of an error
    log's line whose start is stored. What that would say of the rest cannot be known any more, so nothing
    of it is kept.
    """
    if isinstance(reading, AccessReading):
        return logformat.redact(logformat.redact_fields(reading.layouts, data, key), key)
    if not continued:
        return errorlog.redact(data, key)
    rest = source.line_of(data)
    end = len(rest.rstrip(b"\r\n"))
    return MASK * end + rest[end:] + errorlog.redact(data[len(rest) :], key)


def is_kept_alike(reading: Reading) -> bool:
    """Tell whether what is kept of lines is the same in whatever order formats are tried."""
    return isinstance(reading, ErrorReading) or not logformat.has_secrets(reading.layouts)


def identity(kind: LogKind, line: bytes, *, veiled: bool = False) -> bytes:
    """Return what of a source's first line it is known by: nothing that is redacted.

    Of an error log that is what no redaction touches, whatever its rules: the same log would be another one
    as soon as something else is redacted. An access log has no such part; its first line hardly ever holds
    a secret. ``veiled``: where people have pseudonyms, its times and its length only, as nobody should find
    out from the source's id, by trying, whose line it was. Logs that begin so alike are told apart by what
    follows.
    """
    if kind is LogKind.ERROR:
        return errorlog.identity(line)
    if not veiled:
        return logformat.redact(line)
    return b"lpaudit access log 1\0%s\0%d" % (b" ".join(_TIMES.findall(line)), len(line))


def identities(kind: LogKind, line: bytes) -> tuple[bytes, ...]:
    """Return what a source may be known by: its store may have begun with pseudonyms only later."""
    return tuple(dict.fromkeys(identity(kind, line, veiled=veiled) for veiled in (False, True)))
