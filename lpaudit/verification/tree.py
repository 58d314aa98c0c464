"""The batches → what was signed; or what is wrong with them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lpaudit.errors import EvidenceError
from lpaudit.evidence import (
    FOLDER,
    Batch,
    Checkpoint,
    CommitLeaf,
    FileLeaf,
    PublicKey,
    SegmentLeaf,
    Tree,
    batch_name,
    follows,
    from_line,
    read_batch,
    read_checkpoint,
)
from lpaudit.store import Store
from lpaudit.verification.finding import Finding, What, as_findings

_NAME = re.compile(r"(\d{20})\.batch")


@dataclass(slots=True)
class Told:
    """What the leaves say; of a file that has several, the last.

    ``roots`` are those after each batch, by the tree's size; ``numbered`` are the segments' leaves by their
    numbers. ``keys`` are those that have signed.
    """

    commits: dict[str, dict[int, CommitLeaf]] = field(default_factory=dict)
    segments: dict[str, list[SegmentLeaf]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    numbered: dict[int, SegmentLeaf] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    origin: str | None = None
    batches: int = 0
    size: int = 0

    def add(self, line: str, number: int) -> None:
        """Take a leaf in. Raises EvidenceError."""
        match from_line(line):
            case SegmentLeaf() as leaf:
                self.numbered[number] = leaf
                self.segments.setdefault(leaf.table, []).append(leaf)
            case CommitLeaf() as leaf:
                self.commits.setdefault(leaf.table, {})[leaf.version] = leaf
            case FileLeaf() as leaf:
                self.files[leaf.path] = leaf.sha256


@dataclass(slots=True)
class _SoFar:
    """The tree after the batches that were read, and the last of them."""

    tree: Tree = field(default_factory=Tree)
    before: Batch | None = None


def read_tree(target: Store, keys: Sequence[PublicKey], told: Told) -> Iterator[Finding]:
    """Read all batches into ``told``; yield what is wrong with them.

    What a broken batch says counts all the same, for the others to be compared with.
    """
    names = target.storage.names(FOLDER)
    numbers = sorted(int(m[1]) for m in map(_NAME.fullmatch, names) if m)
    for name in names:
        if not _NAME.fullmatch(name) and not name.endswith(".tmp"):
            yield Finding(What.ADDED, f"{FOLDER}/{name}", "it is no batch")
    for number in sorted(set(range(numbers[-1] + 1 if numbers else 0)) - set(numbers)):
        yield Finding(What.MISSING, batch_name(number), "a later batch is there, and this one is not")
    so_far = _SoFar()
    for number in numbers:
        where = batch_name(number)
        # Whatever it says, the ones after it are still to be read.
        yield from as_findings(where, _read_one(target, number, where, keys, told, so_far))
    if so_far.before is None:
        yield Finding(What.UNSIGNED, FOLDER, "nothing of this store was ever signed (`lpaudit keys init`)")


def _read_one(
    target: Store, number: int, where: str, keys: Sequence[PublicKey], told: Told, so_far: "_SoFar"
) -> Iterator[Finding]:
    try:
        batch = read_batch(target.storage.read(where))
        if batch.head.number != number or not _goes_on(so_far.before, batch, so_far.tree):
            yield Finding(What.FORKED, where, "it does not go on from the batch before it")
            so_far.tree = batch.head.tree
    except EvidenceError as error:
        yield Finding(What.CHANGED, where, error.message)
        return
    except OSError as error:
        yield Finding(What.UNREADABLE, where, str(error))
        return
    tree = so_far.tree
    yield from _leaves(so_far.before, batch, where, tree, told)
    yield from _checkpoint(batch, where, tree, keys, told)
    told.roots[tree.size] = tree.root
    told.batches, told.size, told.origin = told.batches + 1, tree.size, batch.head.origin
    so_far.before = batch


def _goes_on(before: Batch | None, batch: Batch, tree: Tree) -> bool:
    if before is None:
        return batch.head.number == 0 and batch.head.size == 0 and not batch.head.frontier
    return follows(before, batch, tree)


def _leaves(before: Batch | None, batch: Batch, where: str, tree: Tree, told: Told) -> Iterator[Finding]:
    for line in batch.leaves:
        tree.add(line.encode("utf-8", "surrogatepass"))
        try:
            told.add(line, tree.size - 1)
        except EvidenceError as error:
            yield Finding(What.CHANGED, where, error.message)
    begun = before.head.number if before else -1
    if batch.head.number == begun + 1 and (batch.head.tables, batch.head.files) != _ends(before, batch):
        text = "its first line names other versions or files than its leaves and the batch before it"
        yield Finding(What.CHANGED, where, text)


def _ends(before: Batch | None, batch: Batch) -> tuple[dict[str, int], dict[str, str]]:
    """Return how far a batch has come, and which files have had a leaf: nobody signs its first line."""
    tables, files = (dict(before.head.tables), dict(before.head.files)) if before else ({}, {})
    for leaf in map(_parsed, batch.leaves):
        if isinstance(leaf, CommitLeaf):
            tables[leaf.table] = leaf.version
        elif isinstance(leaf, FileLeaf):
            files[leaf.path] = leaf.sha256
    return tables, files


def _parsed(line: str) -> object:
    try:
        return from_line(line)
    except EvidenceError:
        return None


def _checkpoint(
    batch: Batch, where: str, tree: Tree, keys: Sequence[PublicKey], told: Told
) -> Iterator[Finding]:
    try:
        checkpoint, key = read_checkpoint(batch.note, keys)
    except EvidenceError as error:
        what = What.UNSIGNED if "no key is known" in error.message else What.CHANGED
        yield Finding(what, where, error.message)
        return
    told.keys.add(str(key))
    if checkpoint != Checkpoint(batch.head.origin, tree.size, tree.root):
        yield Finding(What.CHANGED, where, "its leaves are not those that were signed")


def compare(note: str, name: str, keys: Iterable[PublicKey], told: Told) -> Iterator[Finding]:
    """Compare a checkpoint that was kept elsewhere with the tree; ``name`` says where it was kept."""
    try:
        checkpoint, _ = read_checkpoint(note, keys)
    except EvidenceError as error:
        yield Finding(What.CHANGED, name, error.message)
        return
    if checkpoint.origin != told.origin:
        yield Finding(What.FORKED, name, f"it is of another store: {checkpoint.origin}")
    elif checkpoint.size > told.size:
        yield Finding(
            What.ROLLED_BACK,
            name,
            f"it speaks of {checkpoint.size:,} leaves, and the store has {told.size:,}",
        )
    elif told.roots.get(checkpoint.size) != checkpoint.root:
        yield Finding(
            What.FORKED,
            name,
            f"the store's first {checkpoint.size:,} leaves are not those it was signed over",
        )
