"""What an ingest did and what a store holds, in words for people."""

import shlex
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from lpaudit import __version__, config, console
from lpaudit.console import counted, print_line
from lpaudit.model import IngestResult, SourceResult
from lpaudit.redaction import masked
from lpaudit.visible import instant

if TYPE_CHECKING:
    from lpaudit.anchors import Standing, State  # they know how to send, which takes time to load
    from lpaudit.pipeline import CompactResult, Status  # it asks DuckDB, which an ingest does not

_SHOWN_SOURCES = 20


def print_ingest(result: IngestResult, root: str, *, dry_run: bool) -> None:
    """Print a line for each input, the sum, and what to do next."""
    good = [s for s in result.sources if s.lines or not s.error]
    for source in good[:_SHOWN_SOURCES]:
        print_line(_source_line(source))
        for number, reason, raw in source.reject_examples:
            print_line(f"    line {number}: {reason}: {masked(raw[:100])}")
    if len(good) > _SHOWN_SOURCES:
        print_line(f"… and {len(good) - _SHOWN_SOURCES} more")
    where = "counted only, nothing stored" if dry_run else f"in {root}"
    files = counted(len(good), "source")
    if result.lines:
        good_lines = result.lines - result.rejected - result.events
        events = f", {counted(result.events, 'server event')}" if result.events else ""
        print_line(
            f"{'read' if dry_run else 'ingested'} {counted(result.lines, 'line')} from {files}: "
            f"{good_lines:,} access, {result.rejected:,} quarantine{events} ({where})"
        )
    elif good and not result.errors:
        print_line(f"nothing new in {files} ({where})")
    if result.lines and not dry_run:
        only_events = result.events == result.lines
        query = "select * from server_event" if only_events else "select * from access limit 10"
        query = "select * from quarantine" if result.rejected else query
        option = "" if root == config.SETTINGS["store"].default else f" --store {shlex.quote(root)}"
        print_line(f"next: lpaudit sql{option} '{query}'")


def _source_line(source: SourceResult) -> str:
    parts = [counted(source.lines, "new line")]
    if source.rejected:
        parts.append(f"{source.rejected:,} rejected")
    if source.already_lines:
        parts.append(f"{source.already_lines:,} already stored")
    if source.log_format:
        parts.append(f"format {source.log_format}")
    if source.held_back:
        parts.append(
            f"a last line without its end ({source.held_back:,} bytes) waits for the next time, or --final"
        )
    if source.note:
        parts.append(source.note)
    return f"{source.source}: {', '.join(parts)}"


def print_compact(result: "CompactResult") -> None:
    """Print a line for each thing that a compaction did."""
    lines = [
        f"compacted {counted(done.files, 'file')} into {done.into:,} in {name}"
        for name, done in result.tables.items()
        if done.into
    ]
    if result.packed.segments:
        lines.append(f"packed {counted(result.packed.segments, 'segment')} into {result.packed.packs:,}")
    lines += [
        f"archived {counted(count, 'commit')} of the log of {name}"
        for name, count in result.archived.items()
        if count
    ]
    if result.removed:
        lines.append(f"removed {counted(result.removed, 'file')} that had been replaced, or left by a crash")
    busy = [name for name, done in result.tables.items() if done.busy]
    lines += [f"somebody else is compacting {name}" for name in busy]
    for line in lines or ["nothing to compact"]:
        print_line(line)


def status_json(found: "Status", standing: "Standing") -> dict[str, object]:
    """Return a status with its totals, as it is written for programs."""
    times = [t for s in found.sources for t in (s["first_time"], s["last_time"]) if isinstance(t, datetime)]
    return {
        "store": found.store,
        "store_version": found.store_version,
        "lpaudit_version": __version__,
        "bytes_on_disk": found.bytes_on_disk,
        "lines": found.total("lines"),
        "access": found.total("access"),
        "quarantine": found.total("quarantine"),
        "events": found.total("events"),
        "purged": found.total("purged"),
        "first_time": min(times, default=None),
        "last_time": max(times, default=None),
        "table_versions": found.table_versions,
        "records": found.records,
        "missing_segments": found.missing_segments,
        "gaps": found.gaps,
        "open_gaps": found.open_gaps,
        "sources": found.sources,
        "signed": {
            "leaves": standing.leaves,
            "batches": standing.batches,
            "unsigned_commits": standing.unsigned,
            "error": standing.error,
        },
        "anchors": [
            {"anchor": name, "leaves": state.size, "at": state.at, "error": state.error}
            for name, state in standing.anchors.items()
        ],
    }


def print_status(found: "Status", standing: "Standing") -> None:
    """Print a status."""
    facts = status_json(found, standing)
    print_line(
        f"store       {found.store} (version {found.store_version}, {console.size(found.bytes_on_disk)})"
    )
    rejected = f"{found.total('access'):,} access + {found.total('quarantine'):,} quarantine"
    if found.total("events"):
        rejected += f" + {counted(found.total('events'), 'server event')}"
    if found.total("purged"):
        rejected += f" + {found.total('purged'):,} purged"
    sources = counted(len(found.sources), "source")
    print_line(f"lines       {found.total('lines'):,} = {rejected}, from {sources}")
    first, last = facts["first_time"], facts["last_time"]
    if isinstance(first, datetime) and isinstance(last, datetime):
        print_line(f"time        {instant(first)} … {instant(last)}")
    versions = ", ".join(f"{name} {version}" for name, version in found.table_versions.items())
    print_line(f"tables      {versions or 'none yet'}")
    if found.records:
        print_line("Prefect     " + ", ".join(f"{count:,} {name}" for name, count in found.records.items()))
    if found.missing_segments:
        count = counted(len(found.missing_segments), "segment")
        print_line(f"MISSING     {count} of raw bytes, the first {found.missing_segments[0]}")
    print_line(f"gaps        {found.gaps:,}, of which {len(found.open_gaps):,} open")
    print_line(f"signed      {_signed(standing)}")
    for name, state in standing.anchors.items():
        print_line(f"anchor      {name}: {_anchor(state)}")
    if found.open_gaps:
        print_line("")
        columns = ["source", "from", "to", "bytes", "lines", "cause"]
        console.write_table(columns, console.of_dicts(columns, found.open_gaps), sys.stdout)
    if found.sources:
        print_line("")
        columns = ["source", "host", "log_format", "offset", "lines", "quarantine", "first_time", "last_time"]
        if found.total("purged"):
            columns.insert(6, "purged")
        console.write_table(columns, console.of_dicts(columns, found.sources), sys.stdout)


def _signed(standing: "Standing") -> str:
    if standing.error:
        return f"cannot be told: {standing.error}"
    if not standing.batches:
        return "nothing (see `lpaudit keys init`)"
    since = f"; {counted(standing.unsigned, 'commit')} since" if standing.unsigned else ""
    return f"a tree of {standing.leaves:,} leaves{since}"


def _anchor(state: "State") -> str:
    has = (
        "nothing yet" if state.size is None else f"the checkpoint of {state.size:,} leaves, since {state.at}"
    )
    return f"{has}; the last try failed: {state.error}" if state.error else has
