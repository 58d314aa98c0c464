"""Rows, data files and raw bytes of purged segments → gone. What is done twice is done once.

Tables are append-only, and Delta's protocol lets nobody remove rows from one that says so. So the
property is taken back for the one commit that removes them, and set again; each is a commit that
everybody can read. The order, and what a crash leaves at each step:
1. files without the purged rows, synced and renamed  → files that no commit names: harmless
2. the property off                                   → set again by whoever goes on
3. one Delta commit: these files in the place of those that have purged rows
4. the property on again
Then files go that nobody names: first Parquet, then raw bytes.

Other writers do not wait: the commit is tried for exactly the next version of the table, as that of
a compaction is, and whoever finds that his files have been replaced looks again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lpaudit import __version__
from lpaudit.errors import StoreError
from lpaudit.model import Segment
from lpaudit.store import parquet
from lpaudit.store.frames import frames
from lpaudit.store.segment import Pack, pack_name, packs_in
from lpaudit.store.statistics import Statistics
from lpaudit.store.storage import Storage
from lpaudit.store.tables import STATISTICS, Store, cannot_read, cannot_write

APPEND_ONLY = "delta.appendOnly"
_ATTEMPTS = 200
_BATCH = 1 << 14  # rows that are read at once
_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class Removed:
    """How many files, of how many bytes, are not there any more."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.files + other.files, self.bytes + other.bytes)


def remove_rows(
    store: Store, name: str, segments: Collection[str], purge_id: str, unique: Callable[[], str]
) -> None:
    """Take the rows of segments out of a table; rows of others stay as they are. Raises StoreError."""
    table = store.table(name)
    if table is None:
        return
    wanted = pa.array(sorted(segments), pa.string())
    try:
        for _ in range(_ATTEMPTS):
            holding = _holding(store, name, table, wanted)
            if not holding:
                break
            _replace(store, name, table, holding, wanted, purge_id, unique)
        else:
            raise StoreError(
                f"others change {name} in {store.location} all the time", hint="run the same command again"
            )
        _set_append_only(store, name, table, purge_id, on=True)
    except (DeltaError, OSError) as error:
        raise cannot_write(store.location, error) from error
    except pa.ArrowException as error:
        raise cannot_read(store.location, error) from error


def _holding(store: Store, name: str, table: DeltaTable, wanted: pa.Array) -> dict[str, int]:
    """Return the table's files that have rows of the segments, each with its size."""
    table.update_incremental()
    actions = table.get_add_actions(flatten=True)
    sizes = dict(
        zip(actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist(), strict=True)
    )
    sources = {Segment.from_name(segment).source_id for segment in wanted.to_pylist()}
    if "min.source_id" in actions.schema.names:
        bounds = (actions.column(f"{bound}.source_id").to_pylist() for bound in ("min", "max"))
        may = {
            path
            for path, low, high in zip(sizes, *bounds, strict=True)
            if low is None or high is None or any(low <= source <= high for source in sources)
        }
        sizes = {path: size for path, size in sizes.items() if path in may}
    return {path: size for path, size in sizes.items() if _has_any(store.storage, name, path, wanted)}


def _has_any(storage: Storage, name: str, path: str, wanted: pa.Array) -> bool:
    with pq.ParquetFile(f"{name}/{path}", filesystem=storage.filesystem) as held:
        return any(
            pc.any(pc.is_in(batch.column("segment"), wanted)).as_py()
            for batch in held.iter_batches(_BATCH, columns=["segment"])
        )


def _replace(
    store: Store,
    name: str,
    table: DeltaTable,
    holding: Mapping[str, int],
    wanted: pa.Array,
    purge_id: str,
    unique: Callable[[], str],
) -> None:
    """Put files without the rows in the place of those that have them, unless one was replaced meanwhile."""
    storage = store.storage
    adds = [add for path in holding if (add := _without(storage, name, path, wanted, unique()))]
    now = int(datetime.now(UTC).timestamp() * 1000)
    removes = [
        RemoveAction(path, data_change=True, deletion_timestamp=now, size=size, partition_values={})
        for path, size in holding.items()
    ]
    for _ in range(_ATTEMPTS):
        _set_append_only(store, name, table, purge_id, on=False)
        active = set(table.get_add_actions(flatten=True).column("path").to_pylist())
        if not active.issuperset(holding):  # this has been done, or somebody has compacted the table
            for add in adds:
                if add.path not in active:
                    storage.remove(f"{name}/{add.path}")
            return
        before = table.version()
        # Also if somebody has set the property again at this moment: it is taken back once more.
        with suppress(CommitFailedError):
            table.create_write_transaction(
                [*adds, *removes],
                mode="append",
                schema=table.schema(),
                commit_properties=CommitProperties(
                    custom_metadata={"lpaudit": __version__, "purge": purge_id}, max_commit_retries=0
                ),
                post_commithook_properties=_HOOKS,
            )
        _sync(store, name, table, before)


