"""Batch → one Delta commit; and what the store holds."""

from deltalake import DeltaTable as Table

from lpaudit.store.changes import Added, added
from lpaudit.store.commit import Piece, append, known
from lpaudit.store.commitlog import archive_commits
from lpaudit.store.compact import Compacted, compact, remove_replaced
from lpaudit.store.leftover import differs, left_of, remove_unfinished
from lpaudit.store.mark import mark_file, read_mark, remember, rolled_back
from lpaudit.store.packing import Packed, pack
from lpaudit.store.purged import agrees, ends_a_line
from lpaudit.store.records import (
    append_event,
    append_format,
    append_gap,
    append_next,
    append_records,
    append_row,
    formats,
)
from lpaudit.store.removal import Removed, remove_files, remove_rows, remove_segments
from lpaudit.store.segment import missing_segments, read_frames, read_segment, read_segments
from lpaudit.store.tables import Store, cannot_read, cannot_write, create_store, find_store, open_store
from lpaudit.store.torn import set_aside_torn

__all__ = [
    "Added",
    "Compacted",
    "Packed",
    "Piece",
    "Removed",
    "Store",
    "Table",
    "added",
    "agrees",
    "append",
    "append_event",
    "append_format",
    "append_gap",
    "append_next",
    "append_records",
    "append_row",
    "archive_commits",
    "cannot_read",
    "cannot_write",
    "compact",
    "create_store",
    "differs",
    "ends_a_line",
    "find_store",
    "formats",
    "known",
    "left_of",
    "mark_file",
    "missing_segments",
    "open_store",
    "pack",
    "read_frames",
    "read_mark",
    "read_segment",
    "read_segments",
    "remember",
    "remove_files",
    "remove_replaced",
    "remove_rows",
    "remove_segments",
    "remove_unfinished",
    "rolled_back",
    "set_aside_torn",
]
