"""One Parquet file and its application transactions: one Delta commit."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from lpaudit import __version__
from lpaudit.errors import OffsetConflict
from lpaudit.store.tables import Store, cannot_write

_CHANGED = "changed since last commit"
_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def commit_file(
    store: Store,
    table: DeltaTable,
    name: str,
    file: str,
    write: Callable[[Path], tuple[str, dict[str, str]]],
    transactions: Mapping[str, int],
    unique: str,
) -> None:
    """Write ``file`` for good and add it to the table ``name``, with ``transactions`` (app id → version).

    ``write`` makes the Parquet file and returns its statistics as Delta's JSON, and what the
    commit says of it (custom metadata).
    Raises OffsetConflict if another writer was faster with one of the app ids, StoreError if
    the store cannot be written. A file whose commit failed is left alone: that an attempt
    was reported as failed does not prove that it was not committed.
    """
    written: list[tuple[str, dict[str, str]]] = []
    before = table.version()
    names = ", ".join(transactions)
    try:
        size = store.storage.write(f"{name}/{file}", lambda path: written.append(write(path)), unique)
        statistics, metadata = written[0]
        table.create_write_transaction(
            [
                AddAction(
                    path=file,
                    size=size,
                    partition_values={},
                    modification_time=int(datetime.now(UTC).timestamp() * 1000),
                    data_change=True,
                    stats=statistics,
                )
            ],
            mode="append",
            schema=table.schema(),
            commit_properties=CommitProperties(
                custom_metadata={"lpaudit": __version__, **metadata},
                app_transactions=[Transaction(app_id=key, version=end) for key, end in transactions.items()],
            ),
            post_commithook_properties=_HOOKS,
        )
        table.update_incremental()
        for committed in range(before + 1, table.version() + 1):
            store.storage.sync_commit(name, committed)
    except CommitFailedError as error:
        raise OffsetConflict(f"{names} has moved on", hint="run the same command again") from error
    except (DeltaError, OSError) as error:
        if _CHANGED in str(error):
            # Two writers created the table at once, and the slower one's creation came in between.
            raise OffsetConflict(
                f"{names}: the table was changed", hint="run the same command again"
            ) from error
        raise cannot_write(store.location, error) from error
