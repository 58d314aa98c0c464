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

from lpaudit.model import LogKind
from lpaudit.store.tables import Store, name_of


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a table had come: which table, its version, and the SHA-256 of that commit's entry."""

    table: str
    version: int
    entry: str


def mark_file(store: Store, environ: Mapping[str, str], kind: LogKind) -> Path:
    """Return where the mark of a store's table is kept: $XDG_STATE_HOME/lpaudit, by the hash of its path."""
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state")
    name = sha256(os.fsencode(store.location)).hexdigest()[:16]
    return home / "lpaudit" / (f"{name}.json" if kind is LogKind.ACCESS else f"{name}-{kind}.json")


def read_mark(file: Path) -> Mark | None:
    """Return a mark; None if there is none, or none that can be read."""
    try:
        told = json.loads(file.read_text("utf-8"))
        return Mark(str(told["table"]), int(told["version"]), str(told["entry"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def rolled_back(store: Store, kind: LogKind, table: DeltaTable | None, mark: Mark) -> str | None:
    """Say how a table contradicts its mark; None if it does not, or if it is another table."""
    if table is None:
        return f"{kind.table} had come to version {mark.version}, and is not there now"
    if str(table.metadata().id) != mark.table:
        return None  # somebody has begun anew in the same place
    if table.version() < mark.version:
        return f"{kind.table} had come to version {mark.version}, and is at version {table.version()}"
    if _entry(store, kind.table, mark.version) not in (None, mark.entry):
        return f"version {mark.version} of {kind.table} is not the one that was written"
    return None


def remember(store: Store, table: DeltaTable, file: Path) -> None:
    """Keep how far a table has come. A mark that cannot be kept is no reason to stop."""
    entry = _entry(store, name_of(table), table.version())
    if entry is None:
        return
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(
            json.dumps(asdict(Mark(str(table.metadata().id), table.version(), entry))), "utf-8"
        )
        temporary.replace(file)


def _entry(store: Store, name: str, version: int) -> str | None:
    try:
        entry = store.storage.read(f"{name}/_delta_log/{version:020d}.json")
    except OSError:
        return None
    return sha256(entry).hexdigest()
