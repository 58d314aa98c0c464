"""The exact source bytes of a commit, kept once, compressed with zstd.

The file's name holds the SHA-256 of the bytes, so two writers of the same piece write the
same file, and a file left behind by a crash is either right or never looked at.
A segment's name is its identity; its bytes are in the file of that name or, when that has
been packed, in the pack that holds its place.
"""

import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from lpaudit.errors import StoreError
from lpaudit.model import Segment
from lpaudit.reason import hint_of, reason_of
from lpaudit.store.frames import frames
from lpaudit.store.storage import Storage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OPTIONS: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.checksum_flag: 1,
}

_HINT = "restore the store from a copy"
_PACK = re.compile(r"(\d{16,})-(\d{16,})-([0-9a-f]{64})\.pack\.zst")


def write_segment(storage: Storage, segment: Segment, data: bytes, unique: str) -> None:
    """Write a segment's file, for good. Raises OSError."""
    storage.write(segment.name, lambda file: _compress(file, data), unique)


def _compress(file: Path, data: bytes) -> None:
    file.write_bytes(zstd.compress(data, options=_OPTIONS))


def read_segment(storage: Storage, segment: Segment) -> bytes:
    """Return a segment's bytes, from its own file or from its pack.

    Raises StoreError if they are gone or not what was committed.
    """
    _, data = next(read_segments(storage, [segment]))
    if isinstance(data, StoreError):
        raise data
    return data


def read_segments(
    storage: Storage, segments: Iterable[Segment]
) -> Iterator[tuple[Segment, bytes | StoreError]]:
    """Yield segments of a source, which are in order, with their bytes, or with what is wrong with them.

    What follows each other in a pack is read in one go.
    """
    waiting = deque(segments)
    while waiting:
        segment = waiting.popleft()
        try:
            yield segment, read_frame(storage, segment)[1]
            continue
        except StoreError as error:
            yield segment, error
            continue
        except FileNotFoundError as error:
            folder = segment.name.rpartition("/")[0]
            pack = next(
                (pack for pack in packs_in(folder, storage.names(folder)) if pack.holds(segment)), None
            )
            if pack is None:
                yield segment, _unreadable(storage, segment.name, error)
                continue
        inside = [segment]
        while waiting and pack.holds(waiting[0]):
            inside.append(waiting.popleft())
        yield from _from_pack(storage, pack, inside)


def _from_pack(
    storage: Storage, pack: "Pack", segments: list[Segment]
) -> Iterator[tuple[Segment, bytes | StoreError]]:
    left = deque(segments)
    while left:
        try:
            for data in pack.read(storage, list(left)):
                yield left.popleft(), data
        except StoreError as error:
            yield left.popleft(), error  # and what is behind the damage may be good


def read_frame(storage: Storage, segment: Segment) -> tuple[bytes, bytes]:
    """Return a segment's own file, and the bytes in it.

    Raises FileNotFoundError if it has none, StoreError if that is not what was committed.
    """
    try:
        frame = storage.read(segment.name)
        data = zstd.decompress(frame)
    except FileNotFoundError:
        raise
    except (OSError, zstd.ZstdError) as error:
        raise _unreadable(storage, segment.name, error) from error
    _check(storage, segment.name, segment, data)
    return frame, data


def read_frames(storage: Storage, segments: Iterable[Segment]) -> Iterator[tuple[Segment, bytes]]:
    """Yield segments with their compressed bytes, as they were put into a file of their own.

    In the order of their names, so that a pack is read once. Raises StoreError.
    """
    pack, inside = None, dict[str, bytes]()
    for segment in sorted(segments, key=lambda s: s.name):
        try:
            frame, _ = read_frame(storage, segment)
        except FileNotFoundError as error:
            folder = segment.name.rpartition("/")[0]
            if pack is None or not pack.holds(segment) or segment.sha256 not in inside:
                pack = next((p for p in packs_in(folder, storage.names(folder)) if p.holds(segment)), None)
                inside = _frames_of(storage, pack) if pack else {}
            if segment.sha256 not in inside:
                raise _unreadable(storage, segment.name, error) from error
            frame = inside[segment.sha256]
        yield segment, frame


def _frames_of(storage: Storage, pack: "Pack") -> dict[str, bytes]:
    try:
        return {content: bytes(frame) for frame, _, content in frames(storage.read(pack.name))}
    except (OSError, ValueError) as error:
        raise _unreadable(storage, pack.name, error) from error


def _unreadable(storage: Storage, name: str, error: Exception) -> StoreError:
    return StoreError(
        f"cannot read {storage.location}/{name}: {reason_of(error)}", hint=hint_of(error) or _HINT
    )


def _check(storage: Storage, name: str, segment: Segment, data: bytes) -> None:
    if sha256(data).hexdigest() != segment.sha256:
        raise StoreError(f"{storage.location}/{name} has been changed: its hash is another", hint=_HINT)


@dataclass(frozen=True, slots=True)
class Pack:
    """Segments that follow each other, in one file: their zstd frames, one after the other.

    Its name says of all its bytes what a segment's name says of a segment's, so what checks
    the one checks the other.
    """

    name: str
    start: int
    end: int
    sha256: str

    def holds(self, segment: Segment) -> bool:
        """Tell whether a segment of the same source is in it."""
        return self.start <= segment.start and segment.end <= self.end

    def read(self, storage: Storage, segments: Iterable[Segment]) -> Iterator[bytes]:
        """Yield the bytes of segments that it holds; they are in order.

        Raises StoreError if they are not what was committed.
        """
        try:
            with storage.filesystem.open_input_file(self.name) as stored, zstd.open(stored) as file:
                for segment in segments:
                    file.seek(segment.start - self.start)
                    data = file.read(segment.end - segment.start)
                    _check(storage, self.name, segment, data)
                    yield data
        except (OSError, EOFError, zstd.ZstdError) as error:
            raise _unreadable(storage, self.name, error) from error


def pack_name(start: int, end: int, sha256: str) -> str:
    """Return a pack's name in its source's folder."""
    return f"{start:016d}-{end:016d}-{sha256}.pack.zst"


def packs_in(folder: str, names: Iterable[str]) -> list[Pack]:
    """Return the packs among the names in a source's folder, in order."""
    matches = (_PACK.fullmatch(name) for name in sorted(names))
    return [Pack(f"{folder}/{m[0]}", int(m[1]), int(m[2]), m[3]) for m in matches if m]


def missing_segments(files: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the segments, of those named, that are in no file of a store: neither their own nor a pack."""
    there = set(files)
    inside: dict[str, list[str]] = {}
    for folder, _, file in (name.rpartition("/") for name in there):
        inside.setdefault(folder, []).append(file)
    missing = []
    for folder, group in groupby(sorted(names), key=lambda name: name.rpartition("/")[0]):
        packs = packs_in(folder, inside.get(folder, ()))
        holding: Pack | None = None  # most often that of the segment before
        for name in group:
            if name in there:
                continue
            segment = Segment.from_name(name)
            if holding is None or not holding.holds(segment):
                holding = next((pack for pack in packs if pack.holds(segment)), None)
            if holding is None:
                missing.append(name)
    return missing
