"""One Parquet file, one application transaction, one Delta commit."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from lpaudit import __version__
from lpaudit.errors import OffsetConflict
from lpaudit.store.durable import write_durable
from lpaudit.store.tables import Store, cannot_write, sync_log

_CHANGED = "changed since last commit"
_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def commit_file(
    store: Store,
    table: DeltaTable,
    file: Path,
    write: Callable[[Path], str],
    transaction: tuple[str, int],
    metadata: dict[str, str],
    unique: str,
) -> None:
    """Write ``file`` durably and add it to ``table``, together with ``transaction`` (app id, version).

    ``write`` makes the Parquet file and returns its statistics as Delta's JSON.
    Raises OffsetConflict if another writer was faster with the same app id, StoreError if
    the store cannot be written. A file whose commit failed is left alone: that an attempt
    was reported as failed does not prove that it was not committed.
    """
    statistics: list[str] = []
    before = table.version()
    app_id, version = transaction
    try:
        write_durable(file, lambda path: statistics.append(write(path)), unique)
        table.create_write_transaction(
            [
                AddAction(
                    path=file.name,
                    size=file.stat().st_size,
                    partition_values={},
                    modification_time=int(datetime.now(UTC).timestamp() * 1000),
                    data_change=True,
                    stats=statistics[0],
                )
            ],
            mode="append",
            schema=table.schema(),
            commit_properties=CommitProperties(
                custom_metadata={"lpaudit": __version__, **metadata},
                app_transactions=[Transaction(app_id=app_id, version=version)],
            ),
            post_commithook_properties=_HOOKS,
        )
        table.update_incremental()
        for committed in range(before + 1, table.version() + 1):
            sync_log(file.parent, committed)
    except CommitFailedError as error:
        raise OffsetConflict(f"{app_id} has moved on", hint="run the same command again") from error
    except (DeltaError, OSError) as error:
        if _CHANGED in str(error):
            # Two writers created the table at once, and the slower one's creation came in between.
            raise OffsetConflict(
                f"{app_id}: the table was changed", hint="run the same command again"
            ) from error
        raise cannot_write(store.root, error) from error
