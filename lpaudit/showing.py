"""`lpaudit show`: one line, the bytes it was, where they came from, and what proves it."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lpaudit import pipeline, store
from lpaudit.errors import ConfigError
from lpaudit.evidence import (
    FOLDER,
    SegmentLeaf,
    certificate_name,
    from_line,
    inclusion_proof,
    leaf_hash,
    read_batch,
)
from lpaudit.model import LogKind, Segment, Select
from lpaudit.reading import SHOWN_VEIL
from lpaudit.redaction import VEIL
from lpaudit.store import Store
from lpaudit.visible import instant

_LINKS = (
    "select * exclude (line_id) from access_run where line_id = $id order by relation, method, flow_run_id"
)

_GONE = """
select purged_segment.*, purge."by", purge.reason, purge.ticket, purge.keep, purge.done_at
from purged_segment
left join purge using (purge_id)
where source_id = $source_id and start_offset <= $offset and end_offset > $offset
"""
_LINE_ID = re.compile(r"([0-9a-f]{16})-(\d{15,})")

_TOLD = {"source", "host_name", "line_number", "byte_offset", "byte_length", "segment", "raw"}


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf is in the tree of the newest checkpoint, which is given as it was signed.

    ``hashes`` lead from the leaf, which is number ``index`` of ``size``, to the root.
    """

    leaf: str
    index: int
    size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Line:
    """A stored line: its row, its bytes as they were, links to runs, and a proof if it was signed."""

    table: str
    row: dict[str, Any]
    raw: bytes
    links: list[dict[str, Any]]
    proof: Proof | None

    @property
    def segment(self) -> Segment:
        """The segment that it is in."""
        return Segment.from_name(self.row["segment"])


@dataclass(frozen=True, slots=True)
class PurgedLine:
    """A line that was purged: what stands for its segment, why that went, and the proof of its leaf."""

    line_id: str
    row: dict[str, Any]
    proof: Proof | None


def line_of(root: str, line_id: str) -> Line | PurgedLine:
    """Return a line, or what is left of it.

    Raises ConfigError if there never was one, StoreError if its bytes are not what was stored.
    """
    target = store.open_store(root)
    with pipeline.opened(root) as (connection, versions):
        for table in (kind.table for kind in LogKind if kind.table in versions):
            sql = f"select * from {table} where line_id = $id"  # noqa: S608 -- our own names
            found = connection.select(sql, {"id": line_id}).to_pylist()
            if found:
                links = connection.select(_LINKS, {"id": line_id}).to_pylist()
                break
        else:
            gone = _gone(connection.select, line_id)
            if gone is None:
                raise ConfigError(
                    f"there is no line {line_id!r}", hint="the column line_id of access and server_event"
                )
            return PurgedLine(line_id, gone, proof_of(target, Segment.from_name(gone["segment"])))
    row = found[0]
    segment = Segment.from_name(row["segment"])
    start = row["byte_offset"] - segment.start
    raw = store.read_segment(target.storage, segment)[start : start + row["byte_length"]]
    return Line(table, row, raw, links, proof_of(target, segment))


def _gone(select: Select, line_id: str) -> dict[str, Any] | None:
    """Return what stands for the segment that a line was in, if it was purged."""
    match = _LINE_ID.fullmatch(line_id)
    if match is None:
        return None
    found = select(_GONE, {"source_id": match[1], "offset": int(match[2])}).to_pylist()
    return found[0] if found else None


def proof_of(target: Store, segment: Segment) -> Proof | None:
    """Return what proves a segment; None if it was not signed yet. Raises StoreError or EvidenceError."""
    hashes: list[bytes] = []
    note, place, leaf = "", None, ""
    try:
        names = [name for name in target.storage.names(FOLDER) if name.endswith(".batch")]
        for name in names:
            batch = read_batch(target.storage.read(f"{FOLDER}/{name}"))
            for line in batch.leaves:
                if segment.sha256 in line and place is None and _is(line, segment):
                    place, leaf = len(hashes), line
                hashes.append(leaf_hash(line.encode()))
            note = batch.note
    except OSError as error:
        raise store.cannot_read(target.location, error) from error
    if place is None:
        return None
    return Proof(leaf, place, len(hashes), tuple(inclusion_proof(hashes, place)), note)


