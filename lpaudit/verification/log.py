"""The tables' logs of commits, and the data files they name ↔ what was signed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from lpaudit.errors import StoreError
from lpaudit.evidence import CommitLeaf
from lpaudit.model import Segment
from lpaudit.schema import tables
from lpaudit.store import Store
from lpaudit.store.entries import Entry, entries, entry_path, segments_of
from lpaudit.verification.finding import Finding, What
from lpaudit.verification.purges import Gone
from lpaudit.verification.tree import Told


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A segment that a version of a table has stored."""

    version: int
    segment: Segment
    lines: int


@dataclass(slots=True)
class Table:
    """A table as its log says it is.

    ``files`` are those it consists of, ``added`` all that it ever did, with the version that
    added each, and ``rows`` how many rows each has. ``unsigned`` counts commits after the last signed one.
    """

    name: str
    last: int = -1
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    packs: set[str] = field(default_factory=set)
    metadata: str | None = None
    unsigned: int = 0


def read_log(target: Store, name: str, told: Told, gone: Gone, table: Table) -> Iterator[Finding]:
    """Read a table's log into ``table``; yield what is wrong with it."""
    signed, seen = told.commits.get(name, {}), set()
    try:
        for entry in entries(target.storage, name):
            seen.add(entry.version)
            yield from _entry(entry, signed.get(entry.version), gone, table)
    except StoreError as error:
        yield Finding(What.CHANGED, name, error.message)
    table.last = max(seen, default=-1)
    table.unsigned = sum(1 for version in seen if version > max(signed, default=-1))
    for version in sorted(set(range(table.last + 1)) - seen):
        yield Finding(
            What.MISSING, entry_path(name, version), "this version is not there, and later ones are"
        )
    rolled = [version for version in signed if version > table.last]
    if rolled:
        yield Finding(
            What.ROLLED_BACK,
            name,
            f"it ends with version {table.last}, and version {max(rolled)} was signed",
        )


def _entry(entry: Entry, leaf: CommitLeaf | None, gone: Gone, table: Table) -> Iterator[Finding]:
    if leaf is not None and sha256(entry.data).hexdigest() != leaf.entry_sha256:
        yield Finding(What.CHANGED, entry.path, f"version {entry.version} is not the one that was signed")
    try:
        actions, pieces = entry.actions(), segments_of(entry)
        taken = _taken(actions, table)
        for action in actions:
            _apply(action, entry.version, table)
    except (StoreError, KeyError, TypeError, ValueError) as error:
        yield Finding(What.CHANGED, entry.path, str(error))
        return
    if taken > 0 and _purge(actions) not in gone.purges:
        text = f"version {entry.version} takes {taken:,} rows away, and no certificate of a purge says so"
        yield Finding(What.DIFFERENT, entry.path, text)
    for piece in pieces:
        lines = piece.pop("lines")
        table.pieces.append(Piece(entry.version, Segment(**piece), lines))
    if leaf is not None:
        added = {action["add"]["path"] for action in actions if "add" in action}  # type: ignore[index]
        if added != set(leaf.files):
            yield Finding(What.CHANGED, entry.path, "it adds other files than were signed")


def _taken(actions: list[dict[str, Any]], table: Table) -> int:
    """Return how many rows less a table has after a version, and learn how many its files have."""
    table.rows |= {
        told["path"]: int(json.loads(told.get("stats") or "{}").get("numRecords", 0))
        for action in actions
        if (told := action.get("add"))
    }
    removed = sum(table.rows.get(told["path"], 0) for action in actions if (told := action.get("remove")))
    added = sum(table.rows[told["path"]] for action in actions if (told := action.get("add")))
    return removed - added


def _purge(actions: list[dict[str, Any]]) -> str | None:
    """Return the purge that a version says that it is of."""
    return next((told.get("purge") for action in actions if (told := action.get("commitInfo"))), None)


def _apply(action: dict[str, Any], version: int, table: Table) -> None:
    if told := action.get("add"):
        table.files[told["path"]] = told
        table.added[told["path"]] = version
    if told := action.get("remove"):
        table.files.pop(told["path"], None)
    if told := action.get("txn"):
        table.offsets[told["appId"]] = int(told["version"])
    if told := action.get("metaData"):
        table.metadata = str(told["id"])


