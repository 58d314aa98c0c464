"""What a purge would do or has done → lines for people, and values for programs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lpaudit.console import counted, size
from lpaudit.evidence import certificate_name
from lpaudit.model import Segment
from lpaudit.retention.classes import classes
from lpaudit.retention.plan import Old, Plan
from lpaudit.retention.purging import Done
from lpaudit.visible import instant


def in_words(found: Plan, done: Done | None, waiting: Sequence[str]) -> Iterator[str]:
    """Yield what to print of a plan; and of what was done, if it was."""
    for purge_id in done.finished if done else waiting:
        word = "finished" if done else "would finish first"
        yield f"{word} the purge {purge_id}, which had been interrupted"
    cut = instant(found.cut.replace(microsecond=0))
    if not found.purge:
        yield f"nothing to purge: no segment that may go has only lines older than {cut}"
    else:
        word = "purged" if done else "would purge"
        yield f"{word} {_sum(found.purge)}, all of it older than {cut}"
        for name, olds in _by_class(found.purge).items():
            yield f"  {name:<8} {_sum(olds)}, of {_times(olds)}"
    if found.held:
        yield f"held, and kept: {_sum(found.held)}, of {_times(found.held)}"
        for hold_id, olds in _by_hold(found.held).items():
            yield f"  {hold_id}  {_sum(olds)}"
    if done is None:
        return
    if done.purge_id is not None:
        yield f"certificate {certificate_name(done.purge_id)}"
    if done.removed.files:
        yield f"deleted {counted(done.removed.files, 'file')} of {size(done.removed.bytes)}"


def as_json(found: Plan, done: Done | None, waiting: Sequence[str]) -> dict[str, object]:
    """Return the same for programs."""
    told: dict[str, object] = {
        "dry_run": done is None,
        "cut": found.cut,
        "classes": list(found.classes),
        "purge": _facts(found.purge),
        "segments": [_segment(old) for old in found.purge],
        "held": [_segment(old) | {"held_by": list(old.held_by)} for old in found.held],
    }
    if done is None:
        return told | {"interrupted": list(waiting)}
    return told | {
        "purge_id": done.purge_id,
        "certificate": None if done.purge_id is None else certificate_name(done.purge_id),
        "finished": done.finished,
        "deleted_files": done.removed.files,
        "deleted_bytes": done.removed.bytes,
    }


def _segment(old: Old) -> dict[str, object]:
    names = ("segment", "source", "host_name", "lines", "first_time", "last_time")
    return {"table": old.table, **{name: old.row[name] for name in names}}


def _facts(olds: Sequence[Old]) -> dict[str, Any]:
    segments = [Segment.from_name(old.name) for old in olds]
    return {
        "segments": len(olds),
        "lines": sum(old.lines for old in olds),
        "bytes": sum(segment.end - segment.start for segment in segments),
        "first_time": min((old.row["first_time"] for old in olds), default=None),
        "last_time": max((old.row["last_time"] for old in olds), default=None),
    }


def _sum(olds: Sequence[Old]) -> str:
    facts = _facts(olds)
    lines, segments = counted(facts["lines"], "line"), counted(facts["segments"], "segment")
    return f"{lines} in {segments} of {size(facts['bytes'])}"


def _times(olds: Sequence[Old]) -> str:
    facts = _facts(olds)
    return f"{instant(facts['first_time'])} to {instant(facts['last_time'])}"


def _by_class(olds: Iterable[Old]) -> dict[str, list[Old]]:
    names = {table: one.name for one in classes().values() for table in one.tables}
    found: dict[str, list[Old]] = {}
    for old in olds:
        found.setdefault(names[old.table], []).append(old)
    return found


def _by_hold(olds: Iterable[Old]) -> dict[str, list[Old]]:
    found: dict[str, list[Old]] = {}
    for old in olds:
        for hold_id in old.held_by:
            found.setdefault(hold_id, []).append(old)
    return found
