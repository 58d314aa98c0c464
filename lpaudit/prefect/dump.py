"""Recorded answers of Prefect's API, a JSON array a file: read and written.

A file is named after what it holds (``flow_runs.json``, ``events.json.gz``), as the table's
schema says. A dump that lpaudit wrote has a record beside them, ``snapshots.json.gz``: what was
asked, when, of whom, the hash of each answer, and which records were gone. It is read as it was
then; any other dump is taken as of now.
"""

import gzip
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from lpaudit.errors import ConfigError, DumpError, OutputError
from lpaudit.prefect.collections import instant
from lpaudit.prefect.records import NotARecordError, checked, rows
from lpaudit.schema import Table, tables

RECORD = "snapshots"
_UNSUSPECTED = 64 << 20  # bytes that a file may have in any case
_RATIO = 200  # between decompressed and compressed bytes: records have 10 to 30, and gzip reaches 1,000
_HINT = "a dump holds flow_runs.json, task_runs.json, … (or .json.gz): one array of records each"
_TIMES = ("started_at", "fetched_at", "window_start", "window_end")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The records of one file. ``id`` is the SHA-256 of the file's decompressed bytes.

    ``record`` is the row of the table ``snapshot`` that the dump brings along, None if it has
    none; ``missing`` the ids of records that were gone by then.
    """

    table: str
    id: str
    rows: pa.Table
    record: dict[str, Any] | None = None
    missing: tuple[str, ...] = ()


def read_dump(folder: Path, fetched_at: datetime) -> Iterator[Snapshot]:
    """Yield a snapshot for each table whose file is in ``folder``.

    Raises DumpError if the folder holds none of them, or a file is not what it should be.
    """
    if not folder.is_dir():  # also one that may not be looked into
        raise DumpError(f"{folder} is not a directory", hint=_HINT)
    records = _records(folder)
    found: set[str] = set()
    for table in tables().values():
        path = _file(folder, table.dump) if table.dump else None
        if path is not None:
            found.add(table.name)
            yield _snapshot(table, path, fetched_at, records.get(table.name))
    if not found:
        raise DumpError(f"{folder} holds no recorded answers", hint=_HINT)
    if absent := sorted(records.keys() - found):
        raise DumpError(
            f"{folder} is not whole: the file of {', '.join(absent)} is not there", hint="copy it again"
        )


def write_dump(folder: Path, answers: Iterable[tuple[str, bytes]], records: list[dict[str, Any]]) -> None:
    """Write answers (table, bytes) and their records to ``folder``, all of them or none.

    The same answers are the same bytes. Raises OutputError.
    """
    aside = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(aside, ignore_errors=True)  # of one that was killed
        aside.mkdir(parents=True)
        files = [(str(tables()[name].dump), data) for name, data in answers]
        record = json.dumps(records, ensure_ascii=False, sort_keys=True, default=_written, indent=1)
        for name, data in [*files, (RECORD, (record + "\n").encode())]:
            (aside / f"{name}.json.gz").write_bytes(gzip.compress(data, mtime=0))
        aside.rename(folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"cannot write {folder}: {reason}", hint="name another directory with --dump"
        ) from error


def check_dump(folder: Path) -> None:
    """Say before anything is asked that ``folder`` cannot be written. Raises ConfigError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} is there already", hint="a dump gets a directory of its own: name a new one"
        )
    if folder.name in {"", ".."}:
        raise ConfigError(f"{folder} has no name of its own", hint="name a new directory")


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _file(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.json", folder / f"{name}.json.gz")
    return next((path for path in candidates if path.is_file()), None)


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the rows that the dump brings for the table ``snapshot``, by table."""
    path = _file(folder, RECORD)
    if path is None:
        return {}
    try:
        told = [
            row | {name: row[name] and instant(row[name]) for name in _TIMES}
            for row in json.loads(_read(path))
        ]
        stored = pa.Table.from_pylist(
            [row | {"missing": len(row["missing"])} for row in told], schema=tables()["snapshot"].arrow
        )
        if any(stored[name].null_count for name in ("sync_id", "table_name", "snapshot_id", "fetched_at")):
            raise DumpError(
                f"{path} is not the record of a dump: it does not say of what", hint="copy it again"
            )
        return {row["table_name"]: row for row in told}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise DumpError(f"{path} is not the record of a dump: {error}", hint="copy it again") from error


def _snapshot(table: Table, path: Path, fetched_at: datetime, record: dict[str, Any] | None) -> Snapshot:
    data = _read(path)
    snapshot_id = sha256(data).hexdigest()
    if record is not None and record.get("snapshot_id") != snapshot_id:
        raise DumpError(
            f"{path} is not what was written: its SHA-256 is {snapshot_id}",
            hint="copy it again; if it was changed on purpose, leave snapshots.json.gz out",
        )
    try:
        records = checked(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise DumpError(f"{path} is not JSON: {error}", hint=_HINT) from error
    except NotARecordError as error:
        raise DumpError(f"{path} is not an array of records with an id", hint=_HINT) from error
    gone: tuple[str, ...] = ()
    try:
        if record is not None:
            fetched_at = record["fetched_at"]
            gone = tuple(str(key) for key in record.get("missing", ()))
        told = rows(table, records, snapshot_id, fetched_at)
    except (NotARecordError, TypeError) as error:
        raise DumpError(f"{path} holds what Prefect does not write: {error}", hint=_HINT) from error
    return Snapshot(table.name, snapshot_id, told, record, gone)


def _read(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        most = max(_UNSUSPECTED, _RATIO * path.stat().st_size)
        with gzip.open(path) as file:
            data = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DumpError(f"cannot read {path}: {error}", hint="is the file whole?") from error
    if len(data) > most:
        raise DumpError(
            f"{path} becomes more than {_RATIO} times as large when it is decompressed",
            hint="Prefect's records do not; if they are records, decompress them yourself",
        )
    return data
