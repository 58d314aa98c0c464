"""Snapshots of Prefect's records → one Delta commit a table and snapshot, each only once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lpaudit.errors import OffsetConflict
from lpaudit.store.tables import Store
from lpaudit.store.transaction import commit_file


def append_records(store: Store, name: str, snapshot_id: str, rows: pa.Table, unique: str) -> bool:
    """Append a snapshot's rows to the table ``name``; False if that snapshot is already there.

    Raises StoreError if the store cannot be written.
    """
    table = store.create_table(name)
    app_id = f"snapshot:{snapshot_id}"
    if table.transaction_version(app_id) is not None:
        return False
    file = store.root / name / f"part-{snapshot_id[:16]}-{unique}.parquet"

    def write(path: Path) -> str:
        pq.write_table(rows, path, compression="zstd")
        return f'{{"numRecords":{rows.num_rows}}}'

    metadata = {"snapshot_id": snapshot_id, "records": str(rows.num_rows)}
    try:
        commit_file(store, table, file, write, (app_id, 1), metadata, unique)
    except OffsetConflict:
        return False
    return True
