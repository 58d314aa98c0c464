"""Entries → rows of their table: the declared columns, every one, with their provenance."""

import polars as pl
import pyarrow as pa

from lpaudit.model import Provenance
from lpaudit.schema import TYPES, tables


def normalise(name: str, columns: pl.DataFrame, lengths: pl.Series, where: Provenance) -> pa.Table:
    """Return the rows of a block of lines for the table ``name``, in the order of the lines.

    ``columns`` and ``lengths`` are a block's entries, ``where`` describes its first line.
    """
    table = tables()[name]
    height = len(lengths)
    offsets = lengths.cum_sum().shift(1, fill_value=0) + where.byte_offset
    rows = columns.with_columns(
        line_id=pl.lit(where.segment.source_id + "-") + offsets.cast(pl.String).str.zfill(15),
        source=pl.lit(where.source),
        source_id=pl.lit(where.segment.source_id),
        byte_offset=offsets,
        byte_length=lengths,
        line_number=pl.int_range(where.line_number, where.line_number + height, dtype=pl.Int64),
        segment=pl.lit(where.segment.name),
        host_name=pl.lit(where.host_name),
        ingest_time=pl.lit(where.ingest_time).cast(pl.Datetime("us", "UTC")),
        log_format=pl.lit(where.log_format),
        schema_version=pl.lit(table.version),
    )
    arrays = []
    for field in table.fields:
        if field.name not in rows.columns:
            arrays.append(pa.nulls(height, TYPES[field.type]))
        elif field.type == "map":
            arrays.append(_map(rows[field.name]))
        else:
            arrays.append(rows[field.name].to_arrow().cast(TYPES[field.type]))
    return pa.Table.from_arrays(arrays, schema=table.arrow)


def _map(column: pl.Series) -> pa.MapArray:
    """List(Struct(key, value)) → map; a null list stays null."""
    lists = column.to_arrow()
    values = lists.flatten()
    lengths = column.list.len()
    offsets = lengths.fill_null(0).cum_sum().cast(pl.Int32)
    starts = pa.array([0, *offsets.to_list()], pa.int32())
    keys, items = (values.field(i).cast(pa.string()) for i in (0, 1))
    mask = column.is_null().to_arrow()
    return pa.MapArray.from_arrays(starts, keys, items, mask=mask)
