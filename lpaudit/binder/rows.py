"""A table → CSV for people and Parquet for programs, a piece at a time."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lpaudit import report
from lpaudit.binder.folder import Folder


def add_rows(folder: Folder, stem: str, pieces: Iterable[pa.Table]) -> int:
    """Write pieces of a table, of which there is one at least; return how many rows. Raises OSError."""
    given = map(_storable, pieces)
    first = next(given)
    csv, parquet = f"{stem}.csv", f"{stem}.parquet"
    rows = _write(folder.place(csv), folder.place(parquet), first.schema, chain([first], given))
    folder.rows |= {csv: rows, parquet: rows}
    return rows


def _write(csv: Path, parquet: Path, schema: pa.Schema, pieces: Iterator[pa.Table]) -> int:
    count = 0
    with csv.open("wb") as file, pq.ParquetWriter(parquet, schema, compression="zstd") as writer:

        def rows() -> Iterator[tuple[str, ...]]:
            nonlocal count
            for piece in pieces:
                writer.write_table(piece)
                count += piece.num_rows
                yield from report.table_texts(piece)

        for text in report.text_pieces(schema.names, rows()):
            file.write(text)
    return count


def _storable(table: pa.Table) -> pa.Table:
    """Return a table with intervals as texts: Parquet as Arrow writes it has no type for them."""
    for place, field in enumerate(table.schema):
        if pa.types.is_interval(field.type) or pa.types.is_duration(field.type):
            texts = [None if value is None else str(value) for value in table.column(place).to_pylist()]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table
