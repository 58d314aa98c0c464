"""Which source an input is: the store is asked, and the input's bytes decide."""

from functools import partial

from deltalake import DeltaTable

from lpaudit import source, store
from lpaudit.model import Known


def recognise(
    reader: source.Reader, target: store.Store | None, table: DeltaTable | None, host: str | None, line: bytes
) -> tuple[Known, int, bool]:
    """Return the source that an input is, how far the two agree, and whether it only began like another.

    ``line`` is the input's first, as it is kept; ``table`` that of its kind of log. The reader
    then stands at the position that is returned: at ``known.offset``, or before it where the
    input ends within what is stored. What is not stored is a new source: ``known.offset`` is 0.
    Raises StoreError.
    """
    ordinal = 0
    while True:
        reader.keep_for_restart()
        source_id = source.source_id(host, line, ordinal)
        known = store.known(target, table, source_id) if target and table else None
        if target is None or known is None:
            return Known(source_id), 0, ordinal > 0
        position = source.holds(reader, known, partial(store.read_segment, target.storage))
        if position is not None:
            return known, position, False
        reader.restart()
        ordinal += 1
