"""Reading a store in tests by other means than lpaudit's: deltalake and zstd alone."""

import re
import sys
from collections import defaultdict
from contextlib import suppress
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


def segment_bytes(store: Path, name: str) -> bytes:
    """Return the bytes of a segment, from its file or from the pack of its place."""
    file = store / name
    for _ in range(2):  # a compaction may remove the file at this moment
        with suppress(FileNotFoundError):
            return zstd.decompress(file.read_bytes())
        start, end, _ = file.stem.split("-")
        for pack in file.parent.glob("*.pack.zst"):
            first, last, _ = pack.name.split("-")
            if int(first) <= int(start) and int(end) <= int(last):
                return zstd.decompress(pack.read_bytes())[int(start) - int(first) : int(end) - int(first)]
    raise FileNotFoundError(file)


def stored_sources(store: Path, name: str = "access_event") -> dict[str, bytes]:
    """Return the bytes of every source by its identity, each line of them exactly one row.

    Of the table ``name``. Every segment is cut into lines here; its rows must say the same, and so must their numbers.
    """
    rows: dict[str, list[tuple[int, int, int, str]]] = defaultdict(list)
    columns = ["source_id", "byte_offset", "byte_length", "line_number", "segment", "line_id"]
    table = DeltaTable(store / name).to_pyarrow_table(columns=columns).to_pylist()
    assert len({row["line_id"] for row in table}) == len(table), "a line is there twice"
    for row in table:
        place = row["byte_offset"], row["byte_length"], row["line_number"], row["segment"]
        rows[row["source_id"]].append(place)
    sources = {}
    for source_id, found in rows.items():
        content, number, expected = b"", 0, []
        for piece in sorted({segment for *_, segment in found}):
            start, end, _ = Path(piece).stem.split("-")
            assert int(start) == len(content), "segments overlap, or leave a gap"
            data = segment_bytes(store, piece)
            assert int(end) - int(start) == len(data)
            for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", data):
                number += 1
                expected.append((len(content), len(line), number, piece))
                content += line
        assert sorted(found) == expected, "rows are not the lines of their segments"
        sources[source_id] = content
    return sources


def without_fingerprints(content: bytes) -> bytes:
    """Return stored bytes as they would be if there were no key: which fingerprints there are, is its matter."""
    return re.sub(rb"\x1a[a-z2-7]{4,16}\x1a+", lambda secret: b"\x1a" * len(secret[0]), content)


def stored_table(store: Path, name: str) -> Rows:
    """Return every row of a table; none if it is not there."""
    if not (store / name).exists():
        return []
    return DeltaTable(store / name).to_pyarrow_table().to_pylist()


def stored_gaps(store: Path) -> Rows:
    """Return every row of coverage_gap."""
    return stored_table(store, "coverage_gap")
