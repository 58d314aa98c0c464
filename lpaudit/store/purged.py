"""What is left of segments whose lines were purged, and how their logs are known again.

A purged segment is a row of `purged_segment`. It stands in for the rows: a source's offset stays what
it was, and a log that is still there, or comes back from a backup, is not read a second time.
"""

import json
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.model import Known, Purged, Segment
from lpaudit.redaction import blank, covers
from lpaudit.store.segment import read_segment
from lpaudit.store.storage import Storage
from lpaudit.store.tables import Store, cannot_read

TABLE = "purged_segment"
_COLUMNS = ["segment", "line_number", "log_format", "ends_a_line", "redacted", "redacted_sha256"]


def purged(store: Store, table_name: str, source_id: str) -> dict[Segment, Purged]:
    """Return what is left of a source's purged segments. Raises StoreError."""
    dataset = store.dataset(TABLE, store.table(TABLE))
    if dataset is None:
        return {}
    mine = (pc.field("source_id") == source_id) & (pc.field("table_name") == table_name)
    try:
        rows = dataset.to_table(columns=_COLUMNS, filter=mine).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise cannot_read(store.location, error) from error
    found = {}
    for row in rows:
        segment = Segment.from_name(row.pop("segment"))
        places = tuple((start, length) for start, length in json.loads(row.pop("redacted") or "[]"))
        found[segment] = Purged(segment, redacted=places, **row)
    return found


def agrees(storage: Storage, known: Known, segment: Segment, data: bytes) -> bool:
    """Say whether ``data`` is what a segment begins with, but for what is redacted in it.

    Of a purged one that can be said of all of its bytes only: fewer are believed, as nothing speaks
    against them. Raises StoreError.
    """
    gone = known.purged.get(segment)
    if gone is None:
        return covers(read_segment(storage, segment)[: len(data)], data)
    if len(data) < segment.end - segment.start:
        return True
    return (
        gone.redacted_sha256 is not None
        and sha256(blank(data, gone.redacted)).hexdigest() == gone.redacted_sha256
    )


def ends_a_line(storage: Storage, known: Known) -> bool:
    """Say whether what is stored of a source, which is not nothing, ends with a line. Raises StoreError."""
    last = known.segments[-1]
    gone = known.purged.get(last)
    return gone.ends_a_line if gone else read_segment(storage, last).endswith(b"\n")
