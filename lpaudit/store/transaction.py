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
_ATTEMPTS = 5
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
    commit says of it (custom metadata); only then are ``transactions`` looked at.
    Raises OffsetConflict if another writer was faster with one of the app ids, StoreError if
    the store cannot be written. A file whose commit failed is left alone: that an attempt
    was reported as failed does not prove that it was not committed.
    """
    written: list[tuple[str, dict[str, str]]] = []
    before = table.version()
    try:
        size = store.storage.write(f"{name}/{file}", lambda path: written.append(write(path)), unique)
        statistics, metadata = written[0]
        add = AddAction(
            path=file,
            size=size,
            partition_values={},
            modification_time=int(datetime.now(UTC).timestamp() * 1000),
            data_change=True,
            stats=statistics,
        )
        properties = CommitProperties(
            custom_metadata={"lpaudit": __version__, **metadata},
            app_transactions=[Transaction(app_id=key, version=end) for key, end in transactions.items()],
        )
        _commit(table, add, properties, transactions)
        table.update_incremental()
        for committed in range(before + 1, table.version() + 1):
            store.storage.sync_commit(name, committed)
    except CommitFailedError as error:
        names = ", ".join(transactions)
        raise OffsetConflict(f"{names} has moved on", hint="run the same command again") from error
    except (DeltaError, OSError) as error:
        if _CHANGED in str(error):
            # Two writers created the table at once, and the slower one's creation came in between.
            names = ", ".join(transactions)
            raise OffsetConflict(
                f"{names}: the table was changed", hint="run the same command again"
            ) from error
        raise cannot_write(store.location, error) from error


def _commit(
    table: DeltaTable, add: AddAction, properties: CommitProperties, transactions: Mapping[str, int]
) -> None:
    """Commit a file; again if only the table's own properties have changed, and not what it is about.

    A purge changes them for a moment. Whether the commit was made all the same, the offsets tell.
    """
    before = {key: table.transaction_version(key) for key in transactions}
    for attempt in range(_ATTEMPTS):
        try:
            table.create_write_transaction(
                [add],
                mode="append",
                schema=table.schema(),
                commit_properties=properties,
                post_commithook_properties=_HOOKS,
            )
        except (CommitFailedError, DeltaError) as error:
            if _CHANGED not in str(error) or not transactions or attempt == _ATTEMPTS - 1:
                raise
            table.update_incremental()
            if {key: table.transaction_version(key) for key in transactions} != before:
                raise
        else:
            return
