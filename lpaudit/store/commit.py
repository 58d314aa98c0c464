"""Rows and offsets in one transaction: the checkpoint is the commit.

The order of an append, and what a crash leaves at each step:
1. the segments' files, synced and renamed       → files that no row names: harmless
2. the Parquet file, synced and renamed          → a file that no commit names: harmless
   (its rows are made while the segments are compressed, but its name comes last)
3. the Delta commit: the Parquet file is added and each source's offset moves, atomically
4. the log entry synced, then acknowledged       → at worst the commit is undone by a power
   cut, and the lines are read again

A Delta application transaction is atomic with the data but not idempotent by itself (the
same version may be written again), so the offset is always read from the very handle that
commits: a handle that is stale by then is refused by delta-rs as a concurrent transaction.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lpaudit.errors import OffsetConflict, StoreError
from lpaudit.model import Known, Segment
from lpaudit.schema import UNIQUE, Table, tables
from lpaudit.store import parquet
from lpaudit.store.purged import purged
from lpaudit.store.segment import write_segment
from lpaudit.store.statistics import Statistics
from lpaudit.store.tables import STATISTICS, Store, cannot_read, name_of
from lpaudit.store.transaction import commit_file

_ROW_GROUP = 1 << 16
"""Rows that are written together, at least: each group of rows costs something in every column."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment, its bytes, and its rows: they are iterated over once, when they are written."""

    segment: Segment
    data: bytes
    rows: Iterable[pa.Table]


def known(store: Store, table: DeltaTable, source_id: str) -> Known | None:
    """Return what the table holds of a source, as seen by the handle that will commit; None if nothing.

    Raises StoreError if rows and offset disagree.
    """
    offset = store.offset(table, source_id)
    if offset is None:
        return None
    dataset = store.dataset(name_of(table), table, source_id, dictionaries=("segment", "log_format"))
    columns = ["segment", "line_number", "log_format"]
    mine = pc.field("source_id") == source_id
    try:
        # A batch at a time: a source may have more lines than there is memory for.
        batches = dataset.to_batches(columns=columns, filter=mine) if dataset is not None else ()
        parts = [_last_lines(batch) for batch in batches]
    except (OSError, pa.ArrowException) as error:
        raise cannot_read(store.location, error) from error
    rows = _last(pl.concat(parts)).iter_rows() if parts else ()
    gone = purged(store, name_of(table), source_id)
    last = {segment: (one.line_number, one.log_format) for segment, one in gone.items()}
    last |= {Segment.from_name(name): (number, used) for name, number, used in rows}
    found = sorted((segment, number, used) for segment, (number, used) in last.items())
    if not found or found[-1][0].end != offset:
        raise StoreError(
            f"the store {store.location} is damaged: source {source_id} was read up to byte {offset}, "
            f"but its rows end at {found[-1][0].end if found else 0}",
            hint="keep it as it is, and restore a copy beside it",
        )
    formats = dict.fromkeys(name for _, _, name in reversed(found))
    return Known(source_id, tuple(s for s, _, _ in found), found[-1][1], tuple(formats), gone)


def _last_lines(batch: pa.RecordBatch) -> pl.DataFrame:
    batch.validate(full=True)  # polars takes it that a text is UTF-8, and a damaged one may not be
    return _last(pl.DataFrame(batch))


def _last(rows: pl.DataFrame) -> pl.DataFrame:
    """Return each segment's last line: its number, and the format it was read with."""
    last = rows.group_by("segment").agg(pl.col("line_number").max(), pl.col("log_format").last())
    return last.cast({"segment": pl.String, "log_format": pl.String})