def _set_append_only(store: Store, name: str, table: DeltaTable, purge_id: str, *, on: bool) -> None:
    """Have the table say that it is append-only, or that it is not."""
    for _ in range(_ATTEMPTS):
        table.update_incremental()
        if (table.metadata().configuration.get(APPEND_ONLY) == "true") == on:
            return
        before = table.version()
        with suppress(CommitFailedError):
            table.alter.set_table_properties(
                {APPEND_ONLY: str(on).lower()},
                commit_properties=CommitProperties(
                    custom_metadata={"lpaudit": __version__, "purge": purge_id}, max_commit_retries=0
                ),
                post_commithook_properties=_HOOKS,
            )
        _sync(store, name, table, before)


def _sync(store: Store, name: str, table: DeltaTable, before: int) -> None:
    table.update_incremental()
    for version in range(before + 1, table.version() + 1):
        store.storage.sync_commit(name, version)


def _without(storage: Storage, name: str, path: str, wanted: pa.Array, unique: str) -> AddAction | None:
    """Write a file that has the other rows of one; None if it would have none."""
    statistics, file = Statistics(STATISTICS.get(name, ())), f"part-kept-{unique}.parquet"

    def write(target: Path) -> None:
        with pq.ParquetFile(f"{name}/{path}", filesystem=storage.filesystem) as old:
            schema = old.schema_arrow
            with pq.ParquetWriter(target, schema, **parquet.columns(schema)) as writer:
                for group in range(old.num_row_groups):
                    rows = old.read_row_group(group)
                    rows = rows.filter(pc.invert(pc.is_in(rows.column("segment"), wanted)))
                    if rows.num_rows:
                        writer.write_table(rows)
                        statistics.add(rows)

    size = storage.write(f"{name}/{file}", write, unique)
    if not statistics.rows:
        storage.remove(f"{name}/{file}")
        return None
    return AddAction(
        path=file,
        size=size,
        partition_values={},
        modification_time=int(datetime.now(UTC).timestamp() * 1000),
        data_change=True,
        stats=statistics.json(),
    )


def remove_files(store: Store, name: str, segments: Collection[str]) -> Removed:
    """Remove the data files that hold rows of segments and that the table does not consist of.

    Those are files that were replaced, and what crashes have left. Raises StoreError.
    """
    table = store.table(name)
    if table is None:
        return Removed()
    storage, wanted, done = store.storage, pa.array(sorted(segments), pa.string()), Removed()
    try:
        active = set(table.get_add_actions(flatten=True).column("path").to_pylist())
        odd = [f for f in storage.names(name) if f.endswith(".parquet") and f not in active]
        for file in odd:
            with suppress(FileNotFoundError):  # somebody else has removed it
                if _has_any(storage, name, file, wanted):
                    done += _remove(storage, f"{name}/{file}")
    except OSError as error:
        raise cannot_write(store.location, error) from error
    except (DeltaError, pa.ArrowException) as error:
        raise cannot_read(store.location, error) from error
    return done


def remove_segments(store: Store, segments: Iterable[Segment], unique: Callable[[], str]) -> Removed:
    """Remove the raw bytes of segments: their files, and their parts of packs. Raises StoreError.

    The other segments of a pack are put into packs of their own first. Not into files: who packs at
    this moment may be about to remove such files, as the old pack holds them.
    """
    storage, done = store.storage, Removed()
    by_source: dict[str, set[Segment]] = {}
    for segment in segments:
        by_source.setdefault(segment.source_id, set()).add(segment)
    try:
        for source_id, gone in by_source.items():
            folder = f"segments/{source_id}"
            there = set(storage.names(folder))
            for pack in packs_in(folder, there):
                if any(pack.holds(segment) for segment in gone):
                    done += _remove_from_pack(storage, folder, pack, gone, unique)
            for segment in gone:
                if segment.name.rpartition("/")[2] in there:
                    done += _remove(storage, segment.name)
    except OSError as error:
        raise cannot_write(store.location, error) from error
    return done


def _remove_from_pack(
    storage: Storage, folder: str, pack: Pack, gone: Collection[Segment], unique: Callable[[], str]
) -> Removed:
    places = {(segment.start, segment.end, segment.sha256) for segment in gone}
    position, runs = pack.start, list[list[tuple[int, memoryview]]]()
    ended = True
    try:
        held = list(frames(storage.read(pack.name)))
    except FileNotFoundError:
        return Removed()
    except ValueError as error:
        raise StoreError(
            f"cannot read {storage.location}/{pack.name}: {error}", hint="`lpaudit verify` says more"
        ) from error
    for frame, size, content_hash in held:
        place = (position, position + size, content_hash)
        if place in places:
            ended = True
        else:
            if ended:
                runs.append([])
            runs[-1].append((position, frame))
            ended = False
        position += size
    if sum(map(len, runs)) == len(held):
        return Removed()  # its bytes are others than those that are purged
    for run in runs:
        data, start, whole = b"".join(frame for _, frame in run), run[0][0], sha256()
        end = start + sum(size for _, size, _ in frames(data, whole))
        name = pack_name(start, end, whole.hexdigest())
        storage.write(f"{folder}/{name}", partial(_write, data), unique())
    storage.settle()
    return _remove(storage, pack.name)


def _write(data: bytes, file: Path) -> None:
    file.write_bytes(data)


def _remove(storage: Storage, name: str) -> Removed:
    size = _size(storage, name)
    storage.remove(name)
    return Removed(1, size)


def _size(storage: Storage, name: str) -> int:
    found: Any = storage.filesystem.get_file_info(name)
    return int(found.size or 0)
