"""Which source an input is: the store is asked, and the input's bytes decide."""

from collections.abc import Callable, Mapping
from functools import partial

from deltalake import DeltaTable

from lpaudit import source, store
from lpaudit.model import Known, LogKind
from lpaudit.reading import identities, identity

Tables = Mapping[LogKind, DeltaTable]
"""The tables of lines that a store has, by the kind of log that they are of."""


def recognise(
    reader: source.Reader, target: store.Store | None, table: DeltaTable | None, host: str | None, line: bytes
) -> tuple[Known, int, bool]:
    """Return the source that an input is, how far the two agree, and whether it only began like another.

    ``line`` is what it is known by of its first line; ``table`` that of its kind of log. The
    reader then stands at the position that is returned: at ``known.offset``, or before it
    where the input ends within what is stored. What is not stored is a new source:
    ``known.offset`` is 0. Raises StoreError.
    """
    ordinal = 0
    while True:
        reader.keep_for_restart()
        source_id = source.source_id(host, line, ordinal)
        known = store.known(target, table, source_id) if target and table else None
        if target is None or known is None:
            return Known(source_id), 0, ordinal > 0
        position = source.holds(reader, known, partial(store.agrees, target.storage, known))
        if position is not None:
            return known, position, False
        reader.restart()
        ordinal += 1


def recognise_any(
    reader: source.Reader,
    target: store.Store | None,
    tables: Tables,
    host: str | None,
    line: bytes,
    kind: Callable[[], LogKind],
    new: Callable[[LogKind, bytes], bytes] = identity,
) -> tuple[LogKind, Known, int, bool]:
    """Return the same of an input that may be any kind of log, and which kind it is.

    What is stored of it says so; else ``kind``, and ``new`` what it is to be known by. ``line`` is its first.
    Raises StoreError.
    """
    for stored, table in tables.items():
        for known_by in identities(stored, line):
            known, position, alike = recognise(reader, target, table, host, known_by)
            if known.segments:
                return stored, known, position, alike
            reader.restart()
    chosen = kind()
    found = recognise(reader, target, tables.get(chosen), host, new(chosen, line))
    return (chosen, *found)