def append(store: Store, table: DeltaTable, pieces: Iterable[Piece], unique: str) -> None:
    """Commit pieces of one or several sources, all of them or none; ``unique`` names the file.

    Each is asked for when those before it are written. Pieces of the same source follow each other.
    Raises OffsetConflict if another writer has committed bytes of one of the sources, StoreError if the
    store cannot be written.
    """
    rest = iter(pieces)
    begun = list(islice(rest, 1))
    if not begun:
        return
    first = begun[0].segment
    before: dict[str, int | None] = {}
    ends: dict[str, int] = {}

    def fitting() -> Iterator[Piece]:
        for piece in chain(_drained(begun), rest):
            segment = piece.segment
            if segment.source_id not in before:
                before[segment.source_id] = store.offset(table, segment.source_id)
            if segment.start != ends.get(segment.source_id, before[segment.source_id] or 0):
                raise _moved_on((segment.source_id,))
            ends[segment.source_id] = segment.end
            yield piece

    name = name_of(table)
    file = f"part-{first.source_id}-{first.start:016d}-{unique}.parquet"

    def write(path: Path) -> tuple[str, dict[str, str]]:
        with ThreadPoolExecutor(1) as pool:
            return _write_rows(path, name, _compressed(store, fitting(), unique, pool))

    try:
        commit_file(store, table, name, file, write, ends, unique)
    except OffsetConflict as conflict:
        if conflict.source_ids:
            raise
        store.refresh(table)
        moved = (source_id for source_id in ends if store.offset(table, source_id) != before[source_id])
        raise _moved_on(tuple(moved)) from conflict


def _drained(pieces: list[Piece]) -> Iterator[Piece]:
    """Yield pieces, and hold them no longer: each takes as much memory as what it is made of."""
    while pieces:
        yield pieces.pop(0)


def _compressed(store: Store, pieces: Iterable[Piece], unique: str, pool: Executor) -> Iterator[Piece]:
    """Yield each piece, and write its segment while its rows are written."""
    writing: Future[None] | None = None
    for piece in pieces:
        if writing is not None:
            writing.result()
        writing = pool.submit(write_segment, store.storage, piece.segment, piece.data, unique)
        yield piece
    if writing is not None:
        writing.result()


def _moved_on(source_ids: tuple[str, ...]) -> OffsetConflict:
    names = ", ".join(source_ids) or "a source"
    return OffsetConflict(f"{names}: moved on", hint="run the same command again", source_ids=source_ids)


def _write_rows(file: Path, name: str, pieces: Iterable[Piece]) -> tuple[str, dict[str, str]]:
    """Write the rows as they come, and return their statistics and what the commit says of each piece."""
    statistics = Statistics(STATISTICS[name])
    told: list[dict[str, str | int]] = []
    waiting: list[pa.Table] = []
    declared = tables()[name]
    with pq.ParquetWriter(file, declared.travelling, **_parquet(name)) as writer:
        writer.add_key_value_metadata(_said(declared))
        for piece in pieces:
            before = statistics.rows
            for table in piece.rows:
                statistics.add(table)
                waiting.append(table)
                del table  # the next one is made meanwhile
                if sum(rows.num_rows for rows in waiting) >= _ROW_GROUP:
                    writer.write_table(_together(waiting))
                    waiting.clear()
            told.append({**asdict(piece.segment), "lines": statistics.rows - before})
        if waiting:
            writer.write_table(_together(waiting))
    return statistics.json(), {"segments": json.dumps(told)}


def _together(parts: Sequence[pa.Table]) -> pa.Table:
    """Return rows as one row group: its texts have the same numbers everywhere."""
    return pa.concat_tables(parts).unify_dictionaries()


def _said(table: Table) -> dict[str | bytes, str | bytes]:
    """Return what a file says of itself: the rows' columns as declared, not as they travel."""
    schema = table.arrow
    return {**schema.metadata, b"ARROW:schema": base64.b64encode(schema.serialize())}


@cache
def _parquet(name: str) -> dict[str, Any]:
    """Return how a table's columns are written."""
    # A dictionary of these takes longer to make than they take to write.
    return {
        **parquet.columns(tables()[name].arrow, plain=UNIQUE),
        "store_schema": False,  # the declared one is added
        "compression_level": 1,
        "write_batch_size": _ROW_GROUP,
        # Bounds of other columns would rule out no group of rows: every hour has every user.
        "write_statistics": ["line_id", "line_number", *STATISTICS[name]],
    }
