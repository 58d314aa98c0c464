"""The bytes of logs that are kept ↔ what was signed of them, and what the commits say."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import groupby

from lpaudit.errors import LpauditError
from lpaudit.evidence import SegmentLeaf
from lpaudit.model import Segment
from lpaudit.store import Store, differs, read_frames
from lpaudit.store.frames import frames
from lpaudit.store.segment import Pack, packs_in, read_frame
from lpaudit.verification.finding import Finding, What
from lpaudit.verification.log import Piece, Table
from lpaudit.verification.purges import Gone
from lpaudit.verification.tree import Told


def read_order(table: Table, told: Told) -> Iterator[Finding]:
    """Compare the segments that the log names with those that were signed, and with each other."""
    signed = [
        Piece(leaf.version, Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256), leaf.lines)
        for leaf in told.segments.get(table.name, [])
    ]
    until = max(told.commits.get(table.name, {-1: None}))
    named = [piece for piece in table.pieces if piece.version <= until]
    for piece in sorted(set(signed) - set(named)):
        text = f"it was signed, and version {piece.version} does not name it"
        yield Finding(What.MISSING, piece.segment.name, text)
    for piece in sorted(set(named) - set(signed)):
        yield Finding(
            What.ADDED, piece.segment.name, f"version {piece.version} names it, and it was not signed"
        )
    if set(signed) == set(named) and signed != named:
        yield Finding(What.DIFFERENT, table.name, "segments were signed in another order, or twice")
    yield from _offsets(table)


def read_unnamed(target: Store, path: str, tables: Iterable[Table]) -> Iterator[Finding]:
    """Compare a segment that no commit names with what is stored of the same bytes.

    A crash leaves such segments, and their bytes are stored again: but for secrets, which may have been
    redacted otherwise, these are the same.
    """
    try:
        segment = Segment.from_name(path)
        data = read_frame(target.storage, segment)[1]
    except (ValueError, OSError, LpauditError):
        yield Finding(What.ADDED, path, "no commit names it, and it is not what its name says")
        return
    pieces = (piece.segment for table in tables for piece in table.pieces)
    place = differs(target.storage, segment, data, pieces)
    if place is not None:
        text = f"no commit names it, and its bytes {place[0]} to {place[1]} are not those that are stored"
        yield Finding(What.ADDED, path, text)


def _offsets(table: Table) -> Iterator[Finding]:
    """Compare each segment's place with the end of the one before it, and the last with the offset."""
    ends: dict[str, int] = {}
    for segment in (piece.segment for piece in table.pieces):
        before = ends.get(segment.source_id, 0)
        if segment.start != before or segment.end <= segment.start:
            text = f"it begins at byte {segment.start}, and what is stored before it ends at {before}"
            yield Finding(What.DIFFERENT, segment.name, text)
        ends[segment.source_id] = max(segment.end, before)
    for source_id, end in ends.items():
        offset = table.offsets.get(source_id)
        if offset != end:
            text = f"the offset of source {source_id} is {offset}, and its segments end at {end}"
            yield Finding(What.DIFFERENT, table.name, text)


def read_bytes(
    target: Store, table: Table, told: Told, gone: Gone, there: dict[str, int], read: Callable[[int], None]
) -> Iterator[Finding]:
    """Compare the bytes of each segment that a commit names with its hashes, in its own file or in a pack.

    Those of one that was purged may be gone. ``table.packs`` gets the packs that hold any.
    """
    signed = {(leaf.source_id, leaf.start, leaf.end): leaf for leaf in told.segments.get(table.name, [])}
    pieces = sorted(table.pieces, key=lambda piece: piece.segment)
    inside = _folders(there)
    for source_id, group in groupby(pieces, key=lambda piece: piece.segment.source_id):
        folder = f"segments/{source_id}"
        packs = packs_in(folder, inside.get(folder, ()))
        packed: dict[Pack, list[Segment]] = {}
        named: dict[int, Segment] = {}
        for piece in group:
            segment = named[piece.segment.start] = piece.segment
            leaf = signed.get((segment.source_id, segment.start, segment.end))
            if segment.name in there:
                yield from _own(target, segment, leaf, read)
                continue
            pack = next((pack for pack in packs if pack.holds(segment)), None)
            if pack is None and segment.name in gone.leaves:
                continue
            if pack is None:
                yield Finding(What.MISSING, segment.name, f"version {piece.version} of {table.name} names it")
            else:
                packed.setdefault(pack, []).append(segment)
        table.packs.update(pack.name for pack in packed)
        for pack, segments in packed.items():
            yield from _packed(target, pack, segments, named, signed, told, gone, read)


