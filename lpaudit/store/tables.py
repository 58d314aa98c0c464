"""The store's root and its Delta tables, opened and created from schemas/."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lpaudit import STORE_VERSION, __version__
from lpaudit.errors import StoreError
from lpaudit.model import DataFile
from lpaudit.reason import hint_of, reason_of
from lpaudit.schema import tables
from lpaudit.store.storage import MARKER, Storage, storage_of

# Rows are only ever added; the log of commits is evidence too and is never cleaned up.
_CONFIGURATION = {"delta.appendOnly": "true", "delta.enableExpiredLogCleanup": "false"}

STATISTICS: Mapping[str, tuple[str, ...]] = {
    "access_event": ("source_id", "byte_offset", "event_start", "event_end", "ingest_time"),
    "server_event": ("source_id", "byte_offset", "time", "ingest_time"),
}
"""Columns whose bounds every commit states. The table says so too (delta.dataSkippingStatsColumns):
delta-rs's own dataset drops a file when a column that it expects statistics of is filtered by
and has none."""


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store: where its tables and segments lie."""

    storage: Storage

    @property
    def location(self) -> str:
        """The store's absolute path, or its URL."""
        return self.storage.location

    def table(self, name: str) -> DeltaTable | None:
        """Open a table; None if nothing was ever added to it. Raises StoreError if it is damaged or newer."""
        uri = f"{self.location}/{name}"
        try:
            table = DeltaTable(uri, storage_options=_options(self.storage))
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"cannot open the table {uri}: {reason_of(error)}",
                hint=hint_of(error)
                or "the last commit may be torn: keep the store as it is and restore a copy beside it",
            ) from error
        newer = {field.name for field in table.schema().fields} - set(tables()[name].arrow.names)
        if newer:
            raise StoreError(
                f"the table {uri} has columns that this lpaudit does not know: {', '.join(sorted(newer))}",
                hint=f"it was written by a newer lpaudit than {__version__}: upgrade",
            )
        return table

    def files(self, name: str, table: DeltaTable | None, source_id: str | None = None) -> list[str]:
        """Return the paths or URLs of the data files that a table consists of.

        With a source, of those that may hold it.
        """
        return [f"{self.location}/{file}" for file in self._data_files(name, table, source_id)]

    def dataset(
        self,
        name: str,
        table: DeltaTable | None,
        source_id: str | None = None,
        dictionaries: Sequence[str] = (),
        span: tuple[int, int] | None = None,
    ) -> Any:
        """Return the same files as Arrow's dataset; None if there are none. Raises StoreError.

        ``span``: only such as may have lines that begin at these bytes, the second not among them.
        Columns of text that are to be ``dictionaries`` are read without decoding each value.
        """
        files = self._data_files(name, table, source_id, span)
        return self.dataset_of(name, files, dictionaries) if files else None

    def dataset_of(self, name: str, files: Sequence[str], dictionaries: Sequence[str] = ()) -> Any:
        """Return some files of a table as a dataset, by their names below the root. Raises StoreError."""
        # Not delta's own dataset (to_pyarrow_dataset): it makes a file whose commit has no
        # statistics of a column vanish as soon as that column is filtered by, and its file
        # system calls back into Python while the interpreter is shutting down, which aborts.
        try:
            return ds.dataset(
                list(files),
                pa.schema(_dictionary(f) if f.name in dictionaries else f for f in tables()[name].arrow),
                format=ds.ParquetFileFormat(dictionary_columns=set(dictionaries)),
                filesystem=self.storage.filesystem,
            )
        except (OSError, pa.ArrowException) as error:
            raise cannot_read(self.location, error) from error

    def readable(self, name: str, table: DeltaTable | None, files: Sequence[str]) -> Any:
        """Return some files of a table as DuckDB is to read them.

        That is a tuple of paths where it can do so by itself, which is much quicker, else a dataset.
        Raises StoreError.
        """
        local = self.storage.options is None and not set(self.location) & set("*?[]{}")
        try:
            whole = local and table is not None and self._has_all_columns(name, table)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise cannot_read(self.location, error) from error
        if whole:
            return tuple(f"{self.location}/{file}" for file in files)
        return self.dataset_of(name, files)

    def all_readable(self, name: str, table: DeltaTable | None) -> Any:
        """Return all files of a table in that way; None if there are none. Raises StoreError."""
        files = self._data_files(name, table, None)
        return self.readable(name, table, files) if files else None

    def _has_all_columns(self, name: str, table: DeltaTable) -> bool:
        """Tell if all files of a table have all columns: those are only ever added, so the oldest tells."""
        actions = pa.table(table.get_add_actions(flatten=True)).select(["path", "modification_time"])
        oldest = actions.sort_by("modification_time").column("path")[0].as_py()
        columns = pq.read_schema(f"{self.location}/{name}/{oldest}").names
        return set(columns) == set(tables()[name].arrow.names)

    def timed_files(self, name: str, table: DeltaTable | None) -> list[DataFile]:
        """Return the files of a table whose rows have event_start or event_end. Raises StoreError."""
        if table is None:
            return []
        try:
            return [_timed(name, row) for row in pa.table(table.get_add_actions(flatten=True)).to_pylist()]
        except (DeltaError, OSError) as error:
            raise cannot_read(self.location, error) from error

    def _data_files(
        self, name: str, table: DeltaTable | None, source_id: str | None, span: tuple[int, int] | None = None
    ) -> list[str]:
        wanted: dict[str, tuple[Any, Any]] = {}
        if source_id is not None:
            wanted["source_id"] = source_id, source_id
        if span is not None:
            wanted["byte_offset"] = span[0], span[1] - 1
        try:
            return _data_files(name, table, wanted)
        except (DeltaError, OSError) as error:
            raise cannot_read(self.location, error) from error

    def unreadable(self, opened: Mapping[str, DeltaTable | None], error: Exception) -> StoreError:
        """Say why opened tables cannot be read: as ``cannot_read``, unless their files were removed since.

        A purge does so at once, whoever is reading.
        """
        try:
            there = set(self.sizes())
            replaced = (
                set(self._data_files(name, table, None)) - set(self._data_files(name, self.table(name), None))
                for name, table in opened.items()
            )
            purged = any(files - there for files in replaced)
        except StoreError:
            purged = False
        if not purged:
            return cannot_read(self.location, error)
        return StoreError(
            f"the store {self.location} was changed while it was read: old files were removed, as by a purge",
            hint="run the same command again",
        )

    def refresh(self, table: DeltaTable) -> None:
        """Have a handle see what was committed since. Raises StoreError."""
        try:
            table.update_incremental()
        except (DeltaError, OSError) as error:
            raise cannot_read(self.location, error) from error

    def offset(self, table: DeltaTable, app_id: str) -> int | None:
        """Return how far a source is stored, as a handle knows it: its application transaction.

        None if nothing of it is. Raises StoreError: to know it, the log may have to be read.
        """
        try:
            version: int | None = table.transaction_version(app_id)
        except (DeltaError, OSError) as error:
            raise cannot_read(self.location, error) from error
        return version

    def sizes(self) -> dict[str, int]:
        """Return every file of the store, by its name below the root, with its size in bytes."""
        try:
            return self.storage.sizes()
        except OSError as error:
            raise cannot_read(self.location, error) from error

    def create_table(self, name: str, unique: str) -> DeltaTable:
        """Open a table, and create it if it is not there. Two writers may do so at once."""
        existing = self.table(name)
        if existing is not None:
            return existing
        _check_marker(self.storage)  # where a disk is no longer mounted there must not begin a second store
        schema = pa.schema([field.remove_metadata() for field in tables()[name].arrow])

        def create(uri: str, **more: Any) -> None:
            DeltaTable.create(
                uri,
                schema=schema,
                name=name,
                description=tables()[name].description,
                configuration=_CONFIGURATION | _statistics_setting(name),
                **more,
            )

        failure: Exception | None = None
        try:
            self.storage.create_table(name, create, unique)
        except (DeltaError, OSError) as error:
            failure = error
        created = self.table(name)  # it may be another writer's, whatever became of this one
        if created is None:
            raise cannot_write(self.location, failure or OSError("the table is not there")) from failure
        return created


