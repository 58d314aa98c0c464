"""Many small segment files → packs, which hold the same zstd frames one after the other.

The order, and what a crash leaves at each step:
1. the pack, synced and renamed                              → the same bytes twice: harmless
2. each segment read back from the pack and compared by hash → as before
3. the segments' files removed                               → some of them still there: as before

The next run goes on with step 2 for whatever is still there. Two that pack at once write
packs that are right, each of them; where they overlap, bytes are kept twice.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from lpaudit.model import LogKind, Segment
from lpaudit.store.commit import known
from lpaudit.store.segment import Pack, pack_name, packs_in, read_frame
from lpaudit.store.storage import Storage
from lpaudit.store.tables import Store, cannot_write

LEAST = 64
"""Small segments that are worth packing."""
SMALL = 1 << 20
"""Bytes (decompressed) from which on a segment keeps its own file."""
LARGEST = 64 << 20
"""Bytes (decompressed) that a pack holds at most: what must be read to get at its last segment."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What packing did: how many segments' files went into how many packs."""

    segments: int = 0
    packs: int = 0


def pack(store: Store, unique: Callable[[], str]) -> Packed:
    """Pack the small segments that rows name, where a source has many. Raises StoreError."""
    tables = [table for kind in LogKind if (table := store.table(kind.table)) is not None]
    storage = store.storage
    segments = made = 0
    try:
        for source_id in storage.names("segments"):
            folder = f"segments/{source_id}"
            small = _small(folder, storage.names(folder))
            if len(small) < LEAST:
                continue
            # What no row names may be of a commit that is still to come, or that never came.
            found = [have for table in tables if (have := known(store, table, source_id)) is not None]
            # And what was purged is about to be removed.
            committed = [s for have in found for s in have.segments if s in small and s not in have.purged]
            with suppress(FileNotFoundError):  # somebody else has packed them
                made += _make_packs(storage, folder, committed, unique)
            there = storage.names(folder)
            for one in packs_in(folder, there):
                segments += _retire(storage, one, committed, {f"{folder}/{name}" for name in there})
    except OSError as error:
        raise cannot_write(store.location, error) from error
    return Packed(segments, made)


def _small(folder: str, names: Iterable[str]) -> set[Segment]:
    """Return the small segments that have files of their own in a source's folder."""
    found = set()
    for name in names:
        with suppress(ValueError):  # what an interrupted writer has left
            segment = Segment.from_name(f"{folder}/{name}")
            if len(segment.sha256) == 64 and segment.end - segment.start < SMALL:
                found.add(segment)
    return found


def _make_packs(
    storage: Storage, folder: str, committed: Iterable[Segment], unique: Callable[[], str]
) -> int:
    there = packs_in(folder, storage.names(folder))
    runs = _runs(s for s in committed if not any(pack.holds(s) for pack in there))
    made = 0
    for run in runs:
        if len(run) >= LEAST:
            digest, frames = sha256(), []
            for segment in run:
                frame, data = read_frame(storage, segment)
                frames.append(frame)
                digest.update(data)
            name = f"{folder}/{pack_name(run[0].start, run[-1].end, digest.hexdigest())}"
            storage.write(name, partial(_write, frames), unique())
            made += 1
    return made


def _write(frames: Iterable[bytes], file: Path) -> None:
    file.write_bytes(b"".join(frames))


def _runs(segments: Iterable[Segment]) -> Iterator[list[Segment]]:
    """Yield what may become one pack: segments that follow each other, and are not too much."""
    run: list[Segment] = []
    for segment in segments:
        if run and (segment.start != run[-1].end or segment.end - run[0].start > LARGEST):
            yield run
            run = []
        run.append(segment)
    yield run


def _retire(storage: Storage, pack: Pack, committed: Iterable[Segment], there: set[str]) -> int:
    """Remove the files of segments when it is proved that the pack holds them; return how many."""
    segments = [s for s in committed if pack.holds(s) and s.name in there]
    for _ in pack.read(storage, segments):
        pass
    if segments:
        storage.settle()  # somebody else may have renamed the pack this very moment
    for segment in segments:
        storage.remove(segment.name)
    return len(segments)
