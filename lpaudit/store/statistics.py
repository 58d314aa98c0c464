"""Rows → the bounds of their columns, as a Delta commit states them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


class Statistics:
    """A Delta add action's statistics: readers skip files by them, so they must be right."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = tuple(columns)
        self.rows = 0
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}
        self._nulls: dict[str, int] = dict.fromkeys(self._columns, 0)

    def add(self, table: pa.Table) -> None:
        """Count rows in."""
        self.rows += table.num_rows
        for name in self._columns:
            column = table.column(name)
            self._nulls[name] += column.null_count
            if pa.types.is_dictionary(column.type):
                column = pc.unique(column).dictionary_decode()
            bounds = pc.min_max(column).as_py()
            if bounds["min"] is not None:
                self._low[name] = min(self._low.get(name, bounds["min"]), bounds["min"])
                self._high[name] = max(self._high.get(name, bounds["max"]), bounds["max"])

    def json(self) -> str:
        """Return them as Delta writes them."""
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": {k: _plain(v) for k, v in self._low.items()},
                "maxValues": {k: _plain(v) for k, v in self._high.items()},
                "nullCount": self._nulls,
            }
        )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value
