"""The signed tree over all that was stored: leaves, checkpoints, and proofs that a leaf is in it.

merkle.py       RFC 6962: hashes → a root, and proofs
note.py         a root, and a key → a checkpoint; and back
leaves.py       what a leaf says ↔ its bytes
batch.py        leaves that were signed together ↔ a file
certificate.py  leaves whose lines were purged ↔ a signed note

It knows no store: signing reads one, verification compares one with it.
"""

from lpaudit.evidence.batch import FOLDER, Batch, Head, batch_name, follows, read_batch, write_batch
from lpaudit.evidence.certificate import (
    CERTIFICATES,
    Certificate,
    HeldBy,
    PurgedLeaf,
    certificate_name,
    read_certificate,
    sign_certificate,
    unverified_certificate,
)
from lpaudit.evidence.leaves import CommitLeaf, FileLeaf, Leaf, SegmentLeaf, from_line, to_line
from lpaudit.evidence.merkle import Tree, inclusion_proof, inclusion_proofs, leaf_hash, root_of_proof
from lpaudit.evidence.note import Checkpoint, PublicKey, Signer, read_checkpoint, read_note

__all__ = [
    "CERTIFICATES",
    "FOLDER",
    "Batch",
    "Certificate",
    "Checkpoint",
    "CommitLeaf",
    "FileLeaf",
    "Head",
    "HeldBy",
    "Leaf",
    "PublicKey",
    "PurgedLeaf",
    "SegmentLeaf",
    "Signer",
    "Tree",
    "batch_name",
    "certificate_name",
    "follows",
    "from_line",
    "inclusion_proof",
    "inclusion_proofs",
    "leaf_hash",
    "read_batch",
    "read_certificate",
    "read_checkpoint",
    "read_note",
    "root_of_proof",
    "sign_certificate",
    "to_line",
    "unverified_certificate",
    "write_batch",
]
