"""Entries → rows of their table: the declared columns, every one, with their provenance."""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.model import Provenance
from lpaudit.schema import TYPES, tables

_VIEWS = pl.CompatLevel.newest()  # texts as polars has them: Arrow copies them once


def normalise(name: str, columns: pl.DataFrame, lengths: pl.Series, where: Provenance) -> pa.Table:
    """Return the rows of a block of lines for the table ``name``, in the order of the lines.

    ``columns`` and ``lengths`` are a block's entries, ``where`` describes its first line.
    """
    table = tables()[name]
    height = len(lengths)
    offsets = (lengths.cum_sum().shift(1, fill_value=0) + where.byte_offset).to_arrow()
    constants = {
        "source": where.source,
        "source_id": where.segment.source_id,
        "segment": where.segment.name,
        "host_name": where.host_name,
        "ingest_time": where.ingest_time,
        "log_format": where.log_format,
        "schema_version": table.version,
    }
    numbers = pl.int_range(where.line_number, where.line_number + height, dtype=pl.Int64, eager=True)
    made = {
        "line_id": pc.binary_join_element_wise(
            where.segment.source_id, pc.ascii_lpad(offsets.cast(pa.string()), 15, "0"), "-"
        ),
        "byte_offset": offsets,
        "byte_length": lengths.to_arrow(),
        "line_number": numbers.to_arrow(),
    }
    nothing: dict[pa.DataType, pa.Array] = {}
    arrays = []
    for field in table.fields:
        kind = TYPES[field.type]
        if field.name in made:
            arrays.append(made[field.name])
        elif field.name in constants:
            arrays.append(pa.repeat(pa.scalar(constants[field.name], kind), height))
        elif field.name not in columns.columns or columns[field.name].null_count() == height:
            if kind not in nothing:
                nothing[kind] = pa.nulls(height, kind)
            arrays.append(nothing[kind])
        elif field.type == "map":
            arrays.append(_map(columns[field.name]))
        else:
            arrays.append(columns[field.name].to_arrow(compat_level=_VIEWS).cast(kind))
    return pa.Table.from_arrays(arrays, schema=table.arrow)


def _map(column: pl.Series) -> pa.MapArray:
    """List(Struct(key, value)) → map; a null list stays null."""
    lists = column.to_arrow()
    values = lists.flatten()
    lengths = column.list.len()
    ends = lengths.fill_null(0).cum_sum().cast(pl.Int32)
    starts = pl.concat([pl.Series([0], dtype=pl.Int32), ends]).to_arrow()
    keys, items = (values.field(i).cast(pa.string()) for i in (0, 1))
    mask = column.is_null().to_arrow()
    return pa.MapArray.from_arrays(starts, keys, items, mask=mask)
