"""Batch → one Delta commit; and what the store holds."""

from deltalake import DeltaTable as Table

from lpaudit.store.commit import Piece, append, known
from lpaudit.store.records import append_event, append_format, append_gap, append_records, formats
from lpaudit.store.segment import read_segment
from lpaudit.store.tables import Store, create_store, open_store

__all__ = [
    "Piece",
    "Store",
    "Table",
    "append",
    "append_event",
    "append_format",
    "append_gap",
    "append_records",
    "create_store",
    "formats",
    "known",
    "open_store",
    "read_segment",
]
