"""Many small data files → few: a reader opens every file of a table, and a commit names them.

Rows are copied as they are, none is left out and none is changed. The order, and what a
crash leaves at each step:
1. the merged file, synced and renamed   → a file that no commit names: harmless
2. one Delta commit adds it and removes what it replaces, atomically, as no change of data
3. the log entry synced; the replaced files stay for as long as readers may still need them

delta-rs's own optimize syncs nothing, and it does not notice a file that is removed twice
when it is told which files to remove. So the merged file is made here, and the commit is
tried for exactly the next version: whatever came in between, the table is looked at again
before the next attempt. Appends never wait, and never fail because of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lpaudit import __version__
from lpaudit.errors import StoreError
from lpaudit.store import parquet
from lpaudit.store.leftover import STALE
from lpaudit.store.statistics import Statistics
from lpaudit.store.storage import Storage
from lpaudit.store.tables import STATISTICS, Store, cannot_read, cannot_write

LEAST = 8
"""Files of about the same number of rows that are worth merging."""
TARGET = 64 << 20
"""Bytes that a merged file is made of at most; a file of more than half of it is left alone."""
_GROUP = 32 << 20  # bytes in memory that become a row group
_BATCH = 1 << 14  # rows that are read at once
_ATTEMPTS = 200
_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did with a table; ``busy`` if somebody else was compacting it."""

    files: int = 0
    into: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    rows: int
    modified: int

    @property
    def tier(self) -> int:
        """What is merged with each other: the result is of a higher tier, so no row is copied for ever."""
        return self.rows.bit_length() // 3


def compact(store: Store, name: str, unique: Callable[[], str]) -> Compacted:
    """Merge the small files of a table. Raises StoreError.

    A row is copied once for each time its file's rows grow eightfold, and never again once
    its file is large: a commit of 60 rows reaches a million in five steps.
    """
    table = store.table(name)
    if table is None:
        return Compacted()
    files = into = 0
    try:
        bins = list(_bins(store.storage, name, _files(table)))
    except (OSError, pa.ArrowException) as error:
        raise cannot_read(store.location, error) from error
    for replaced in bins:
        if not _merge(store, name, table, replaced, unique()):
            return Compacted(files, into, busy=True)
        files, into = files + len(replaced), into + 1
    if into:
        try:
            table.create_checkpoint()
            store.storage.sync_commit(name, table.version())
        except (DeltaError, OSError) as error:
            raise cannot_write(store.location, error) from error
    return Compacted(files, into)


def remove_replaced(store: Store, name: str, hours: int) -> int:
    """Remove the files that were replaced more than ``hours`` ago; return how many.

    Whoever opened the table before they were replaced needs them until it is done. With them go those that
    a crash has left without a commit, when no commit can name them any more. Raises StoreError.
    """
    table = store.table(name)
    if table is None:
        return 0
    try:
        # Only asked, never told: it lists what the log says was removed, and when it is to be full also
        # what the log has never named, but its removing would be two more commits each time.
        ask = partial(table.vacuum, dry_run=True, enforce_retention_duration=False)
        gone = {*ask(hours, full=False), *ask(max(hours, STALE), full=True)}
    except (DeltaError, OSError) as error:
        raise cannot_write(store.location, error) from error
    storage = store.storage
    try:
        there = set(storage.names(name)) & (gone - {file.path for file in _files(table)})
        if there:
            storage.settle()  # or a power cut undoes the commit that replaced them, and not their removal
        for path in there:
            storage.remove(f"{name}/{path}")
    except OSError as error:
        raise cannot_write(store.location, error) from error
    return len(there)


def _files(table: DeltaTable) -> list[_File]:
    actions = table.get_add_actions(flatten=True)
    columns = ("path", "size_bytes", "num_records", "modification_time")
    values = zip(*(actions.column(column).to_pylist() for column in columns), strict=True)
    return [_File(path, size, rows or 0, modified) for path, size, rows, modified in values]


