"""A segment's bytes → its rows, block by block, counted on their way to the store."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import logformat, source
from lpaudit.logformat import Layout
from lpaudit.model import Provenance
from lpaudit.normalise import normalise

if TYPE_CHECKING:
    from datetime import datetime

BLOCK = 4 << 20
"""Bytes that are parsed at once: 1 and 16 MiB were slower or hungrier."""

EXAMPLES = 3
"""Rejected lines that are shown."""


class Rows:
    """The rows of one piece: made while they are iterated over, so that memory stays flat.

    ``where`` describes the piece's first line. ``lines``, ``rejected`` and ``examples``
    count what has been handed out; ``last_time`` is the latest time of a line among it.
    """

    def __init__(self, layout: Layout, piece: bytes, where: Provenance) -> None:
        self._layout = layout
        self._piece = piece
        self._where = where
        self.lines = 0
        self.rejected = 0
        self.examples: list[tuple[int, str, str]] = []
        self.last_time: datetime | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield a table a block."""
        where, offset = self._where, self._where.byte_offset
        for block in source.blocks(self._piece, BLOCK):
            parsed = logformat.parse(self._layout, block)
            here = replace(where, byte_offset=offset, line_number=where.line_number + self.lines)
            rows = normalise(parsed.columns, parsed.lengths, here)
            self._note_rejects(rows)
            times = (pc.max(rows.column(name)).as_py() for name in ("event_end", "event_start"))
            self.last_time = max((t for t in (self.last_time, *times) if t is not None), default=None)
            offset += len(block)
            self.lines += rows.num_rows
            yield rows

    def _note_rejects(self, rows: pa.Table) -> None:
        reasons = rows.column("reject_reason")
        count = rows.num_rows - reasons.null_count
        self.rejected += count
        if count and len(self.examples) < EXAMPLES:
            bad = rows.filter(reasons.is_valid()).slice(0, EXAMPLES)
            columns = (bad.column(n).to_pylist() for n in ("line_number", "reject_reason", "raw"))
            self.examples += list(zip(*columns, strict=True))
