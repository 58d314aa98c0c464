"""What a leaf of the tree says: a line of JSON, so that anybody can read and hash it.

There are three kinds. A ``segment`` is bytes of a log that one commit stored. A ``commit`` is
an entry of a table's log, with the data files that it added. A ``file`` is anything else that
does not change any more. Hashes are SHA-256 in hex; null is the hash of what was not there
any more when the leaf was made.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import ClassVar

from lpaudit.errors import EvidenceError


@dataclass(frozen=True, slots=True)
class SegmentLeaf:
    """Bytes ``[start, end)`` of a source: ``lines`` lines, their hash, and that of the compressed file."""

    kind: ClassVar[str] = "segment"
    table: str
    version: int
    source_id: str
    start: int
    end: int
    lines: int
    sha256: str
    file_sha256: str | None


@dataclass(frozen=True, slots=True)
class CommitLeaf:
    """A version of a table: the hash of its log's entry, and of each data file that it added.

    ``checkpoint_sha256`` is that of Delta's own checkpoint at this version, if there was one.
    """

    kind: ClassVar[str] = "commit"
    table: str
    version: int
    entry_sha256: str
    files: dict[str, str | None] = field(default_factory=dict)
    checkpoint_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class FileLeaf:
    """A file below the store's root."""

    kind: ClassVar[str] = "file"
    path: str
    sha256: str


Leaf = SegmentLeaf | CommitLeaf | FileLeaf
_KINDS: dict[str, type[Leaf]] = {leaf.kind: leaf for leaf in (SegmentLeaf, CommitLeaf, FileLeaf)}


def to_line(leaf: Leaf) -> str:
    """Return a leaf as it is hashed, without a line's end."""
    return _json({"leaf": leaf.kind, **asdict(leaf)})


def from_line(line: str) -> Leaf:
    """Inverse of ``to_line``. Raises EvidenceError, also for a leaf that is written otherwise."""
    try:
        told = json.loads(line)
        leaf = _KINDS[told.pop("leaf")](**told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError("a leaf is none that lpaudit makes") from error
    if to_line(leaf) != line:
        raise EvidenceError("a leaf is written otherwise than lpaudit does")
    return leaf


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