def _folders(there: dict[str, int]) -> dict[str, list[str]]:
    inside: dict[str, list[str]] = {}
    for folder, _, file in (name.rpartition("/") for name in there):
        inside.setdefault(folder, []).append(file)
    return inside


def _own(
    target: Store, segment: Segment, leaf: SegmentLeaf | None, read: Callable[[int], None]
) -> Iterator[Finding]:
    try:
        try:
            data = target.storage.read(segment.name)
        except FileNotFoundError:  # it was packed since the store's files were listed
            _, data = next(read_frames(target.storage, [segment]))
    except (OSError, LpauditError) as error:
        yield Finding(What.UNREADABLE, segment.name, str(error))
        return
    read(len(data))
    known = leaf.file_sha256 if leaf else None
    if known is not None and sha256(data).hexdigest() != known:
        yield Finding(What.CHANGED, segment.name, "its bytes are not those that were signed")
        return
    yield from _content(segment, leaf, data, segment.name)


def _content(segment: Segment, leaf: SegmentLeaf | None, packed: bytes, where: str) -> Iterator[Finding]:
    try:
        held = [(size, content_hash) for _, size, content_hash in frames(packed)]
    except ValueError as error:
        yield Finding(What.CHANGED, where, str(error))
        return
    if held != [(segment.end - segment.start, segment.sha256)]:
        yield Finding(What.CHANGED, where, "the log's bytes in it are not those that its name says")
    elif leaf is not None and leaf.sha256 != segment.sha256:
        yield Finding(What.CHANGED, where, "the log's bytes in it are not those that were signed")


def _packed(
    target: Store,
    pack: Pack,
    segments: list[Segment],
    named: dict[int, Segment],
    signed: dict[tuple[str, int, int], SegmentLeaf],
    told: Told,
    gone: Gone,
    read: Callable[[int], None],
) -> Iterator[Finding]:
    """Compare what is in a pack with what should be.

    It may also hold ``named`` segments of its source that are elsewhere as well: a crash leaves that.
    """
    try:
        data = target.storage.read(pack.name)
    except OSError as error:
        yield Finding(What.UNREADABLE, pack.name, str(error))
        return
    read(len(data))
    known = told.files.get(pack.name)
    if known is not None and sha256(data).hexdigest() != known:
        yield Finding(What.CHANGED, pack.name, "its bytes are not those that were signed")
    try:
        held = list(_held(data, pack))
    except ValueError as error:
        yield Finding(What.CHANGED, pack.name, str(error))
        return
    wanted = {segment.start: segment for segment in segments}
    for position, frame_hash, content_hash in held:
        wanted.pop(position, None)
        segment = named.get(position)
        if segment is None:
            yield Finding(What.ADDED, pack.name, f"no commit names what it holds at byte {position}")
            continue
        leaf = signed.get((segment.source_id, segment.start, segment.end))
        if leaf is not None and leaf.file_sha256 not in (None, frame_hash):
            yield Finding(What.CHANGED, pack.name, f"the segment at byte {position} was signed otherwise")
        if content_hash != segment.sha256:
            yield Finding(What.CHANGED, pack.name, f"the segment at byte {position} is another")
    for segment in (segment for segment in wanted.values() if segment.name not in gone.leaves):
        yield Finding(What.MISSING, segment.name, f"it should be in {pack.name}, and is not")


def _held(data: bytes, pack: Pack) -> Iterator[tuple[int, str, str]]:
    """Yield where each frame of a pack begins, its hash, and that of its content. Raises ValueError."""
    whole, position = sha256(), pack.start
    for frame, size, content_hash in frames(data, whole):
        yield position, sha256(frame).hexdigest(), content_hash
        position += size
    if position != pack.end or whole.hexdigest() != pack.sha256:
        raise ValueError("the log's bytes in it are not those that its name says")
