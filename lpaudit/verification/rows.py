"""Rows ↔ the bytes they were read from: all are counted, and some or all are read again."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import store
from lpaudit.errors import FormatError, LpauditError, StoreError
from lpaudit.logformat import compile_layout
from lpaudit.model import LogFormat, LogKind, Provenance, Segment, Select
from lpaudit.pseudonyms import COLUMNS, PATTERN
from lpaudit.reading import SHOWN_VEIL, AccessReading, ErrorReading, Reading
from lpaudit.rows import Rows
from lpaudit.store import Store
from lpaudit.verification.finding import Finding, What
from lpaudit.verification.log import Table
from lpaudit.verification.purges import Gone

_COUNTS = """
select segment, count(*) as lines, min(byte_offset) as first, max(byte_offset + byte_length) as last,
    sum(byte_length)::bigint as bytes, count(distinct line_id) as ids
from {table} group by segment
"""
_TOGETHER = 1 << 25
"""Bytes of a log whose rows are read at once, so that small segments do not cost a file each."""


def read_counts(table: Table, gone: Gone, select: Select) -> Iterator[Finding]:
    """Compare, for every segment, its rows with its lines and bytes. One that was purged may have none."""
    named = {piece.segment.name: piece for piece in table.pieces}
    rows = select(_COUNTS.format(table=table.name), {}).to_pylist()
    for row in rows:
        piece = named.pop(row["segment"], None)
        if piece is None:
            yield Finding(
                What.ADDED,
                row["segment"],
                f"{row['lines']:,} rows of {table.name} name it, and no commit does",
            )
            continue
        size = piece.segment.end - piece.segment.start
        expected = (piece.lines, piece.segment.start, piece.segment.end, size, piece.lines)
        if (row["lines"], row["first"], row["last"], row["bytes"], row["ids"]) != expected:
            text = (
                f"{table.name} has {row['lines']:,} rows of {row['bytes']:,} bytes of it, "
                f"and {piece.lines:,} lines of {size:,} bytes were stored"
            )
            yield Finding(What.DIFFERENT, row["segment"], text)
    for name, piece in named.items():
        if name in gone.leaves:
            continue
        yield Finding(What.MISSING, name, f"{table.name} has no row of its {piece.lines:,} lines")


def sampled(tables: Iterable[Table], gone: Gone, number: int | None, seed: str) -> list[tuple[str, Segment]]:
    """Return segments with their tables: all, or ``number`` of them, in the order of SHA-256(seed, name).

    Anybody can draw the same sample. Those that were purged are not among them.
    """
    pieces = ((table.name, piece.segment) for table in tables for piece in table.pieces)
    every = [pair for pair in pieces if pair[1].name not in gone.leaves]
    every.sort(key=lambda pair: sha256(f"{seed}\n{pair[1].name}".encode()).digest())
    return sorted(every if number is None else every[:number])


def runs(drawn: Iterable[tuple[str, Segment]]) -> Iterator[tuple[str, list[Segment]]]:
    """Yield what of a sample follows each other in a table and a source, some at a time."""
    table, run = "", list[Segment]()
    for name, segment in drawn:
        follows = run and (name, segment.source_id, segment.start) == (table, run[0].source_id, run[-1].end)
        if run and not (follows and segment.end - run[0].start <= _TOGETHER):
            yield table, run
            run = []
        table = name
        run.append(segment)
    if run:
        yield table, run


def read_again(
    target: Store, table: store.Table | None, name: str, run: list[Segment], formats: dict[str, LogFormat]
) -> Iterator[Finding]:
    """Read the lines of segments that follow each other again, and compare every value of every row."""
    try:
        stored = _stored(target, table, name, run)
    except (LpauditError, pa.ArrowException, OSError) as error:
        if len(run) == 1:
            yield Finding(What.UNREADABLE, run[0].name, str(error))
        else:  # which of them?
            for segment in run:
                yield from read_again(target, table, name, [segment], formats)
        return
    offsets = pl.Series(stored.column("byte_offset"))
    for segment in run:
        first, last = (int(offsets.search_sorted(offset)) for offset in (segment.start, segment.end))
        yield from _compare(target, name, segment, stored.slice(first, last - first), formats)


def _compare(
    target: Store, name: str, segment: Segment, rows: pa.Table, formats: dict[str, LogFormat]
) -> Iterator[Finding]:
    kind = next(kind for kind in LogKind if kind.table == name)
    try:
        data = store.read_segment(target.storage, segment)
        again = _again(kind, data, segment, rows, formats)
    except (LpauditError, pa.ArrowException, OSError) as error:
        yield Finding(What.UNREADABLE, segment.name, str(error))
        return
    if again.num_rows != rows.num_rows:
        text = f"its bytes are {again.num_rows:,} lines, and {name} has {rows.num_rows:,} rows"
        yield Finding(What.DIFFERENT, segment.name, text)
        return
    for column in rows.column_names:
        told, found = rows.column(column), again.column(column)
        if column in COLUMNS[name]:
            told = _hidden(told, found)
        if not told.equals(found):
            place = next(i for i, (a, b) in enumerate(zip(told, found, strict=True)) if not a.equals(b))
            line = rows.column("line_id")[place]
            yield Finding(What.DIFFERENT, f"{name}/{line}", f"its {column} is not what its line says")


def _hidden(told: pa.ChunkedArray, found: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as its bytes are read again where it has pseudonyms: they do not say whose."""
    pseudonyms = pc.match_substring_regex(told, PATTERN)
    hidden = pc.match_substring_regex(found, f"^{SHOWN_VEIL}+$")
    return pc.if_else(pc.fill_null(pc.and_(pseudonyms, hidden), fill_value=False), found, told)


