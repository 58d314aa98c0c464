"""Recorded answers of Prefect's API, a JSON array a file → snapshots, one a table.

A file is named after what it holds (``flow_runs.json``, ``events.json.gz``), as the table's
schema says. A column's value is found by the path that the schema gives; the whole record
is kept beside it, so nothing that Prefect said is lost.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from lpaudit.errors import DumpError
from lpaudit.schema import TYPES, Field, Table, tables

_HINT = "a dump holds flow_runs.json, task_runs.json, … (or .json.gz): one array of records each"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The records of one file. ``id`` is the SHA-256 of the file's decompressed bytes."""

    table: str
    id: str
    rows: pa.Table


def read_dump(folder: Path, fetched_at: datetime) -> Iterator[Snapshot]:
    """Yield a snapshot for each table whose file is in ``folder``.

    Raises DumpError if the folder holds none of them, or a file is not what it should be.
    """
    if not folder.is_dir():  # also one that may not be looked into
        raise DumpError(f"{folder} is not a directory", hint=_HINT)
    found = False
    for table in tables().values():
        if table.dump is None:
            continue
        for path in (folder / f"{table.dump}.json", folder / f"{table.dump}.json.gz"):
            if path.is_file():
                found = True
                yield _snapshot(table, path, fetched_at)
                break
    if not found:
        raise DumpError(f"{folder} holds no recorded answers", hint=_HINT)


def _snapshot(table: Table, path: Path, fetched_at: datetime) -> Snapshot:
    data = _read(path)
    try:
        records = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DumpError(f"{path} is not JSON: {error}", hint=_HINT) from error
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and isinstance(r.get("id"), str) for r in records
    ):
        raise DumpError(f"{path} is not an array of records with an id", hint=_HINT)
    snapshot_id = sha256(data).hexdigest()
    try:
        columns = [
            pa.array([_value(table, f, r, snapshot_id, fetched_at, path) for r in records], TYPES[f.type])
            for f in table.fields
        ]
    except (pa.ArrowException, UnicodeEncodeError) as error:
        raise DumpError(f"{path} holds what Prefect does not write: {error}", hint=_HINT) from error
    return Snapshot(table.name, snapshot_id, pa.Table.from_arrays(columns, schema=table.arrow))


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DumpError(f"cannot read {path}: {error}", hint="is the file whole?") from error


def _value(
    table: Table, field: Field, record: dict[str, Any], snapshot_id: str, fetched_at: datetime, path: Path
) -> object:
    if field.name == "snapshot_id":
        return snapshot_id
    if field.name == "fetched_at":
        return fetched_at
    if field.name == "document":
        kept = {key: value for key, value in record.items() if key not in table.drop}
        return json.dumps(kept, ensure_ascii=False, sort_keys=True)
    value: object = record
    for key in field.json:
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        return None
    return _typed(field, value, path)


def _typed(field: Field, value: object, path: Path) -> object:
    if field.type == "instant":
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise DumpError(f"{path}: {field.name} is {value!r}, not a time", hint=_HINT) from error
        # Prefect reads and writes naive times as UTC.
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if field.type == "boolean":
        return bool(value)
    return value if isinstance(value, str) else json.dumps(value)
