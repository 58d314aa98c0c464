"""What is new in a store → leaves of its tree, and a signed checkpoint over all of them.

A batch takes in every commit since the last one, of every table, in the order of their names
and versions; so the tree can be made again from the logs of commits alone. It is written
under the next number, which only one can have: of two that sign at once, the slower one looks again.
Commits are synced before they are signed: no checkpoint speaks of what a power cut may undo.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

from lpaudit import keys, store
from lpaudit.errors import EvidenceError, StoreError
from lpaudit.evidence import (
    CERTIFICATES,
    FOLDER,
    Batch,
    Checkpoint,
    CommitLeaf,
    FileLeaf,
    Head,
    Leaf,
    SegmentLeaf,
    Signer,
    batch_name,
    from_line,
    read_batch,
    to_line,
    write_batch,
)
from lpaudit.model import Segment
from lpaudit.store import Store
from lpaudit.store.entries import (
    Entry,
    archives,
    checkpoint_path,
    entries,
    entry_path,
    segments_of,
    table_names,
)
from lpaudit.store.segment import packs_in
from lpaudit.store.storage import MARKER

TIMESTAMPS = "timestamps"
"""Folder of what time-stamp authorities have answered."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed: the batch's number, the leaves in it, and the checkpoint as a note."""

    number: int
    leaves: int
    checkpoint: Checkpoint
    note: str


def last_batch(target: Store) -> Batch | None:
    """Return the newest batch; None if nothing was ever signed. Raises StoreError or EvidenceError."""
    try:
        names = [name for name in target.storage.names(FOLDER) if name.endswith(".batch")]
        return read_batch(target.storage.read(f"{FOLDER}/{names[-1]}")) if names else None
    except OSError as error:
        raise store.cannot_read(target.location, error) from error


def numbered(target: Store) -> tuple[str, dict[Segment, int]]:
    """Return the tree's name, and the number of each segment's leaf. Raises StoreError or EvidenceError."""
    origin, number, found = "", 0, dict[Segment, int]()
    try:
        names = [name for name in target.storage.names(FOLDER) if name.endswith(".batch")]
        for name in names:
            batch = read_batch(target.storage.read(f"{FOLDER}/{name}"))
            origin = batch.head.origin
            for line in batch.leaves:
                leaf = from_line(line)
                if isinstance(leaf, SegmentLeaf):
                    found.setdefault(Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256), number)
                number += 1
    except OSError as error:
        raise store.cannot_read(target.location, error) from error
    return origin, found


def sign(target: Store, signer: Signer, *, unique: Callable[[], str]) -> Signed | None:
    """Sign what has come since the last time; None if nothing has. Raises StoreError or EvidenceError."""
    for _ in range(_ATTEMPTS):
        try:
            head = _head(target, unique)
            after, leaves = _new(target, head)
            if not leaves:
                return None
            text, checkpoint = write_batch(after, map(to_line, leaves), signer)
            if target.storage.create(batch_name(head.number), text.encode(), unique()):
                note = text.partition("\n\n")[2]
                return Signed(head.number, len(leaves), checkpoint, note)
        except OSError as error:
            raise store.cannot_write(target.location, error) from error
    raise EvidenceError(
        f"others sign the store {target.location} all the time",
        hint="one that signs is enough: stop the others",
    )


def _head(target: Store, unique: Callable[[], str]) -> Head:
    """Return the head of the batch that comes next."""
    before = last_batch(target)
    if before is None:
        return Head(0, f"lpaudit/{unique()}", 0)
    tree = before.head.tree
    for leaf in before.leaves:
        tree.add(leaf.encode())
    return replace(
        before.head,
        number=before.head.number + 1,
        size=tree.size,
        frontier=tuple(node.hex() for node in tree.frontier),
    )


def _new(target: Store, head: Head) -> tuple[Head, list[Leaf]]:
    """Return the leaves of what the head does not know yet, and the head that does."""
    storage, leaves = target.storage, list[Leaf]()
    tables, packs = dict(head.tables), set[str]()
    for name in table_names(storage):
        for entry in entries(storage, name, tables.get(name, -1) + 1):
            if entry.version != tables.get(name, -1) + 1:
                raise StoreError(
                    f"version {tables.get(name, -1) + 1} of {name} is not there",
                    hint="nothing more is signed until it is mended: see `lpaudit verify`",
                )
            leaves += _of_commit(target, entry, packs)
            tables[name] = entry.version
    files = {path: _hash(target, path) or "" for path in sorted(packs | set(_others(target)))}
    changed = {path: told for path, told in files.items() if head.files.get(path) != told}
    leaves += [FileLeaf(path, told) for path, told in changed.items()]
    return replace(head, tables=tables, files={**head.files, **changed}), leaves


def _of_commit(target: Store, entry: Entry, packs: set[str]) -> Iterator[Leaf]:
    """Yield the leaves of a version; ``packs`` gets those that its segments have been put into."""
    if entry.path == entry_path(entry.table, entry.version):
        target.storage.sync_commit(entry.table, entry.version)
    files: dict[str, str | None] = {}
    for action in entry.actions():
        told = action.get("add")
        if isinstance(told, dict):
            files[str(told["path"])] = _hash(target, f"{entry.table}/{told['path']}")
    for piece in segments_of(entry):
        segment = Segment(piece["source_id"], piece["start"], piece["end"], piece["sha256"])
        packed = _hash(target, segment.name)
        if packed is None:
            folder = segment.name.rpartition("/")[0]
            held = (p for p in packs_in(folder, target.storage.names(folder)) if p.holds(segment))
            packs.update(pack.name for pack in held)
        yield SegmentLeaf(entry.table, entry.version, **piece, file_sha256=packed)
    checkpoint = _hash(target, checkpoint_path(entry.table, entry.version))
    yield CommitLeaf(entry.table, entry.version, sha256(entry.data).hexdigest(), files, checkpoint)


def _others(target: Store) -> Iterator[str]:
    """Yield the files that are no part of a commit, and do not change any more."""
    storage = target.storage
    yield MARKER
    for folder in (keys.FOLDER, TIMESTAMPS, CERTIFICATES):
        yield from (f"{folder}/{name}" for name in storage.names(folder) if not name.endswith(".tmp"))
    for name in table_names(storage):
        yield from archives(storage, name)


def _hash(target: Store, path: str) -> str | None:
    try:
        return sha256(target.storage.read(path)).hexdigest()
    except FileNotFoundError:
        return None
