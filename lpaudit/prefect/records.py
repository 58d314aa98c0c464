"""Prefect's records → rows: what is dropped, the bytes that are hashed, the columns.

A column's value is found by the path that the table's schema gives; the record is kept beside it,
without what the schema drops at any depth: values that may be secrets never reach a disk.
"""

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from lpaudit.prefect.collections import instant
from lpaudit.schema import TYPES, Field, Table


class NotARecordError(Exception):
    """What Prefect does not write, in words."""


def without(value: Any, names: Collection[str]) -> Any:
    """Return a JSON value without the keys ``names``, at any depth."""
    if isinstance(value, dict):
        return {key: without(inner, names) for key, inner in value.items() if key not in names}
    if isinstance(value, list):
        return [without(inner, names) for inner in value]
    return value


def document(table: Table, record: dict[str, Any]) -> str:
    """Return what is kept of a record, as JSON. Raises NotARecordError."""
    try:
        return json.dumps(without(record, table.drop), ensure_ascii=False, sort_keys=True)
    except RecursionError as error:
        raise NotARecordError("it is nested too deeply") from error


def joined(documents: Iterable[str]) -> bytes:
    """Return documents as one JSON array, a line each: the bytes of a snapshot. Raises NotARecordError."""
    try:
        return ("[" + ",\n".join(documents) + "]\n").encode()
    except UnicodeEncodeError as error:
        raise NotARecordError(str(error)) from error


def checked(records: object) -> list[dict[str, Any]]:
    """Return ``records`` if it is a list of records. Raises NotARecordError."""
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and isinstance(r.get("id"), str) for r in records
    ):
        raise NotARecordError("it is not an array of records with an id")
    return records


def rows(table: Table, records: list[dict[str, Any]], snapshot_id: str, fetched_at: datetime) -> pa.Table:
    """Return a snapshot's rows, with exactly the columns of ``table``. Raises NotARecordError."""
    given = {"snapshot_id": snapshot_id, "fetched_at": fetched_at}
    try:
        columns = [
            pa.array([given.get(f.name) or _value(table, f, record) for record in records], TYPES[f.type])
            for f in table.fields
        ]
    except (pa.ArrowException, UnicodeEncodeError) as error:
        raise NotARecordError(str(error)) from error
    return pa.Table.from_arrays(columns, schema=table.arrow)


def rows_of_data(table: Table, data: bytes, snapshot_id: str, fetched_at: datetime) -> pa.Table:
    """Return the rows of a snapshot's own bytes. Raises NotARecordError."""
    return rows(table, json.loads(data), snapshot_id, fetched_at)


def _value(table: Table, field: Field, record: dict[str, Any]) -> object:
    if field.name == "document":
        return document(table, record)
    value: object = record
    for key in field.json:
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        return None
    if field.type == "instant":
        try:
            return instant(value)
        except ValueError as error:
            raise NotARecordError(f"{field.name} is {value!r}, not a time") from error
    if field.type == "boolean":
        return bool(value)
    if field.type == "integer":
        if isinstance(value, int):
            return value
        raise NotARecordError(f"{field.name} is {value!r}, not a whole number")
    return value if isinstance(value, str) else json.dumps(value)
