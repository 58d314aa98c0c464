"""How columns are written to Parquet: so that DuckDB reads them soonest, and they take the least room."""

from collections.abc import Collection
from typing import Any

import pyarrow as pa

_RISING = {
    "line_id": "DELTA_BYTE_ARRAY",
    **dict.fromkeys(
        ("byte_offset", "line_number", "event_start", "event_end", "time"), "DELTA_BINARY_PACKED"
    ),
}
"""Those that rise, or nearly so: what each adds to the one before takes a few bits, and hardly any is there
twice, so that a dictionary would have all of them in it."""


def columns(schema: pa.Schema, plain: Collection[str] = ()) -> dict[str, Any]:
    """Return how a writer is to write columns of these names; ``plain`` are those not worth a dictionary."""
    coded = [path for field in schema if field.name not in {*_RISING, *plain} for path in _paths(field)]
    rising = {name: encoding for name, encoding in _RISING.items() if name in schema.names}
    return {"compression": "zstd", "use_dictionary": coded, "column_encoding": rising}


def _paths(field: pa.Field) -> list[str]:
    if pa.types.is_map(field.type):
        return [f"{field.name}.key_value.{part}" for part in ("key", "value")]
    return [field.name]
