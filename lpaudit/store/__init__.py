"""Batch → one Delta commit; and what the store holds."""

from lpaudit.store.commit import Piece, append, known
from lpaudit.store.compact import Compacted, compact, remove_replaced
from lpaudit.store.packing import Packed, pack
from lpaudit.store.records import append_event, append_format, append_gap, append_records, formats
from lpaudit.store.segment import missing_segments, read_segment
from lpaudit.store.tables import Store, cannot_read, create_store, find_store, open_store

__all__ = [
    "Compacted",
    "Packed",
    "Piece",
    "Store",
    "append",
    "append_event",
    "append_format",
    "append_gap",
    "append_records",
    "cannot_read",
    "compact",
    "create_store",
    "find_store",
    "formats",
    "known",
    "missing_segments",
    "open_store",
    "pack",
    "read_segment",
    "remove_replaced",
]
