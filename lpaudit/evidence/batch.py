"""A batch: leaves that were added to the tree together, and the checkpoint that was signed then.

It is a text file that is never changed. Its first line says where the tree was before, so that
the next batch can be made without reading all others; then come the leaves, one a line; then,
after an empty line, the checkpoint with its signature.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lpaudit.errors import EvidenceError
from lpaudit.evidence.merkle import Tree
from lpaudit.evidence.note import Checkpoint, Signer

FOLDER = "evidence"
FORM = 1
"""Of the file. A store with batches of a form that is not known was signed by a newer lpaudit."""


def batch_name(number: int) -> str:
    """Return a batch's path below the store's root."""
    return f"{FOLDER}/{number:020d}.batch"


@dataclass(frozen=True, slots=True)
class Head:
    """Where the tree stood before a batch, and how far the batch has come in each table.

    ``tables`` are versions, ``files`` the hashes of those that have had a leaf of their own.
    """

    number: int
    origin: str
    size: int
    frontier: tuple[str, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def tree(self) -> Tree:
        """The tree before the batch. Raises EvidenceError."""
        try:
            return Tree(self.size, map(bytes.fromhex, self.frontier))
        except ValueError as error:
            raise EvidenceError(f"batch {self.number} begins with a tree that is none") from error

    @property
    def line(self) -> str:
        """The first line of the file."""
        return json.dumps(
            {
                "form": FORM,
                "batch": self.number,
                "origin": self.origin,
                "size": self.size,
                "frontier": list(self.frontier),
                "tables": dict(self.tables),
                "files": dict(self.files),
            },
            separators=(",", ":"),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it was read: nothing of it has been checked but its form."""

    head: Head
    leaves: tuple[str, ...]
    note: str


def write_batch(head: Head, leaves: Iterable[str], signer: Signer) -> tuple[str, Checkpoint]:
    """Return a batch's text, and the checkpoint in it. Raises EvidenceError."""
    tree, lines = head.tree, [head.line]
    for leaf in leaves:
        tree.add(leaf.encode())
        lines.append(leaf)
    checkpoint = Checkpoint(head.origin, tree.size, tree.root)
    return "\n".join(lines) + "\n\n" + signer.sign(checkpoint.text), checkpoint


def read_batch(data: bytes) -> Batch:
    """Read a batch's file. Raises EvidenceError."""
    try:
        text = data.decode("utf-8")
        body, _, note = text.partition("\n\n")
        first, *leaves = body.split("\n")
        told = json.loads(first)
        head = Head(
            number=told["batch"],
            origin=told["origin"],
            size=told["size"],
            frontier=tuple(told["frontier"]),
            tables=told["tables"],
            files=told["files"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceError("it is no batch of leaves") from error
    if told.get("form") != FORM:
        raise EvidenceError("it is a batch of a form that is not known", hint="upgrade lpaudit")
    if head.line != first:
        raise EvidenceError("its first line is written otherwise than lpaudit does")
    return Batch(head, tuple(leaves), note)


def follows(before: Batch, after: Batch, tree: Tree) -> bool:
    """Tell whether a batch begins where another one, with the tree after it, has ended."""
    head = after.head
    return (
        head.number == before.head.number + 1
        and head.origin == before.head.origin
        and head.size == tree.size
        and head.frontier == tuple(node.hex() for node in tree.frontier)
    )
