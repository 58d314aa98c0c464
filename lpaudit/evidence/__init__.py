"""The signed tree over all that was stored: leaves, checkpoints, and proofs that a leaf is in it.

merkle.py   RFC 6962: hashes → a root, and proofs
note.py     a root, and a key → a checkpoint; and back
leaves.py   what a leaf says ↔ its bytes
batch.py    leaves that were signed together ↔ a file

It knows no store: signing reads one, verification compares one with it.
"""

from lpaudit.evidence.batch import FOLDER, Batch, Head, batch_name, follows, read_batch, write_batch
from lpaudit.evidence.leaves import CommitLeaf, FileLeaf, Leaf, SegmentLeaf, from_line, to_line
from lpaudit.evidence.merkle import Tree, inclusion_proof, inclusion_proofs, leaf_hash, root_of_proof
from lpaudit.evidence.note import Checkpoint, PublicKey, Signer, read_checkpoint, read_note

__all__ = [
    "FOLDER",
    "Batch",
    "Checkpoint",
    "CommitLeaf",
    "FileLeaf",
    "Head",
    "Leaf",
    "PublicKey",
    "SegmentLeaf",
    "Signer",
    "Tree",
    "batch_name",
    "follows",
    "from_line",
    "inclusion_proof",
    "inclusion_proofs",
    "leaf_hash",
    "read_batch",
    "read_checkpoint",
    "read_note",
    "root_of_proof",
    "to_line",
    "write_batch",
]
