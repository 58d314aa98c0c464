"""A few columns of a table, a group of rows at a time: a source may have more than there is memory for.

Text stays in the dictionaries that it was written with: what is said of many rows is then decoded once.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_SOURCE = "source_id"


def read_groups(dataset: Any, names: Sequence[str], source_id: str | None = None) -> Iterator[pa.Table]:
    """Yield columns of every group of rows, in order; with a source, of its rows alone.

    Raises OSError or ArrowException.
    """
    text = [name for name in (*names, _SOURCE) if pa.types.is_string(dataset.schema.field(name).type)]
    for file in dataset.files:
        with pq.ParquetFile(file, filesystem=dataset.filesystem, read_dictionary=text) as parquet:
            for group in range(parquet.num_row_groups):
                mine = source_id is None or _holds(parquet.metadata.row_group(group), source_id)
                if mine is None:
                    rows = parquet.read_row_group(group, columns=[*names, _SOURCE])
                    yield rows.filter(pc.equal(rows.column(_SOURCE), source_id)).select(names)
                elif mine:
                    yield parquet.read_row_group(group, columns=list(names))


def _holds(group: pq.RowGroupMetaData, source_id: str) -> bool | None:
    """Tell whether a group's rows are a source's, all of them or none; None if only they can tell."""
    columns = (group.column(i) for i in range(group.num_columns))
    bounds = next(column.statistics for column in columns if column.path_in_schema == _SOURCE)
    if bounds is None or not bounds.has_min_max:
        return None
    if bounds.min <= source_id <= bounds.max:
        return True if bounds.min == bounds.max else None
    return False
