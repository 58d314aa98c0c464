"""What crashes have left: files that no commit names, and that none will name any more.

Nobody reads them. But they hold lines: they go with these when they are purged, and after a week if
they are not even finished.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from lpaudit.errors import LpauditError
from lpaudit.model import LogKind, Segment
from lpaudit.redaction import blank, disguises
from lpaudit.store.commit import known
from lpaudit.store.segment import read_frame, read_segment
from lpaudit.store.storage import Storage
from lpaudit.store.tables import Store, cannot_read, cannot_write

UNFINISHED = ".tmp"
"""How the names of files end that are being written, or were."""

STALE = 7 * 24
"""Hours after which nobody is at work on a file any more, however long a machine slept: as Delta has it."""


def left_of(store: Store, segments: Iterable[Segment]) -> list[Segment]:
    """Return segments that no commit names, and that have bytes of ``segments``, which are purged.

    A crash leaves them, and their bytes were stored again in another cut. They end before the source's
    offset, so no commit that is still to come can name them. One whose bytes are not those that are
    stored is none of a crash's, and stays: it is for `verify` to say so. Raises StoreError.
    """
    found = []
    by_source: dict[str, list[Segment]] = {}
    for segment in segments:
        by_source.setdefault(segment.source_id, []).append(segment)
    try:
        for source_id, gone in by_source.items():
            # Listed first: what is committed after that is named.
            there = _segments(store.storage, source_id)
            opened = [table for kind in LogKind if (table := store.table(kind.table)) is not None]
            named = {
                segment
                for table in opened
                if (have := known(store, table, source_id)) is not None
                for segment in have.segments
            }
            end = max((segment.end for segment in named), default=0)
            found += [
                segment
                for segment in there - named
                if segment.end <= end
                and any(_overlap(segment, purged) for purged in gone)
                and is_copy(store.storage, segment, named)
            ]
    except OSError as error:
        raise cannot_read(store.location, error) from error
    return sorted(found, key=lambda segment: segment.name)


def _segments(storage: Storage, source_id: str) -> set[Segment]:
    found = set()
    for name in storage.names(f"segments/{source_id}"):
        with suppress(ValueError):  # unfinished
            segment = Segment.from_name(f"segments/{source_id}/{name}")
            if len(segment.sha256) == 64:  # no pack
                found.add(segment)
    return found


def _overlap(one: Segment, other: Segment) -> bool:
    return one.source_id == other.source_id and max(one.start, other.start) < min(one.end, other.end)


def is_copy(storage: Storage, segment: Segment, named: Iterable[Segment]) -> bool:
    """Say whether a segment is what its name says, and has the bytes that those that are named have there."""
    try:
        data = read_frame(storage, segment)[1]
    except (OSError, LpauditError):
        return False
    return differs(storage, segment, data, named) is None


def differs(
    storage: Storage, segment: Segment, data: bytes, named: Iterable[Segment]
) -> tuple[int, int] | None:
    """Return the first place (begin, end) where segments that are named have other bytes; None: nowhere.

    Secrets may have been redacted otherwise. What cannot be read, as it was purged, differs in nothing.
    """
    for piece in named:
        if not _overlap(segment, piece):
            continue
        low, high = max(segment.start, piece.start), min(segment.end, piece.end)
        with suppress(LpauditError):
            mine = data[low - segment.start : high - segment.start]
            stored = read_segment(storage, piece)[low - piece.start : high - piece.start]
            places = [*disguises(mine), *disguises(stored)]
            if blank(mine, places) != blank(stored, places):
                return low, high
    return None


def remove_unfinished(store: Store, names: Iterable[str]) -> int:
    """Remove files of tables and of segments that nobody has gone on writing for a week; return how many.

    Raises StoreError.
    """
    storage, removed = store.storage, 0
    before = datetime.now(UTC) - timedelta(hours=STALE)  # by the clock that the files' times are of
    try:
        for folder in [*names, *(f"segments/{name}" for name in storage.names("segments"))]:
            left = [f"{folder}/{name}" for name in storage.names(folder) if name.endswith(UNFINISHED)]
            for file in storage.filesystem.get_file_info(left):
                if file.is_file and file.mtime < before:
                    storage.remove(file.path)
                    removed += 1
    except OSError as error:
        raise cannot_write(store.location, error) from error
    return removed
