"""How far is the store behind the logs of this machine? Measured at the files, without a state of its own.

A file is recognised as an ingest recognises it: by its first line, and by what is stored of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from lpaudit import source, store
from lpaudit.errors import SourceError
from lpaudit.model import LogKind
from lpaudit.reading import identities
from lpaudit.recognise import recognise

Tables = dict[LogKind, DeltaTable]
"""The tables of lines that a store has, by the kind of log that they are of."""

_STEP = 1 << 16  # bytes that are looked at for the last line end


@dataclass(frozen=True, slots=True)
class Log:
    """A log on this machine: ``stored`` bytes of its whole lines, which end at byte ``end``.

    ``source_ids`` is the source that it is; of a new one, those that it may become.
    """

    path: str
    source_ids: tuple[str, ...]
    stored: int
    end: int

    @property
    def unread(self) -> int:
        """Bytes that are not stored."""
        return self.end - self.stored

    def is_stored(self, open_tables: Tables) -> bool:
        """Tell whether the tables' versions have all of it by now."""
        return any(
            (table.transaction_version(name) or 0) >= self.end
            for table in open_tables.values()
            for name in self.source_ids
        )


@dataclass(frozen=True, slots=True)
class Places:
    """The paths that a store has lines from, and the hosts that they were read for."""

    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def tables(target: store.Store) -> Tables:
    """Open the tables of lines that a store has. Raises StoreError."""
    opened = ((kind, target.table(kind.table)) for kind in LogKind)
    return {kind: table for kind, table in opened if table is not None}


def places(target: store.Store, open_tables: Tables) -> Places:
    """Return a store's places. Raises StoreError if the store is damaged."""
    found: dict[str, set[str]] = {"source": set(), "host_name": set()}
    try:
        for kind, table in open_tables.items():
            dataset = target.dataset(kind.table, table, dictionaries=list(found))
            for rows in dataset.to_batches(columns=list(found)) if dataset is not None else ():
                for name, values in found.items():
                    values.update(pc.unique(rows.column(name)).to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise store.cannot_read(target.location, error) from error
    return Places(tuple(sorted(found["source"])), tuple(sorted(found["host_name"])))


def logs(target: store.Store, open_tables: Tables, where: Places) -> list[Log]:
    """Look at each of the paths that is a file here.

    Compressed logs are left out: they do not grow, and to look into them takes long.
    Raises SourceError or OSError for a file that cannot be read, StoreError.
    """
    looked = (_look(target, open_tables, path, where.hosts) for path in where.paths)
    return [log for log in looked if log is not None]


def _look(target: store.Store, open_tables: Tables, path: str, hosts: Sequence[str]) -> Log | None:
    if not path.startswith("/") or not Path(path).is_file():
        return None
    try:
        reader = source.open_reader(source.Input(path, Path(path)))
    except SourceError:
        if not Path(path).exists():
            return None  # rotated away since
        raise
    try:
        if not reader.seekable:
            return None
        line = source.first_line(reader, final=False)
        if not line:
            return Log(path, (), 0, 0)
        names, stored = _recognise(target, open_tables, reader, line, hosts)
        return Log(path, names, stored, _last_line_end(reader, stored))
    finally:
        reader.close()


def _recognise(
    target: store.Store, open_tables: Tables, reader: source.Reader, line: bytes, hosts: Sequence[str]
) -> tuple[tuple[str, ...], int]:
    """Return the source that a file is, and how far it is stored; if it is new, what it may become, and 0."""
    free = []
    for kind, table in open_tables.items():
        for host in (None, *hosts):  # a host is part of the identity only if it was told
            for known_by in identities(kind, line):
                known, _, _ = recognise(reader, target, table, host, known_by)
                if known.offset:
                    return (known.source_id,), known.offset
                free.append(known.source_id)
    return tuple(free), 0


def _last_line_end(reader: source.Reader, start: int) -> int:
    """Return where the last whole line ends; ``start`` if none ends after it."""
    position = reader.end
    while position > start:
        size = min(_STEP, position - start)
        reader.seek(position - size)
        before, newline, _ = reader.read(size).rpartition(b"\n")
        if newline:
            return position - size + len(before) + 1
        position -= size
    return start
