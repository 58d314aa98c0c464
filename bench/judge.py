"""A log against what was stored of it: nothing is lost, and how fresh each line was."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from bench.commits import Piece
from bench.growth import File
from lpaudit.model import Segment
from lpaudit.redaction import covers
from lpaudit.store import open_store, read_segment
from lpaudit.store.storage import Storage

Ages = list[tuple[float, int]]
"""(seconds, lines): so many lines were so old when they became visible."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the files of a log have become."""

    lines: int  # in the files
    stored: int  # as the commits say
    differences: tuple[str, ...]
    ages: Ages


def judge(root: Path, files: Sequence[File], pieces: Iterable[Piece]) -> Stored:
    """Compare every byte of the files with the stored segments, and say how fresh each line was.

    A secret is not stored: of the recorded requests one has some.
    """
    storage = open_store(str(root)).storage
    sources: dict[str, list[Piece]] = {}
    for piece in pieces:
        sources.setdefault(piece.segment.source_id, []).append(piece)
    differences: list[str] = []
    ages: Ages = []
    lines = 0
    left = dict(sources)
    for number, file in enumerate(files, 1):
        source_id = _source_of(storage, file, left)
        found = left.pop(source_id, [])
        position = 0
        for piece in found:
            segment = piece.segment
            if segment.start != position or not _same(storage, file, segment):
                differences.append(f"file {number}: bytes {segment.start} to {segment.end} differ")
            position = segment.end
        if position != file.size:
            differences.append(f"file {number}: {position:,} of {file.size:,} bytes are stored")
        lines += _count(file, ages, found)
    differences += [f"source {source_id} is of no file" for source_id in left]
    stored = sum(piece.lines for found in sources.values() for piece in found)
    if stored != lines:
        differences.append(f"{stored:,} of {lines:,} lines are stored")
    return Stored(lines, stored, tuple(differences), ages)


def _source_of(storage: Storage, file: File, sources: Mapping[str, Sequence[Piece]]) -> str:
    """Return which source a file is, by its first bytes; nothing if it is none."""
    return next((name for name, pieces in sources.items() if _same(storage, file, pieces[0].segment)), "")


def _same(storage: Storage, file: File, segment: Segment) -> bool:
    return covers(read_segment(storage, segment), file.read(segment.start, segment.end))


def _count(file: File, ages: Ages, pieces: Sequence[Piece]) -> int:
    """Count a file's lines, each with its age when its piece was committed; a line is there with its end."""
    looks = deque(file.seen)
    committed = deque((piece.time, piece.segment.end) for piece in pieces)
    lines = position = 0
    while looks:
        since, there = looks[0]
        until, stored = committed[0] if committed else (None, there)
        end = min(there, stored)
        count = file.read(position, end).count(b"\n")
        lines += count
        if until is not None and count:
            ages.append((until - since, count))
        position = end
        if there == end:
            looks.popleft()
        if committed and stored == end:
            committed.popleft()
    return lines


def percentile(ages: Ages, share: float) -> float:
    """Return the age that a share of the lines was not older than."""
    ordered = sorted(ages)
    counts = list(accumulate(count for _, count in ordered))
    return next(age for (age, _), count in zip(ordered, counts, strict=True) if count >= share * counts[-1])
