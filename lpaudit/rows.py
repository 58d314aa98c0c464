"""A segment's bytes → its rows, block by block, counted on their way to the store."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import source
from lpaudit.core import line_ends
from lpaudit.model import Provenance
from lpaudit.reading import Reading
from lpaudit.veil import named

if TYPE_CHECKING:
    from datetime import datetime

BLOCK = 16 << 20
"""Bytes that are parsed at once, about: each block takes some milliseconds, however small it is."""

_AHEAD = 2
"""Blocks that are parsed while another one is written: polars and pyarrow let other threads run meanwhile."""

_SMALL = 1 << 20
"""Bytes of a piece that is parsed faster than handed to another thread."""

_TIMES = ("event_end", "event_start", "time")

EXAMPLES = 3
"""Rejected lines that are shown."""


@cache
def _pool(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 -- a child has none of its parent's threads
    """Return the thread that parses: it stays, because it keeps the expressions that it has compiled.

    One is enough: beside it others write, compress and look for secrets.
    """
    return ThreadPoolExecutor(1)


def _nobody(name: str) -> None:
    pass


class Rows:
    """The rows of one piece: made while they are iterated over, so that memory stays flat.

    ``where`` describes the piece's first line. ``met`` is told of every format that lines are
    in, before they are handed out. ``names`` are pseudonyms, by the column that they are for.
    ``lines``, ``rejected`` and ``examples`` count what has been handed out; ``last_time`` is the
    latest time of a line among it, ``formats`` what its lines are in, the newest first.
    """

    def __init__(
        self,
        reading: Reading,
        piece: bytes,
        where: Provenance,
        met: Callable[[str], object] = _nobody,
        names: Mapping[str, pa.Array] = MappingProxyType({}),
    ) -> None:
        self._reading = reading
        self._piece = piece
        self._where = where
        self._met = met
        self._names = names
        self._rest = self._blocks()
        self._parsing: deque[Future[pa.Table]] = deque()
        self.formats: tuple[str, ...] = ()
        self.lines = 0
        self.rejected = 0
        self.examples: list[tuple[int, str, str]] = []
        self.last_time: datetime | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield a table a block, in order."""
        for read in self._tables():
            rows = named(read, self._names, self.lines)
            self._note_rejects(rows)
            self._note_formats(rows)
            times = (pc.max(rows.column(name)).as_py() for name in _TIMES if name in rows.column_names)
            self.last_time = max((t for t in (self.last_time, *times) if t is not None), default=None)
            self.lines += rows.num_rows
            yield rows

    def begin(self) -> None:
        """Have the first blocks parsed on the side already. Of a small piece nothing is gained."""
        while len(self._piece) > _SMALL and len(self._parsing) < _AHEAD:
            block = next(self._rest, None)
            if block is None:
                break
            self._parsing.append(_pool(os.getpid()).submit(self._reading.rows, *block))

    def _tables(self) -> Iterator[pa.Table]:
        if len(self._piece) <= _SMALL:
            yield from (self._reading.rows(block, where) for block, where in self._rest)
            return
        try:
            self.begin()
            while self._parsing:
                rows = self._parsing.popleft().result()
                self.begin()
                yield rows
        finally:
            for future in self._parsing:
                future.cancel()
            self._piece = b""  # what has been counted is kept for longer than memory is to be held

    def _blocks(self) -> Iterator[tuple[bytes, Provenance]]:
        """Yield each block with what describes its first line."""
        where, before = self._where, b""
        for block in source.blocks(self._piece, BLOCK):
            where = replace(
                where,
                byte_offset=where.byte_offset + len(before),
                line_number=where.line_number + line_ends(before),
            )
            yield block, where
            before = block

    def _note_formats(self, rows: pa.Table) -> None:
        """Note the formats of lines, of good ones in their order."""
        names = rows.column("log_format")
        different = pc.unique(names).to_pylist()
        for name in different:
            self._met(name)
        if "reject_reason" in rows.column_names and rows.column("reject_reason").null_count < len(names):
            names = names.filter(rows.column("reject_reason").is_null())
            different = pc.unique(names).to_pylist()
        if len(different) > 1:
            last = {name: pc.max(pc.indices_nonzero(pc.equal(names, name))).as_py() for name in different}
            different.sort(key=lambda name: last[name])
        for name in different:
            self.formats = (name, *(other for other in self.formats if other != name))

    def _note_rejects(self, rows: pa.Table) -> None:
        if "reject_reason" not in rows.column_names:
            return
        reasons = rows.column("reject_reason")
        count = rows.num_rows - reasons.null_count
        self.rejected += count
        if count and len(self.examples) < EXAMPLES:
            columns = [rows.column(name) for name in ("line_number", "reject_reason", "raw")]
            for place in pc.indices_nonzero(reasons.is_valid())[:EXAMPLES]:
                number, reason, raw = (column[place.as_py()].as_py() for column in columns)
                self.examples.append((number, reason, raw))
