"""What was purged → a signed note, and back: why leaves of the tree have no bytes any more.

The text is a line that says what it is, a line of JSON about the purge, and a line of JSON for each leaf.
It is signed as checkpoints are, so that the same few lines of any language check both.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lpaudit.errors import EvidenceError
from lpaudit.evidence.note import PublicKey, Signer, read_note

CERTIFICATES = "purges"
"""Folder of a store's certificates."""

_TITLE = "lpaudit purge certificate"
FORM = 1


def certificate_name(purge_id: str) -> str:
    """Return a certificate's path below the store's root."""
    return f"{CERTIFICATES}/{purge_id}.certificate"


@dataclass(frozen=True, slots=True)
class PurgedLeaf:
    """A leaf whose bytes and rows were purged: its number in the tree, what it says, and what its lines were.

    Times are as ``canonical.stamp`` writes them: ``first`` and ``last`` of its lines, ``ingested`` when they
    were stored. ``redacted`` are the places of secrets, (first byte, length) from the segment's start, and
    ``redacted_sha256`` is the hash of its bytes with all of these blank; None if there are none.
    """

    leaf: int
    table: str
    source_id: str
    start: int
    end: int
    lines: int
    sha256: str
    source: str
    host: str
    first: str
    last: str
    ingested: str
    line_number: int
    log_format: str
    ends_a_line: bool
    redacted: tuple[tuple[int, int], ...] = ()
    redacted_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A hold that was in force, and what it covers; but not who is meant by one of an identity."""

    hold: str
    start: str | None
    end: str | None
    identity: bool
    flow_run_id: str | None
    ticket: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """That leaves of the tree ``origin`` were purged: by which rule, when, by whom, and past which holds.

    Every line was older than ``cut``. ``decisions`` is the number of the last event of the store's table
    `retention` that was known.
    """

    purge: str
    origin: str
    at: str
    by: str
    reason: str | None
    ticket: str | None
    host: str
    user: str
    classes: tuple[str, ...]
    keep: str
    cut: str
    decisions: int
    holds: tuple[HeldBy, ...]
    leaves: tuple[PurgedLeaf, ...]

    @property
    def lines(self) -> int:
        """Lines that were purged."""
        return sum(leaf.lines for leaf in self.leaves)

    @property
    def bytes(self) -> int:
        """Bytes of logs that were purged."""
        return sum(leaf.end - leaf.start for leaf in self.leaves)

    @property
    def text(self) -> str:
        """What is signed."""
        head = {"form": FORM, **asdict(self)}
        del head["leaves"]
        counted = {"segments": len(self.leaves), "lines": self.lines, "bytes": self.bytes}
        told: Iterable[dict[str, Any]] = (head | counted, *map(asdict, self.leaves))
        return "\n".join([_TITLE, *(json.dumps(one, separators=(",", ":")) for one in told)]) + "\n"


def sign_certificate(certificate: Certificate, signer: Signer) -> str:
    """Return a certificate as a note."""
    return signer.sign(certificate.text)


def read_certificate(note: bytes, keys: Iterable[PublicKey]) -> Certificate:
    """Return what a certificate says that one of the keys has signed. Raises EvidenceError."""
    try:
        text, _ = read_note(note.decode("utf-8"), keys)
    except UnicodeDecodeError as error:
        raise EvidenceError("it is no text") from error
    return _parse(text)


def unverified_certificate(note: bytes) -> Certificate:
    """Return what a certificate says, whoever has signed it. Raises EvidenceError."""
    return _parse(note.decode("utf-8", "replace").rpartition("\n\n")[0] + "\n")


def _parse(text: str) -> Certificate:
    """Inverse of ``text``. Raises EvidenceError, also for what is written otherwise than lpaudit does."""
    try:
        title, first, *lines = text.removesuffix("\n").split("\n")
        head = json.loads(first)
        form = head.pop("form")
        for name in ("segments", "lines", "bytes"):
            del head[name]
        leaves = (json.loads(line) for line in lines)
        found = Certificate(
            **head
            | {
                "classes": tuple(head["classes"]),
                "holds": tuple(HeldBy(**hold) for hold in head["holds"]),
                "leaves": tuple(
                    PurgedLeaf(**leaf | {"redacted": tuple(tuple(place) for place in leaf["redacted"])})
                    for leaf in leaves
                ),
            }
        )
        good = title == _TITLE and form == FORM and found.text == text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError("it is no certificate of a purge") from error
    if not good:
        raise EvidenceError("it is no certificate that lpaudit writes", hint="upgrade lpaudit")
    return found
