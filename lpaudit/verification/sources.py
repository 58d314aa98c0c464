"""Logs that are still on this machine ↔ what is stored of them."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from lpaudit import behind, source
from lpaudit.errors import LpauditError
from lpaudit.model import LogKind, Segment
from lpaudit.redaction import covers
from lpaudit.store import Store, read_segments
from lpaudit.verification.finding import Finding, What
from lpaudit.verification.log import Table


def read_sources(
    target: Store, tables: dict[str, Table], compared: list[str], read: Callable[[int], None]
) -> Iterator[Finding]:
    """Compare each log that is still here, and is the one that was stored, byte for byte.

    ``compared`` gets their paths; ``read`` is called for each piece, and counts none of its bytes.
    A file that begins or goes on otherwise is another log.
    """
    try:
        opened = behind.tables(target)
        logs = behind.logs(target, opened, behind.places(target, opened))
    except (LpauditError, OSError) as error:
        yield Finding(What.UNREADABLE, "sources", str(error))
        return
    for log in logs:
        if not log.stored:
            continue
        compared.append(log.path)
        for kind in LogKind:
            pieces = tables[kind.table].pieces if kind.table in tables else []
            mine = sorted(piece.segment for piece in pieces if piece.segment.source_id in log.source_ids)
            if mine:
                yield from _compare(target, log.path, mine, read)


def _compare(
    target: Store, path: str, segments: list[Segment], read: Callable[[int], None]
) -> Iterator[Finding]:
    """Compare a log with what is stored of it, but for secrets. A segment that is damaged says so itself.

    Where its bytes have the hash of the segment, nothing more needs to be read.
    """
    reader = source.open_reader(source.Input(path, Path(path)))

    def logged(segment: Segment) -> bytes:
        read(0)
        reader.seek(segment.start)
        return reader.read(segment.end - segment.start)

    try:
        others = [segment for segment in segments if sha256(logged(segment)).hexdigest() != segment.sha256]
        for segment, stored in read_segments(target.storage, others):
            if isinstance(stored, bytes) and not covers(stored, logged(segment)):
                text = f"its bytes {segment.start} to {segment.end} are not those that are stored of it"
                yield Finding(What.CHANGED, path, text)
    finally:
        reader.close()