def name_of(table: DeltaTable) -> str:
    """Return which table a handle is of."""
    return str(table.metadata().name)


def _data_files(name: str, table: DeltaTable | None, wanted: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Return names below the root of files that may have rows with values from the first to the last wanted.

    Not file_uris(): it escapes what a path may well contain.
    """
    if table is None:
        return []
    actions = pa.table(table.get_add_actions(flatten=True))
    for column, (first, last) in wanted.items():
        if f"min.{column}" in actions.column_names:
            low, high = (pc.field(f"{bound}.{column}") for bound in ("min", "max"))
            actions = actions.filter((low.is_null() | (low <= last)) & (high.is_null() | (high >= first)))
    return [f"{name}/{path}" for path in actions.column("path").to_pylist()]


_ANY_TIME = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_TIMES = ("event_start", "event_end")
_ROUNDED = timedelta(seconds=1)
"""Whoever writes statistics may cut them to milliseconds."""


def _timed(name: str, action: Mapping[str, Any]) -> DataFile:
    """Return what a commit says of a file; what it does not say may be anything."""
    rows = action["num_records"] or 0
    known: list[tuple[datetime, datetime]] = []
    nulls = []
    for column in _TIMES:
        none = action.get(f"null_count.{column}")
        low, high = (action.get(f"{bound}.{column}") for bound in ("min", "max"))
        nulls.append(none is None or none > 0)
        if low is not None and high is not None:
            known.append((low, high))
        elif none is None or none < rows:
            known.append(_ANY_TIME)
    first, last = (min(b[0] for b in known), max(b[1] for b in known)) if known else _ANY_TIME
    if first > _ANY_TIME[0] + _ROUNDED:
        first -= _ROUNDED
    if last < _ANY_TIME[1] - _ROUNDED:
        last += _ROUNDED
    return DataFile(f"{name}/{action['path']}", rows, first, last, all(nulls))


def _options(storage: Storage) -> dict[str, str] | None:
    return dict(storage.options) if storage.options is not None else None


def _dictionary(field: pa.Field) -> pa.Field:
    return field.with_type(pa.dictionary(pa.int32(), field.type))


def _statistics_setting(name: str) -> dict[str, str]:
    columns = STATISTICS.get(name)
    if columns:
        return {"delta.dataSkippingStatsColumns": ",".join(columns)}
    return {"delta.dataSkippingNumIndexedCols": "0"}


def open_store(root: str) -> Store:
    """Open a store that must exist. Raises StoreError."""
    storage = storage_of(root)
    if _entries(storage) is None:
        hint = "name it with --store, or make it: lpaudit ingest /var/log/lighttpd/access.log"
        raise StoreError(f"there is no store at {storage.location}", hint=hint)
    _check_marker(storage)
    return Store(storage)


def find_store(root: str) -> Store | None:
    """Open a store; None where nothing is yet, so that ``create_store`` would make one. Raises StoreError."""
    return open_store(root) if _entries(storage_of(root)) else None


def create_store(root: str) -> Store:
    """Open a store, and create it if there is nothing yet. Raises StoreError."""
    storage = storage_of(root)
    try:
        if not _entries(storage):
            storage.prepare()
            marker = {"store_version": STORE_VERSION, "created_by": f"lpaudit {__version__}"}
            text = json.dumps(marker, indent=1) + "\n"
            storage.write(MARKER, lambda file: _write_text(file, text), str(os.getpid()))
    except OSError as error:
        raise StoreError(
            f"cannot write the store {storage.location}: {reason_of(error)}",
            hint=hint_of(error) or "name a directory that you may write, with --store",
        ) from error
    _check_marker(storage)
    return Store(storage)


def cannot_write(location: str, error: Exception) -> StoreError:
    """Say why the store cannot be written, and that nothing is lost."""
    return StoreError(
        f"cannot write the store {location}: {reason_of(error)}",
        hint=hint_of(error)
        or "nothing is lost: what was committed stays, and the same command goes on from there",
    )


def cannot_read(location: str, error: Exception) -> StoreError:
    """Say why the store cannot be read: it is out of reach, or damaged."""
    hint = hint_of(error)
    if hint is not None:
        return StoreError(f"cannot read the store {location}: {reason_of(error)}", hint=hint)
    return StoreError(
        f"the store {location} is damaged: {str(error).splitlines()[0]}",
        hint="keep it as it is, and restore a copy beside it",
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _entries(storage: Storage) -> list[str] | None:
    try:
        return storage.entries()
    except NotADirectoryError:
        raise StoreError(
            f"{storage.location} is a file, not a store", hint="name a directory with --store"
        ) from None
    except OSError as error:
        raise StoreError(
            f"cannot read the store {storage.location}: {reason_of(error)}",
            hint=hint_of(error) or "check its permissions",
        ) from error


def _check_marker(storage: Storage) -> None:
    location = f"{storage.location}/{MARKER}"
    try:
        marker = json.loads(storage.read(MARKER).decode("utf-8"))
        version = int(marker["store_version"])
        if version < 1:
            raise ValueError(version)  # noqa: TRY301 -- damaged like any other that is no number
    except FileNotFoundError:
        raise StoreError(
            f"{storage.location} is {storage.kind}, but not a store: it has no {MARKER}",
            hint="name an empty one, or one that does not exist yet, with --store",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"cannot read {location}: {reason_of(error) if isinstance(error, OSError) else error}",
            hint=hint_of(error) or "check its permissions",
        ) from error
    except (ValueError, KeyError, TypeError, OverflowError):
        raise StoreError(f"{location} is damaged", hint="restore it from a copy of the store") from None
    if version > STORE_VERSION:
        raise StoreError(
            f"the store {storage.location} has version {version}; "
            f"this lpaudit reads up to version {STORE_VERSION}",
            hint="upgrade lpaudit: a newer one wrote this store",
        )
