"""Rows are the same with the core and without it, whatever is in them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bench import logs
from lpaudit.logformat import PRESETS, compile_layout
from lpaudit.model import Provenance, Segment
from lpaudit.reading import AccessReading
from lpaudit.schema import tables

LAYOUTS = {name: compile_layout(preset.log_format(ZoneInfo("UTC"))) for name, preset in PRESETS.items()}


def read(name, block):
    """Read a block in a format, or in any other that is known."""
    where = Provenance(
        source="/var/log/lighttpd/access.log",
        segment=Segment.of("a" * 16, 4711, block),
        host_name="gw1",
        ingest_time=datetime(2026, 11, 23, 10, 15, tzinfo=UTC),
        log_format=name,
        byte_offset=4711,
        line_number=42,
    )
    return AccessReading(tuple(LAYOUTS.values())).newest(name).rows(block, where)


@pytest.mark.parametrize("name", PRESETS)
def test_samples_of_every_format(without, name):
    lines = [line.encode() for preset in (PRESETS[name], *PRESETS.values()) for line in preset.samples]
    block = b"\n".join(lines) + b"\n"
    ours, theirs = read(name, block), without(read, name, block)
    assert ours.schema.equals(theirs.schema)
    assert ours.schema.equals(tables()["access_event"].travelling)
    assert ours.to_pylist() == theirs.to_pylist()
    assert ours.num_rows == len(lines)


@pytest.mark.parametrize("escapes", [False, True])
def test_a_log_with_odd_lines(without, tmp_path, escapes):
    logs.write(tmp_path / "log", 25_000, escapes=escapes)
    block = (tmp_path / "log").read_bytes()
    rows = read("default", block)
    rows.validate(full=True)
    assert rows.cast(tables()["access_event"].arrow).equals(
        without(read, "default", block).cast(tables()["access_event"].arrow)
    )