def _is(line: str, segment: Segment) -> bool:
    leaf = from_line(line)
    return (
        isinstance(leaf, SegmentLeaf)
        and Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256) == segment
    )


def as_json(line: Line | PurgedLine) -> dict[str, object]:
    """Return a line for programs: bytes in base64, hashes in hex."""
    if isinstance(line, PurgedLine):
        certificate = certificate_name(line.row["purge_id"])
        return {"purged": line.row, "certificate": certificate, "proof": _proof_json(line.proof)}
    return {
        "table": line.table,
        "raw": line.raw.decode("utf-8", "backslashreplace"),
        "raw_base64": b64encode(line.raw).decode(),
        "raw_sha256": sha256(line.raw).hexdigest(),
        "row": line.row,
        "links": line.links,
        "proof": _proof_json(line.proof),
    }


def _proof_json(proof: Proof | None) -> dict[str, object] | None:
    if proof is None:
        return None
    return {
        "leaf": proof.leaf,
        "index": proof.index,
        "size": proof.size,
        "hashes": [node.hex() for node in proof.hashes],
        "checkpoint": proof.checkpoint,
    }


def in_words(line: Line | PurgedLine) -> Iterator[str]:
    """Yield lines for people. What a log put into them is still to be made visible."""
    if isinstance(line, PurgedLine):
        yield from _purged_in_words(line)
        return
    row, segment = line.row, line.segment
    yield line.raw.replace(VEIL, SHOWN_VEIL.encode()).decode("utf-8", "backslashreplace").rstrip("\r\n")
    yield ""
    yield f"from     {row['source']} on {row['host_name']}, line {row['line_number']:,}"
    yield f"bytes    {row['byte_offset']} to {row['byte_offset'] + row['byte_length']}, in {segment.name}"
    yield f"SHA-256  {sha256(line.raw).hexdigest()} of these, {segment.sha256} of the segment's"
    yield from _proof_in_words(line.proof)
    yield ""
    shown = {name: value for name, value in row.items() if value not in (None, [], {}) and name not in _TOLD}
    yield from (f"{name:<28} {value}" for name, value in shown.items())
    for link in line.links:
        yield ""
        yield from (f"{name:<28} {value}" for name, value in link.items() if value is not None)


def _proof_in_words(proof: Proof | None) -> Iterator[str]:
    if proof is None:
        yield "proof    none: it was not signed yet (`lpaudit sign`)"
        return
    yield f"proof    leaf {proof.index} of {proof.size}: {proof.leaf}"
    yield from (f"         {node.hex()}" for node in proof.hashes)
    yield from (f"         {text}" for text in proof.checkpoint.splitlines())


def _purged_in_words(line: PurgedLine) -> Iterator[str]:
    """Yield what is left of a line: when it went and why, and the proof of what its segment was."""
    row = line.row
    when = instant(row["purged_at"].replace(microsecond=0))
    why = "".join(f", {row[name]}" for name in ("reason", "ticket") if row[name])
    yield f"purged   {when} by {row['by']}: lines are kept for {row['keep']}{why}"
    yield f"under    {certificate_name(row['purge_id'])}"
    yield f"from     {row['source']} on {row['host_name']}, a line up to {row['line_number']:,}"
    yield (
        f"bytes    {row['start_offset']} to {row['end_offset']} of it went together: "
        f"{row['lines']:,} lines of {instant(row['first_time'])} to {instant(row['last_time'])}"
    )
    yield from _proof_in_words(line.proof)
