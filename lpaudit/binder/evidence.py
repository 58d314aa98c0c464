"""The signed tree, certificates of purges, a proof of each segment of a period, and the segments themselves.

Files are those of the store, as they are there; what proves a segment is made here, and can be
made again from the leaves.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lpaudit import keys, signing, store
from lpaudit.binder.folder import Folder
from lpaudit.evidence import (
    CERTIFICATES,
    FOLDER,
    SegmentLeaf,
    from_line,
    inclusion_proofs,
    leaf_hash,
    read_batch,
)
from lpaudit.model import Period, Segment, Select
from lpaudit.store import Store

_KEPT = (
    (FOLDER, "evidence", re.compile(r"\d{20}\.batch")),
    (keys.FOLDER, "evidence/keys", re.compile(r"[0-9a-f]{16}\.json")),
    (CERTIFICATES, "evidence/purges", re.compile(r"[0-9a-f]{16}\.certificate")),
    (signing.TIMESTAMPS, "evidence/timestamps", re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.tsr")),
)
"""Folders of the store, what they are called in a binder, and the files in them that lpaudit has written."""

# A line that cannot be read has no time, and counts at that at which it was stored.
_OF_PERIOD = """
select distinct segment from log_line
where coalesce(first_time, ingest_time) >= $start and coalesce(first_time, ingest_time) < $end
order by segment
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What was put in: how many batches and leaves, the period's segments, and those that are proven.

    ``checkpoint`` is the newest one, as it was signed; empty if nothing ever was.
    """

    batches: int
    leaves: int
    segments: int
    proven: int
    checkpoint: str


def segments_of(period: Period, select: Select) -> list[Segment]:
    """Return the segments that have a line in a period. Raises QueryError."""
    found = select(_OF_PERIOD, {"start": period.start, "end": period.end}).column("segment").to_pylist()
    return [Segment.from_name(name) for name in found]


def add_evidence(folder: Folder, target: Store, segments: Sequence[Segment]) -> Told:
    """Write what proves segments. Raises OSError, StoreError, EvidenceError."""
    wanted = {segment.name for segment in segments}
    places: dict[str, tuple[int, str]] = {}
    hashes: list[bytes] = []
    note, batches = "", 0
    for where, name, data in _kept(target):
        folder.add(f"{where}/{name}", data)
        if where != "evidence":
            continue
        batch = read_batch(data)
        for line in batch.leaves:
            leaf = from_line(line)
            if isinstance(leaf, SegmentLeaf):
                of = Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256).name
                if of in wanted:
                    places.setdefault(of, (len(hashes), line))
            hashes.append(leaf_hash(line.encode()))
        note, batches = batch.note, batches + 1
    if note:
        folder.add("evidence/checkpoint", note.encode())
    proofs = dict(zip(places, inclusion_proofs(hashes, [at for at, _ in places.values()]), strict=True))
    with folder.place("evidence/segments.jsonl").open("w", encoding="ascii", newline="\n") as file:
        for name in sorted(wanted):
            at, text = places.get(name) or (None, None)
            proof = [node.hex() for node in proofs.get(name, ())]
            told = {"segment": name, "leaf": text, "index": at, "hashes": proof}
            file.write(json.dumps(told, separators=(",", ":")) + "\n")
    return Told(batches, len(hashes), len(wanted), len(places), note)


def add_segments(folder: Folder, target: Store, segments: Iterable[Segment]) -> None:
    """Write raw segments, under their names in the store. Raises OSError, StoreError."""
    for segment, data in store.read_frames(target.storage, segments):
        folder.add(segment.name, data)


def _kept(target: Store) -> Iterable[tuple[str, str, bytes]]:
    try:
        for there, where, pattern in _KEPT:
            for name in target.storage.names(there):
                if pattern.fullmatch(name):
                    yield where, name, target.storage.read(f"{there}/{name}")
    except OSError as error:
        raise store.cannot_read(target.location, error) from error
