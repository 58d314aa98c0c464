"""Entries → rows of their table: the declared columns, every one, with their provenance."""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.core import texts
from lpaudit.model import Provenance
from lpaudit.schema import tables

_VIEWS = pl.CompatLevel.newest()  # texts as polars has them
_DIGITS = 15  # of the offset in a line's identity
_ALIKE = 4  # where there are more different texts than one in so many rows, they are no few


def normalise(name: str, columns: pl.DataFrame, lengths: pl.Series, where: Provenance) -> pa.Table:
    """Return the rows of a block of lines for the table ``name``, in the order of the lines.

    ``columns`` and ``lengths`` are a block's entries, ``where`` describes its first line. The rows are as
    they travel (``schema.Table.travelling``).
    """
    table = tables()[name]
    schema = table.travelling
    height = len(lengths)
    offsets = (lengths.cum_sum() - lengths + where.byte_offset).to_arrow()
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
        "line_id": _identities(f"{where.segment.source_id}-", offsets),
        "byte_offset": offsets,
        "byte_length": lengths.to_arrow(),
        "line_number": numbers.to_arrow(),
    }
    same: dict[object, pa.Array] = {}  # columns that are alike are made once
    arrays = []
    for field, kind in zip(table.fields, schema.types, strict=True):
        if field.name in made:
            arrays.append(made[field.name])
        elif (
            field.name in constants
            or field.name not in columns.columns
            or columns[field.name].null_count() == height
        ):
            value = constants.get(field.name)
            if (kind, value) not in same:
                same[kind, value] = _alike(kind, value, height)
            arrays.append(same[kind, value])
        elif field.type == "map":
            arrays.append(_map(columns[field.name]))
        elif pa.types.is_dictionary(kind):
            arrays.append(_coded(columns[field.name].to_arrow(compat_level=_VIEWS)))
        else:
            arrays.append(columns[field.name].to_arrow(compat_level=_VIEWS).cast(kind))
    return pa.Table.from_arrays(arrays, schema=schema)


def _identities(prefix: str, offsets: pa.Array) -> pa.Array:
    found = texts.identities(prefix, _DIGITS, offsets)
    if found is not None:
        return found
    digits = pc.ascii_lpad(offsets.cast(pa.string()), _DIGITS, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _alike(kind: pa.DataType, value: object, height: int) -> pa.Array:
    """Return a column that has the same in every row."""
    if not pa.types.is_dictionary(kind):
        return pa.nulls(height, kind) if value is None else pa.repeat(pa.scalar(value, kind), height)
    codes = pa.nulls(height, pa.int32())
    if value is not None:
        codes = pa.Array.from_buffers(pa.int32(), height, [None, pa.py_buffer(bytes(4 * height))])
    known = pa.array([] if value is None else [value], pa.string())
    return pa.DictionaryArray.from_arrays(codes, known, safe=False)


def _coded(column: pa.Array) -> pa.DictionaryArray:
    """Return texts as numbers, and what these stand for."""
    found = texts.coded(column, max(256, len(column) // _ALIKE))
    return column.cast(pa.string()).dictionary_encode() if found is None else found


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
