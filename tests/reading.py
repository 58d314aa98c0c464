"""What tests of log lines share: a format in two words, and rows as plain dicts."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from lpaudit.logformat import Layout, compile_layout, parse
from lpaudit.logformat.parse import Parsed
from lpaudit.logformat.presets import find
from lpaudit.model import Escaping, LogFormat, Provenance, Segment
from lpaudit.normalise import normalise

FRAC = '%{begin:sec}t.%{begin:msec_frac}t %{end:msec}t %T %D "%r" %s'
DEFAULT = '%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
PROVENANCE = {  # columns of normalise that no line says
    "line_id", "source", "source_id", "byte_offset", "byte_length", "line_number", "segment", "host_name",
    "ingest_time", "log_format", "schema_version",
}  # fmt: skip


def layout(format_string: str, *, json: bool = False, zone: str = "UTC") -> Layout:
    escaping = Escaping.JSON if json else Escaping.DEFAULT
    return compile_layout(LogFormat("test", format_string, escaping, ZoneInfo(zone)))


def preset(name: str) -> Layout:
    found = find(name)
    assert found is not None
    return compile_layout(found.log_format(ZoneInfo("UTC")))


def plain(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Rows without their nulls; times as UTC datetimes, the map column as a dict."""
    rows = []
    for row in frame.to_dicts():
        present = {k: v for k, v in row.items() if v is not None}
        if "fields" in present:
            present["fields"] = {pair["key"]: pair["value"] for pair in present["fields"]}
        rows.append({k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in present.items()})
    return rows


def rows(compiled: Layout, block: bytes) -> list[dict[str, object]]:
    return plain(parse(compiled, block).columns)


def row(format_string: str, line: bytes, *, json: bool = False, zone: str = "UTC") -> dict[str, object]:
    (only,) = rows(layout(format_string, json=json, zone=zone), line + b"\n")
    return only


def rejected(format_string: str, line: bytes, *, json: bool = False, zone: str = "UTC") -> str | None:
    """Return why a line is rejected; None if it is not."""
    return row(format_string, line, json=json, zone=zone).get("reject_reason")  # type: ignore[return-value]


def normalised(parsed: Parsed) -> list[dict[str, object]]:
    """Rows as they are stored, without what says where they come from."""
    segment = Segment("0123456789abcdef", 0, int(parsed.lengths.sum() or 0), "0" * 64)
    where = Provenance("x.log", segment, "host", datetime(2026, 11, 23, tzinfo=UTC), "test", 0, 1)
    out = []
    for stored in normalise("access_event", parsed.columns, parsed.lengths, where).to_pylist():
        present = {k: v for k, v in stored.items() if v is not None and k not in PROVENANCE}
        if "fields" in present:
            present["fields"] = dict(present["fields"])
        out.append({k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in present.items()})
    return out


def shown(found: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """The same rows without raw, for comparing with what says nothing of it."""
    return [{k: v for k, v in r.items() if k != "raw"} for r in found]
