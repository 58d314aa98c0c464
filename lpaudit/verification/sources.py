"""Logs that are still on this machine ↔ what is stored of them."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from lpaudit import behind, source
from lpaudit.errors import LpauditError
from lpaudit.model import LogKind, Segment
from lpaudit.reading import kept
from lpaudit.store import Store
from lpaudit.verification.finding import Finding, What
from lpaudit.verification.log import Table


def read_sources(target: Store, tables: dict[str, Table], compared: list[str]) -> Iterator[Finding]:
    """Compare each log that is still here, and is the one that was stored, byte for byte.

    ``compared`` gets their paths. A file that begins or goes on otherwise is another log.
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
                yield from _compare(log.path, kind, mine)


def _compare(path: str, kind: LogKind, segments: list[Segment]) -> Iterator[Finding]:
    reader = source.open_reader(source.Input(path, Path(path)))
    try:
        before = b"\n"
        for segment in segments:
            reader.seek(segment.start)
            data = reader.read(segment.end - segment.start)
            told = kept(kind, data, continued=not before.endswith(b"\n"))
            if sha256(told).hexdigest() != segment.sha256:
                text = f"its bytes {segment.start} to {segment.end} are not those that are stored of it"
                yield Finding(What.CHANGED, path, text)
            before = data
    finally:
        reader.close()
