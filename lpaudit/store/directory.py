"""A store in a directory: whole files, synced before they are acknowledged."""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs

from lpaudit.errors import StoreError
from lpaudit.store.durable import make_directory, sync_directory, sync_file, write_durable

_MISREAD = re.compile(r"\\|%[0-9A-Fa-f]{2}")


_MODE = 0o750
"""Of the directory that a store is made in: who is neither its user nor in its group sees nothing of it."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory, by its absolute path."""

    path: Path
    kind = "a directory"
    options = None

    @classmethod
    def of(cls, root: str) -> "Directory":
        """Return the directory that a setting names. Raises StoreError."""
        # One name for it, however it is reached: reports name it, and what is remembered of it is kept by it.
        path = Path(os.path.realpath(root))
        # deltalake takes the one for a separator and undoes the other.
        if _MISREAD.search(str(path)):
            raise StoreError(
                f"cannot use {path}: a store's path has no backslash, and no % before two hex digits",
                hint="name another directory with --store",
            )
        return cls(path)

    @property
    def location(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def filesystem(self) -> Any:
        """The directory as Arrow's file system."""
        return fs.SubTreeFileSystem(str(self.path), fs.LocalFileSystem())

    def entries(self) -> list[str] | None:
        """Return the names in the directory; None if there is no directory."""
        try:
            names = [entry.name for entry in self.path.iterdir()]
        except FileNotFoundError:
            return None
        # Others may be creating the store at this moment: their unfinished markers do not count.
        return [name for name in names if not (name.startswith(".") and name.endswith(".tmp"))]

    def prepare(self) -> None:
        """Make the directory."""
        self.path.mkdir(mode=_MODE, parents=True, exist_ok=True)

    def write(self, name: str, write: Callable[[Path], None], unique: str) -> int:
        """Write a temporary file, sync it, rename it, sync the directory."""
        file = self.path / name
        make_directory(file.parent)
        write_durable(file, write, unique)
        return file.stat().st_size

    def create(self, name: str, data: bytes, unique: str) -> bool:
        """Write a temporary file, sync it, and link it to the name, which fails if there is one."""
        file = self.path / name
        make_directory(file.parent)
        temporary = file.with_name(f".{file.name}.{unique}.tmp")
        try:
            temporary.write_bytes(data)
            sync_file(temporary)
            os.link(temporary, file)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(file.parent)
        return True

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return (self.path / name).read_bytes()

    def names(self, folder: str) -> list[str]:
        """Return the names right below a directory of it."""
        path = self.path / folder
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """Return every file and its size."""
        found = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                file = Path(folder, name)
                with suppress(FileNotFoundError):  # somebody else's temporary file
                    found[file.relative_to(self.path).as_posix()] = file.lstat().st_size
        return found

    def create_table(self, name: str, create: Callable[..., object], unique: str) -> None:
        """Make the table aside and rename it: of two writers that create it at once, one is too late."""
        aside = self.path / f".{name}.{unique}.creating"
        try:
            create(str(aside))
            _sync_entry(aside, 0)
            with suppress(FileExistsError, NotADirectoryError):
                aside.rename(self.path / name)
            sync_directory(self.path)
        except OSError:
            if not (self.path / name / "_delta_log").is_dir():
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def sync_commit(self, table: str, version: int) -> None:
        """Sync a commit's log entry, a checkpoint made of it, their directory: delta-rs itself syncs none."""
        _sync_entry(self.path / table, version)

    def settle(self) -> None:
        """Sync everything: what delta-rs has written without our looking on, too."""
        os.sync()


def _sync_entry(table: Path, version: int) -> None:
    log = table / "_delta_log"
    sync_file(log / f"{version:020d}.json")
    checkpoint = log / f"{version:020d}.checkpoint.parquet"
    if checkpoint.is_file():
        sync_file(checkpoint)
        sync_file(log / "_last_checkpoint")
    sync_directory(log)
