"""Pieces of logs as an ingest hands them to the store, made in tests without an ingest."""

import uuid
from datetime import UTC, datetime

import pyarrow as pa

from lpaudit import logformat
from lpaudit.model import Provenance, Segment
from lpaudit.normalise import normalise
from lpaudit.store import Piece, Store, append

SOURCES = ("a" * 16, "b" * 16, "c" * 16)
NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
_LAYOUT = logformat.compile_layout(logformat.PRESETS["default"].log_format(UTC))


def lines(source_id: str, first: int, count: int) -> bytes:
    """Return lines of a log: no two are equal, and every seventh cannot be read."""
    return b"".join(
        b"garbage %d\n" % number
        if number % 7 == 6
        else b'192.0.2.%d gw alice [23/Nov/2026:10:%02d:%02d +0000] "GET /%s/%d HTTP/1.1" 200 7 "-" "curl"\n'
        % (number % 256, number // 60 % 60, number % 60, source_id[:2].encode(), number)
        for number in range(first, first + count)
    )


def rows_of(segment: Segment, data: bytes, first: int = 0) -> pa.Table:
    """Return a segment's rows; it has ``first`` lines before it."""
    parsed = logformat.parse(_LAYOUT, data)
    where = Provenance(
        f"/logs/{segment.source_id[0]}.log", segment, "gw", NOW, "default", segment.start, first + 1
    )
    return normalise("access_event", parsed.columns, parsed.lengths, where)


class Log:
    """A log that grows, piece by piece."""

    def __init__(self, source_id: str) -> None:
        self.source_id = source_id
        self.content = bytearray()
        self.segments: list[Segment] = []
        self.lines = 0

    def piece(self, count: int) -> Piece:
        """Return the next lines as a piece: it may be stored once."""
        data = lines(self.source_id, self.lines, count)
        segment = Segment.of(self.source_id, len(self.content), data)
        rows = rows_of(segment, data, self.lines)
        self.content += data
        self.segments.append(segment)
        self.lines += count
        return Piece(segment, data, iter([rows]))


def commit(store: Store, *pieces: Piece) -> None:
    """Append pieces with a handle of their own."""
    append(store, store.create_table("access_event", uuid.uuid4().hex), pieces, uuid.uuid4().hex)