def _bins(storage: Storage, name: str, files: Iterable[_File]) -> Iterator[list[_File]]:
    """Yield files that are to become one: of a tier and with the same schema, the oldest first."""
    small = sorted((f for f in files if f.size < TARGET // 2), key=lambda f: (f.tier, f.modified, f.path))
    for _, tier in groupby(small, key=lambda f: f.tier):
        candidates = list(tier)
        if len(candidates) < LEAST:
            continue
        alike: dict[bytes, list[_File]] = {}
        for file in candidates:
            with suppress(FileNotFoundError):  # somebody else has compacted it, and removed it at once
                schema = _schema(storage, name, file).serialize().to_pybytes()
                alike.setdefault(schema, []).append(file)
        for group in alike.values():
            yield from (found for found in _filled(group) if len(found) >= LEAST)


def _filled(files: Iterable[_File]) -> Iterator[list[_File]]:
    found: list[_File] = []
    for file in files:
        if found and sum(f.size for f in found) + file.size > TARGET:
            yield found
            found = []
        found.append(file)
    yield found


def _merge(store: Store, name: str, table: DeltaTable, replaced: Sequence[_File], unique: str) -> bool:
    """Put one file in the place of several; False if somebody else has replaced one of them."""
    storage, file = store.storage, f"part-compacted-{unique}.parquet"
    statistics = Statistics(STATISTICS.get(name, ()))
    try:
        size = storage.write(
            f"{name}/{file}", lambda path: _copy(path, storage, name, replaced, statistics), unique
        )
        if statistics.rows != sum(f.rows for f in replaced):
            storage.remove(f"{name}/{file}")
            raise StoreError(
                f"the store {store.location} is damaged: files of {name} have {statistics.rows} rows, "
                f"but their commits say {sum(f.rows for f in replaced)}",
                hint="keep it as it is, and restore a copy beside it",
            )
        return _replace(storage, name, table, (file, size), replaced, statistics)
    except FileNotFoundError as error:
        table.update_incremental()
        if {f.path for f in replaced} <= {f.path for f in _files(table)}:
            raise cannot_read(store.location, error) from error
        return False
    except (DeltaError, OSError) as error:
        raise cannot_write(store.location, error) from error
    except pa.ArrowException as error:
        raise cannot_read(store.location, error) from error


def _schema(storage: Storage, name: str, file: _File) -> pa.Schema:
    return pq.read_schema(f"{name}/{file.path}", filesystem=storage.filesystem)


def _copy(target: Path, storage: Storage, name: str, files: Sequence[_File], statistics: Statistics) -> None:
    """Write the rows of several files into one, a row group at a time."""
    schema = _schema(storage, name, files[0])
    batches: list[pa.RecordBatch] = []
    size = 0
    with pq.ParquetWriter(target, schema, **parquet.columns(schema)) as writer:
        for batch in _batches(storage, name, files):
            batches.append(batch)
            size += batch.nbytes
            if size >= _GROUP:
                _write(writer, batches, statistics)
                batches, size = [], 0
        if batches:
            _write(writer, batches, statistics)


def _batches(storage: Storage, name: str, files: Iterable[_File]) -> Iterator[pa.RecordBatch]:
    for file in files:
        with pq.ParquetFile(f"{name}/{file.path}", filesystem=storage.filesystem) as opened:
            yield from opened.iter_batches(_BATCH)


def _write(writer: pq.ParquetWriter, batches: Sequence[pa.RecordBatch], statistics: Statistics) -> None:
    rows = pa.Table.from_batches(batches, schema=writer.schema)
    writer.write_table(rows)
    statistics.add(rows)


def _replace(
    storage: Storage,
    name: str,
    table: DeltaTable,
    merged: tuple[str, int],
    replaced: Sequence[_File],
    statistics: Statistics,
) -> bool:
    file, size = merged
    now = int(datetime.now(UTC).timestamp() * 1000)
    add = AddAction(
        path=file,
        size=size,
        partition_values={},
        modification_time=now,
        data_change=False,
        stats=statistics.json(),
    )
    removes = [
        RemoveAction(f.path, data_change=False, deletion_timestamp=now, size=f.size, partition_values={})
        for f in replaced
    ]
    before = table.version()
    for attempt in range(_ATTEMPTS):
        table.update_incremental()
        active = {f.path for f in _files(table)}
        if file in active:
            break  # what was reported as failed was committed
        if not active.issuperset(f.path for f in replaced):
            if attempt == 0:
                storage.remove(f"{name}/{file}")
            return False
        with suppress(CommitFailedError):
            table.create_write_transaction(
                [add, *removes],
                mode="append",
                schema=table.schema(),
                commit_properties=CommitProperties(
                    custom_metadata={"lpaudit": __version__, "compacted": str(len(replaced))},
                    max_commit_retries=0,
                ),
                post_commithook_properties=_HOOKS,
            )
            table.update_incremental()
            break
    else:
        return False
    for version in range(before + 1, table.version() + 1):
        storage.sync_commit(name, version)
    return True
