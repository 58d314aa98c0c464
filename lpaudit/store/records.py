"""Snapshots and formats → one Delta commit each, and each only once."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lpaudit.errors import OffsetConflict, StoreError
from lpaudit.model import Escaping, Gap, LogFormat, SourceEvent
from lpaudit.schema import tables
from lpaudit.store.tables import Store, cannot_read, name_of
from lpaudit.store.transaction import commit_file

_ROW_GROUP = 1 << 14


def append_records(store: Store, name: str, snapshot_id: str, rows: pa.Table, unique: str) -> bool:
    """Append a snapshot's rows to the table ``name``; False if that snapshot is already there.

    Raises StoreError if the store cannot be written.
    """
    table = store.create_table(name, unique)
    app_id = f"snapshot:{snapshot_id}"
    if store.offset(table, app_id) is not None:
        return False
    file = f"part-{snapshot_id[:16]}-{unique}.parquet"

    def write(path: Path) -> tuple[str, dict[str, str]]:
        # Events come in the order of their times: a question about an hour need not read a day.
        pq.write_table(rows, path, compression="zstd", row_group_size=_ROW_GROUP)
        metadata = {"snapshot_id": snapshot_id, "records": str(rows.num_rows)}
        return f'{{"numRecords":{rows.num_rows}}}', metadata

    try:
        commit_file(store, table, name, file, write, {app_id: 1}, unique)
    except OffsetConflict:
        store.refresh(table)
        if store.offset(table, app_id) is None:
            raise  # not what the conflict was about
        return False
    return True


def append_format(store: Store, log_format: LogFormat, first_used: datetime, unique: str) -> None:
    """Keep what a format's name means. Raises StoreError."""
    row = {
        "log_format": log_format.name,
        "format_string": log_format.format_string,
        "escaping": str(log_format.escaping),
        "timezone": str(log_format.timezone),
        "first_used": first_used,
    }
    rows = pa.Table.from_pylist([row], schema=tables()["log_format"].arrow)
    append_records(store, "log_format", log_format.name, rows, unique)


def formats(store: Store) -> dict[str, LogFormat]:
    """Return the formats that lines of the store were read with, by name. Raises StoreError."""
    dataset = store.dataset("log_format", store.table("log_format"))
    if dataset is None:
        return {}
    try:
        rows = dataset.to_table()
    except (OSError, pa.ArrowException) as error:
        raise cannot_read(store.location, error) from error
    try:
        return {row["log_format"]: _format(row) for row in rows.to_pylist()}
    except (LookupError, ValueError, OSError) as error:  # no such time zone, no such escaping, no UTF-8
        raise StoreError(
            f"the store {store.location} is damaged: its table log_format says what cannot be: {error}",
            hint="restore the store from a copy",
        ) from error


def _format(row: dict[str, str]) -> LogFormat:
    zone = ZoneInfo(row["timezone"])
    return LogFormat(row["log_format"], row["format_string"], Escaping(row["escaping"]), zone)


def append_gap(store: Store, gap: Gap, unique: str) -> bool:
    """Record a part of a log that is missing; False if that gap is already recorded. Raises StoreError."""
    row = {
        "gap_id": gap.id,
        "source": gap.source,
        "source_id": gap.source_id,
        "host_name": gap.host_name,
        "from": gap.start,
        "to": gap.end,
        "bytes": gap.bytes,
        "lines": gap.lines,
        "cause": str(gap.cause),
        "from_offset": gap.from_offset,
        "detected_at": gap.detected_at,
    }
    rows = pa.Table.from_pylist([row], schema=tables()["coverage_gap"].arrow)
    return append_records(store, "coverage_gap", gap.id, rows, unique)


def append_event(store: Store, event: SourceEvent, unique: str) -> bool:
    """Record what happened to a log; False if that is already recorded. Raises StoreError."""
    row = {
        "event_id": event.id,
        "time": event.time,
        "source": event.source,
        "source_id": event.source_id,
        "host_name": event.host_name,
        "event": str(event.event),
        "byte_offset": event.byte_offset,
        "detail": event.detail,
    }
    rows = pa.Table.from_pylist([row], schema=tables()["source_event"].arrow)
    return append_records(store, "source_event", event.id, rows, unique)


def append_row(store: Store, name: str, rows: pa.Table, unique: str) -> None:
    """Append rows that nobody else appends, whoever else appends meanwhile.

    Raises OffsetConflict if the table was created by another one at this moment, StoreError if the store
    cannot be written.
    """
    table = store.create_table(name, unique)

    def write(path: Path) -> tuple[str, dict[str, str]]:
        pq.write_table(rows, path, compression="zstd")
        return f'{{"numRecords":{rows.num_rows}}}', {"records": str(rows.num_rows)}

    commit_file(store, table, name, f"part-{unique}.parquet", write, {}, unique)


def append_next(store: Store, table: DeltaTable, app_id: str, rows: pa.Table, unique: str) -> None:
    """Append rows to a table that one writer at a time may add to, as ``table`` knows it.

    Raises OffsetConflict if another one has since that handle was opened or refreshed, StoreError if
    the store cannot be written.
    """
    name = name_of(table)
    version = (store.offset(table, app_id) or 0) + 1

    def write(path: Path) -> tuple[str, dict[str, str]]:
        pq.write_table(rows, path, compression="zstd")
        return f'{{"numRecords":{rows.num_rows}}}', {"records": str(rows.num_rows)}

    commit_file(store, table, name, f"part-{version:016d}-{unique}.parquet", write, {app_id: version}, unique)