def _stored(target: Store, table: store.Table | None, name: str, run: list[Segment]) -> pa.Table:
    dataset = target.dataset(name, table, run[0].source_id)
    if dataset is None:
        raise StoreError(f"{name} has no rows")
    inside = (
        (pc.field("source_id") == run[0].source_id)
        & (pc.field("byte_offset") >= run[0].start)
        & (pc.field("byte_offset") < run[-1].end)
    )
    return _in_order(dataset.to_table(filter=inside)).combine_chunks()


def _in_order(rows: pa.Table) -> pa.Table:
    """Return rows as their lines follow each other; as a rule they do, and sorting copies all of them."""
    return rows if pl.Series(rows.column("byte_offset")).is_sorted() else rows.sort_by("byte_offset")


def _again(
    kind: LogKind, data: bytes, segment: Segment, rows: pa.Table, formats: dict[str, LogFormat]
) -> pa.Table:
    """Return the rows as they are read now: of each format that the stored ones are in, its lines."""
    parts = []
    names = pc.unique(rows.column("log_format")).to_pylist()
    for name in names:
        mine = rows.filter(pc.equal(rows.column("log_format"), name)) if len(names) > 1 else rows
        first = mine.slice(0, 1).to_pylist()[0]
        where = Provenance(
            source=first["source"],
            segment=segment,
            host_name=first["host_name"],
            ingest_time=first["ingest_time"],
            log_format=name,
            byte_offset=segment.start,
            line_number=pc.min(rows.column("line_number")).as_py(),
        )
        read = pa.concat_tables(Rows(_reading(kind, name, first, formats), data, where))
        if len(names) > 1:
            read = read.filter(
                pc.is_in(read.column("byte_offset"), mine.column("byte_offset").combine_chunks())
            )
        parts.append(read)
    again = _in_order(pa.concat_tables(parts)) if parts else rows.slice(0, 0)
    return again.select(rows.column_names).cast(rows.schema).combine_chunks()


def _reading(kind: LogKind, name: str, first: dict[str, Any], formats: dict[str, LogFormat]) -> Reading:
    if kind is LogKind.ERROR:
        return ErrorReading(ZoneInfo(first["timezone"] or "UTC"))
    if name not in formats:
        raise FormatError("the store does not say what it is", name, 0)
    return AccessReading((compile_layout(formats[name]),))


def wanted(names: Sequence[str]) -> list[str]:
    """Return those of the tables that hold lines of logs."""
    return [kind.table for kind in LogKind if kind.table in names]
