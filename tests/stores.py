"""Reading a store in tests by other means than lpaudit's: deltalake and zstd alone."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Rows = list[dict[str, Any]]


def stored_rows(store: Path) -> Rows:
    """Return every row of access_event, in the order of the lines."""
    rows = DeltaTable(store / "access_event").to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda r: (r["source_id"], r["byte_offset"]))


def stored_bytes(store: Path) -> dict[str, bytes]:
    """Return the bytes of every source from the segments that its rows name, which must join without a gap."""
    segments: dict[str, str] = {}
    for row in stored_rows(store):
        segments[row["segment"]] = row["source"]
    pieces: dict[str, list[tuple[int, int, bytes]]] = defaultdict(list)
    for name, source in segments.items():
        start, end, _ = Path(name).stem.split("-")
        pieces[source].append((int(start), int(end), zstd.decompress((store / name).read_bytes())))
    content = {}
    for source, found in pieces.items():
        position = 0
        for start, end, data in sorted(found):
            assert start == position, "segments overlap, or leave a gap"
            assert end - start == len(data)
            position = end
        content[source] = b"".join(data for _, _, data in sorted(found))
    return content
