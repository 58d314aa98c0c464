"""The log of a table's commits, entry by entry: where it lies, and what it says.

What a checkpoint has taken in is in archives (commitlog.py); everything else is where Delta
puts it. Both are read as bytes: an entry is evidence.
"""

import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lpaudit.errors import StoreError
from lpaudit.store.commitlog import FOLDER
from lpaudit.store.storage import Storage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PIECE = {"source_id": str, "start": int, "end": int, "lines": int, "sha256": str}
_ENTRY = re.compile(r"(\d{20})\.json")
_ARCHIVE = re.compile(r"(\d{20})-(\d{20})\.tar\.zst")


@dataclass(frozen=True, slots=True)
class Entry:
    """A version of a table: the bytes of its entry, and the file that holds them."""

    table: str
    version: int
    data: bytes
    path: str

    def actions(self) -> list[dict[str, object]]:
        """Return what it says. Raises StoreError."""
        try:
            actions = [json.loads(line) for line in self.data.decode("utf-8").splitlines()]
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{self.path} is damaged: it is no list of JSON objects") from error
        if not actions or not all(isinstance(action, dict) for action in actions):
            raise StoreError(f"{self.path} is damaged: it is no list of JSON objects")
        return actions


def table_names(storage: Storage) -> list[str]:
    """Return the tables that are there, and not those that are being made. Raises OSError."""
    names = (name for name in storage.names("") if not name.startswith("."))
    return [name for name in names if "_delta_log" in storage.names(name)]


def entry_path(table: str, version: int) -> str:
    """Return where a version's entry is, as long as it is not in an archive."""
    return f"{table}/_delta_log/{version:020d}.json"


def checkpoint_path(table: str, version: int) -> str:
    """Return where Delta's own checkpoint of a version would be."""
    return f"{table}/_delta_log/{version:020d}.checkpoint.parquet"


def segments_of(entry: Entry) -> list[dict[str, Any]]:
    """Return what a commit says of the pieces of logs in it: source_id, start, end, sha256, lines.

    None for commits of other tables, and those that only merge files. Raises StoreError.
    """
    for action in entry.actions():
        told = action.get("commitInfo")
        if isinstance(told, dict) and "segments" in told:
            try:
                pieces = json.loads(told["segments"])
                return [{key: kind(piece[key]) for key, kind in _PIECE.items()} for piece in pieces]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise StoreError(
                    f"{entry.path} is damaged: it does not say which segments it stored"
                ) from error
    return []


def archives(storage: Storage, table: str) -> list[str]:
    """Return the paths of a table's archives, in order. Raises OSError."""
    folder = f"{FOLDER}/{table}"
    return [f"{folder}/{name}" for name in storage.names(folder) if _ARCHIVE.fullmatch(name)]


def entries(storage: Storage, table: str, first: int = 0) -> Iterator[Entry]:
    """Yield a table's entries from a version on, in order; a version that is in neither place is left out.

    Raises OSError, and StoreError for an archive that is none.
    """
    # Listed before the archives are read: what is moved meanwhile is found in one of the two.
    names = storage.names(f"{table}/_delta_log")
    there = {int(m[1]) for m in map(_ENTRY.fullmatch, names) if m and int(m[1]) >= first}
    seen = first
    for path in archives(storage, table):
        match = _ARCHIVE.fullmatch(path.rpartition("/")[2])
        if match and int(match[2]) >= first:
            for entry in _unpacked(storage, table, path):
                if entry.version >= seen:
                    yield entry
                    seen = entry.version + 1
    for version in sorted(v for v in there if v >= seen):
        path = entry_path(table, version)
        try:
            yield Entry(table, version, storage.read(path), path)
        except FileNotFoundError:  # moved to an archive at this moment
            yield from (e for e in entries(storage, table, version) if e.path != path)
            return


def _unpacked(storage: Storage, table: str, path: str) -> Iterator[Entry]:
    try:
        packed = zstd.decompress(storage.read(path))
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            for member in tar:
                name = _ENTRY.fullmatch(member.name)
                file = tar.extractfile(member) if name else None
                if name is None or file is None:
                    raise StoreError(f"{path} holds {member.name!r}, which is no entry of a log")
                yield Entry(table, int(name[1]), file.read(), path)
    except (zstd.ZstdError, tarfile.TarError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error
