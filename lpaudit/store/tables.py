"""The store's root and its Delta tables, opened and created from schemas/."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lpaudit import STORE_VERSION, __version__
from lpaudit.errors import StoreError
from lpaudit.schema import tables
from lpaudit.store.durable import sync_directory, sync_file, write_durable

MARKER = "lpaudit-store.json"
_MISREAD = re.compile(r"\\|%[0-9A-Fa-f]{2}")
_COLOUR = re.compile("\x1b\\[[0-9;]*m")

# Rows are only ever added; the log of commits is evidence too and is never cleaned up.
_CONFIGURATION = {"delta.appendOnly": "true", "delta.enableExpiredLogCleanup": "false"}

STATISTICS: Mapping[str, tuple[str, ...]] = {
    "access_event": ("source_id", "byte_offset", "event_start", "event_end", "ingest_time")
}
"""Columns whose bounds every commit states. The table says so too (delta.dataSkippingStatsColumns):
delta-rs's own dataset drops a file when a column that it expects statistics of is filtered by
and has none."""


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store: the directory that holds its tables and segments."""

    root: Path

    def table(self, name: str) -> DeltaTable | None:
        """Open a table; None if nothing was ever added to it. Raises StoreError if it is damaged or newer."""
        path = self.root / name
        if not (path / "_delta_log").is_dir():
            return None
        try:
            table = DeltaTable(path)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"cannot open the table {path}: {reason_of(error)}",
                hint="the last commit may be torn: keep the directory as it is and restore a copy beside it",
            ) from error
        newer = {field.name for field in table.schema().fields} - set(tables()[name].arrow.names)
        if newer:
            raise StoreError(
                f"the table {path} has columns that this lpaudit does not know: {', '.join(sorted(newer))}",
                hint=f"it was written by a newer lpaudit than {__version__}: upgrade",
            )
        return table

    def files(self, name: str, table: DeltaTable | None, source_id: str | None = None) -> list[str]:
        """Return the paths of the data files that a table consists of; with a source, those that may hold it.

        Not file_uris(): it escapes what a path may well contain.
        """
        if table is None:
            return []
        actions = table.get_add_actions(flatten=True)
        paths = actions.column("path").to_pylist()
        if source_id is not None and "min.source_id" in actions.schema.names:
            bounds = (actions.column(f"{bound}.source_id").to_pylist() for bound in ("min", "max"))
            paths = [
                path
                for path, low, high in zip(paths, *bounds, strict=True)
                if low is None or high is None or low <= source_id <= high
            ]
        return [str(self.root / name / path) for path in paths]

    def create_table(self, name: str, unique: str) -> DeltaTable:
        """Open a table, and create it if it is not there. Two writers may do so at once."""
        existing = self.table(name)
        if existing is not None:
            return existing
        schema = tables()[name].arrow
        # Made aside and renamed: of two writers that create it at once, one is too late, and
        # the table has one beginning.
        aside = self.root / f".{name}.{unique}.creating"
        try:
            DeltaTable.create(
                aside,
                schema=pa.schema([field.remove_metadata() for field in schema]),
                name=name,
                description=tables()[name].description,
                configuration=_CONFIGURATION | _statistics_setting(name),
            )
            sync_log(aside, 0)
            with suppress(FileExistsError, NotADirectoryError):
                aside.rename(self.root / name)
            sync_directory(self.root)
        except (DeltaError, OSError) as error:
            if not (self.root / name / "_delta_log").is_dir():
                raise cannot_write(self.root, error) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        created = self.table(name)
        if created is None:
            raise StoreError(f"cannot create the table {self.root / name}", hint="is the disk writable?")
        return created


def _statistics_setting(name: str) -> dict[str, str]:
    columns = STATISTICS.get(name)
    if columns:
        return {"delta.dataSkippingStatsColumns": ",".join(columns)}
    return {"delta.dataSkippingNumIndexedCols": "0"}


def sync_log(table: Path, version: int) -> None:
    """Sync a commit's log entry, a checkpoint made of it, and their directory: delta-rs itself syncs none."""
    log = table / "_delta_log"
    sync_file(log / f"{version:020d}.json")
    checkpoint = log / f"{version:020d}.checkpoint.parquet"
    if checkpoint.is_file():
        sync_file(checkpoint)
        sync_file(log / "_last_checkpoint")
    sync_directory(log)


def open_store(root: str) -> Store:
    """Open a store that must exist. Raises StoreError."""
    path = _local(root)
    if not path.exists():
        hint = "name it with --store, or make it: lpaudit ingest /var/log/lighttpd/access.log"
        raise StoreError(f"there is no store at {path}", hint=hint)
    _check_marker(path)
    return Store(path)


def create_store(root: str) -> Store:
    """Open a store, and create it if the directory is missing or empty. Raises StoreError."""
    path = _local(root)
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Others may be creating the store at this moment: their unfinished markers do not count.
        if all(entry.name.startswith(f".{MARKER}.") for entry in path.iterdir()):
            marker = {"store_version": STORE_VERSION, "created_by": f"lpaudit {__version__}"}
            text = json.dumps(marker, indent=1) + "\n"
            write_durable(path / MARKER, lambda file: _write_text(file, text), str(os.getpid()))
    except FileExistsError:
        raise StoreError(f"{path} is a file, not a store", hint="name a directory with --store") from None
    except OSError as error:
        raise StoreError(
            f"cannot write the store {path}: {reason_of(error)}",
            hint="name a directory that you may write, with --store",
        ) from error
    _check_marker(path)
    return Store(path)


def cannot_write(path: Path, error: Exception) -> StoreError:
    """Say why the store cannot be written, and that nothing is lost."""
    return StoreError(
        f"cannot write the store {path}: {reason_of(error)}",
        hint="nothing is lost: what was committed stays, and the same command goes on from there",
    )


def reason_of(error: Exception) -> str:
    """Return one line that says why: delta-rs draws a coloured tree, whose last leaf is the cause."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    causes = [line.strip("↳ ") for line in lines if line.startswith("↳")]
    return (causes[-1:] or lines[:1] or [type(error).__name__])[0]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _local(root: str) -> Path:
    if "://" in root:
        raise StoreError(
            f"cannot use {root}: object-store URLs are not supported yet",
            hint="name a directory with --store",
        )
    path = Path(root).absolute()
    # deltalake takes the one for a separator and undoes the other.
    if _MISREAD.search(str(path)):
        raise StoreError(
            f"cannot use {path}: a store's path has no backslash, and no % before two hex digits",
            hint="name another directory with --store",
        )
    return path


def _check_marker(path: Path) -> None:
    if not path.is_dir():
        raise StoreError(f"{path} is a file, not a store", hint="name a directory with --store")
    try:
        marker = json.loads((path / MARKER).read_text("utf-8"))
        version = int(marker["store_version"])
        if version < 1:
            raise ValueError(version)  # noqa: TRY301 -- damaged like any other that is no number
    except FileNotFoundError:
        raise StoreError(
            f"{path} is a directory, but not a store: it has no {MARKER}",
            hint="name an empty directory, or one that does not exist yet, with --store",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {path / MARKER}: {error}", hint="check its permissions") from error
    except (ValueError, KeyError, TypeError, OverflowError):
        raise StoreError(f"{path / MARKER} is damaged", hint="restore it from a copy of the store") from None
    if version > STORE_VERSION:
        raise StoreError(
            f"the store {path} has version {version}; this lpaudit reads up to version {STORE_VERSION}",
            hint="upgrade lpaudit: a newer one wrote this store",
        )