def read_files(
    target: Store, table: Table, told: Told, there: dict[str, int], read: Callable[[int], None]
) -> Iterator[Finding]:
    """Compare the data files of a table, also those that were replaced, with their hashes."""
    signed = told.commits.get(table.name, {})
    for file, version in table.added.items():
        path, leaf = f"{table.name}/{file}", signed.get(version)
        if path not in there:
            if file in table.files:
                yield Finding(What.MISSING, path, f"version {version} of {table.name} consists of it")
            continue
        try:
            data = target.storage.read(path)
        except OSError as error:
            yield Finding(What.UNREADABLE, path, str(error))
            continue
        read(len(data))
        known = leaf.files.get(file) if leaf else None
        if known is not None and sha256(data).hexdigest() != known:
            yield Finding(What.CHANGED, path, "its bytes are not those that were signed")
        elif file in table.files and len(data) != table.files[file].get("size"):
            yield Finding(What.CHANGED, path, "its size is not the one in the log")


def read_state(target: Store, table: Table) -> Iterator[Finding]:
    """Compare what readers see of a table with what its log says.

    They begin with Delta's own checkpoint, which is made from the log: whoever changes that one
    changes what is read, and no entry.
    """
    if table.name not in tables():
        yield Finding(What.ADDED, table.name, "lpaudit has no table of that name")
        return
    try:
        seen = target.table(table.name)
        if seen is None:
            yield Finding(What.MISSING, table.name, "the table cannot be opened: its log has no beginning")
            return
        paths = set(seen.get_add_actions(flatten=True).column("path").to_pylist())
        if seen.version() != table.last:
            yield Finding(
                What.DIFFERENT,
                table.name,
                f"readers see version {seen.version()}, its log ends with {table.last}",
            )
        if paths != set(table.files):
            odd = min(paths ^ set(table.files))
            yield Finding(What.DIFFERENT, f"{table.name}/{odd}", "readers see other files than the log names")
        for app_id, offset in table.offsets.items():
            if seen.transaction_version(app_id) != offset:
                yield Finding(
                    What.DIFFERENT, table.name, f"readers see another offset of {app_id} than the log"
                )
        if str(seen.metadata().id) != table.metadata:
            yield Finding(What.DIFFERENT, table.name, "readers see another table")
    except (StoreError, DeltaError) as error:
        yield Finding(What.CHANGED, table.name, str(error))


def read_checkpoints(target: Store, table: Table, told: Told, there: dict[str, int]) -> Iterator[Finding]:
    """Compare Delta's own checkpoints with their hashes, or with the log, and what names the newest one."""
    signed, folder = told.commits.get(table.name, {}), f"{table.name}/_delta_log/"
    kept = {}
    for path in there:
        if path.startswith(folder) and path.endswith(".checkpoint.parquet"):
            version = int(path.rpartition("/")[2].partition(".")[0])
            kept[version] = data = target.storage.read(path)
            leaf = signed.get(version)
            known = leaf.checkpoint_sha256 if leaf else None
            if known is not None:
                if sha256(data).hexdigest() != known:
                    yield Finding(What.CHANGED, path, "its bytes are not those that were signed")
            else:
                yield from _unsigned_checkpoint(path, data, version, table)
    last = f"{folder}_last_checkpoint"
    if last in there:
        yield from _last(target.storage.read(last), last, kept, table)
    elif kept:
        yield Finding(What.MISSING, last, "checkpoints are there, and the file that names the newest is not")


def _unsigned_checkpoint(path: str, data: bytes, version: int, table: Table) -> Iterator[Finding]:
    """Compare a checkpoint that was made after its commit was signed with the log."""
    try:
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Finding(What.CHANGED, path, str(error))
        return
    named = {row["add"]["path"] for row in rows if row.get("add")}
    if version == table.last and named != set(table.files):
        yield Finding(What.DIFFERENT, path, "it names other files than the log")
    if not named <= set(table.added):
        yield Finding(What.DIFFERENT, path, "it names a file that no commit has added")


def _last(data: bytes, path: str, kept: dict[int, bytes], table: Table) -> Iterator[Finding]:
    """Compare what names the newest checkpoint with that checkpoint."""
    try:
        told = json.loads(data)
        version = told["version"]
        rows = pq.read_table(pa.BufferReader(kept[version])).to_pylist()
        expected = {
            "version": version,
            "size": len(rows),
            "sizeInBytes": len(kept[version]),
            "numOfAddFiles": sum(1 for row in rows if row.get("add")),
        }
        written = json.dumps({key: expected[key] for key in told}, separators=(",", ":")).encode()
        good = version == max(kept) and version <= table.last and data in (written, written + b"\n")
    except (ValueError, KeyError, TypeError, OSError, pa.ArrowException):
        good = False
    if not good:
        yield Finding(What.CHANGED, path, "it does not describe the newest checkpoint")
