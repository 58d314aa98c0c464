"""Snapshots of Prefect's records → one Delta commit a table and snapshot, each only once."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from lpaudit.errors import StoreError
from lpaudit.store.durable import write_durable
from lpaudit.store.tables import Store, cannot_write, sync_log


def append_records(store: Store, name: str, snapshot_id: str, rows: pa.Table, unique: str) -> bool:
    """Append a snapshot's rows to the table ``name``; False if that snapshot is already there.

    Raises StoreError if the store cannot be written.
    """
    app_id = f"snapshot:{snapshot_id}"
    path = store.root / name / f"part-{snapshot_id[:16]}-{unique}.parquet"
    try:
        table = store.create_table(name)
        if table.transaction_version(app_id) is not None:
            return False
        write_durable(path, lambda file: pq.write_table(rows, file, compression="zstd"), unique)
        add = AddAction(
            path=path.name,
            size=path.stat().st_size,
            partition_values={},
            modification_time=int(datetime.now(UTC).timestamp() * 1000),
            data_change=True,
            stats=f'{{"numRecords":{rows.num_rows}}}',
        )
        table.create_write_transaction(
            [add],
            mode="append",
            schema=table.schema(),
            commit_properties=CommitProperties(
                custom_metadata={"snapshot_id": snapshot_id, "records": str(rows.num_rows)},
                app_transactions=[Transaction(app_id=app_id, version=1)],
            ),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
        )
        table.update_incremental()
        sync_log(store.root / name, table.version())
    except CommitFailedError:
        path.unlink(missing_ok=True)
        return False
    except DeltaError as error:
        raise StoreError(f"cannot write the store {store.root}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise cannot_write(store.root, error) from error
    return True
