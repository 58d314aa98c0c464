"""RFC 6962's Merkle tree over SHA-256: roots, and proofs that a leaf is below one.

A tree that grows is known by its frontier: the roots of the perfect subtrees that it is made
of, the largest first, one for each 1 in the binary form of its size. So a leaf is added
without the others being there, and a tree of any size is remembered in a few hashes.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

EMPTY = sha256().digest()
"""Root of the tree without leaves (RFC 6962, 2.1)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: other than that of two hashes, whatever the leaf says."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash above two others."""
    return sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows, by its size and frontier."""

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        """Go on from a tree that was. Raises ValueError if the two do not belong together."""
        self.size = size
        self.frontier = list(frontier)
        if size < 0 or len(self.frontier) != size.bit_count() or any(len(h) != 32 for h in self.frontier):
            raise ValueError(f"no frontier of {size} leaves")

    def add(self, leaf: bytes) -> None:
        """Add a leaf."""
        node, size = leaf_hash(leaf), self.size
        while size & 1:  # as many perfect trees end here as the old size ends with ones
            node = node_hash(self.frontier.pop(), node)
            size >>= 1
        self.frontier.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves."""
        if not self.frontier:
            return EMPTY
        node = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            node = node_hash(left, node)
        return node


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root, the lowest first (RFC 6962, 2.1.1)."""
    return next(inclusion_proofs(hashes, [index]))


def inclusion_proofs(hashes: Sequence[bytes], indices: Iterable[int]) -> Iterator[list[bytes]]:
    """Yield the proof of each leaf: the tree is made once."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        levels.append(list(_above(levels[-1])))
    for index in indices:
        places = ((level, (index >> height) ^ 1) for height, level in enumerate(levels[:-1]))
        yield [level[place] for level, place in places if place < len(level)]


def _above(level: Sequence[bytes]) -> Iterator[bytes]:
    for i in range(0, len(level), 2):
        yield node_hash(level[i], level[i + 1]) if i + 1 < len(level) else level[i]


def root_of_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof leads to; None if it cannot be one for that place and size."""
    if not 0 <= index < size:
        return None
    node, last, left = leaf, size - 1, list(proof)
    while last:
        if index & 1 or index < last:
            if not left:
                return None
            other = left.pop(0)
            node = node_hash(other, node) if index & 1 else node_hash(node, other)
        index, last = index >> 1, last >> 1
    return None if left else node
