"""A high-water mark outside the store: who puts an older copy in the store's place is found out.

A table that has lost its last commits looks like one that never had them. So each writer
remembers, in its user's state directory, how far it has seen a table come. The mark is not
signed: it finds mistakes and restored backups, not somebody who can write both.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from deltalake import DeltaTable

from lpaudit.store.tables import Store


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a table had come: which table, its version, and the SHA-256 of that commit's entry."""

    table: str
    version: int
    entry: str


def mark_file(store: Store, environ: Mapping[str, str]) -> Path:
    """Return where the mark of a store is kept: $XDG_STATE_HOME/lpaudit, by the hash of the store's path."""
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state")
    return home / "lpaudit" / f"{sha256(os.fsencode(store.location)).hexdigest()[:16]}.json"


def read_mark(file: Path) -> Mark | None:
    """Return a mark; None if there is none, or none that can be read."""
    try:
        told = json.loads(file.read_text("utf-8"))
        return Mark(str(told["table"]), int(told["version"]), str(told["entry"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def rolled_back(store: Store, table: DeltaTable | None, mark: Mark) -> str | None:
    """Say how a table contradicts its mark; None if it does not, or if it is another table."""
    if table is None:
        return f"it had come to version {mark.version}, and has no access_event now"
    if str(table.metadata().id) != mark.table:
        return None  # somebody has begun anew in the same place
    if table.version() < mark.version:
        return f"it had come to version {mark.version}, and is at version {table.version()}"
    if _entry(store, mark.version) not in (None, mark.entry):
        return f"its version {mark.version} is not the one that was written"
    return None


def remember(store: Store, table: DeltaTable, file: Path) -> None:
    """Keep how far access_event has come. A mark that cannot be kept is no reason to stop."""
    entry = _entry(store, table.version())
    if entry is None:
        return
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(
            json.dumps(asdict(Mark(str(table.metadata().id), table.version(), entry))), "utf-8"
        )
        temporary.replace(file)


def _entry(store: Store, version: int) -> str | None:
    try:
        entry = store.storage.read(f"access_event/_delta_log/{version:020d}.json")
    except OSError:
        return None
    return sha256(entry).hexdigest()
