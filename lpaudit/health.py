"""`lpaudit status --check`: are new lines stored in time, and is nothing missing?"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from lpaudit import behind, store
from lpaudit.console import counted
from lpaudit.errors import Exit
from lpaudit.model import Select
from lpaudit.pipeline import opened
from lpaudit.visible import instant

_LOOK_EVERY = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still healthy: ``lag`` in seconds; gaps and rejects only since a time, if there is one.

    ``rejects`` is None to not count them.
    """

    lag: float
    gaps: int
    rejects: int | None = None
    since: datetime | None = None


class State(StrEnum):
    """What a finding says."""

    OK = "ok"
    EXCEEDED = "exceeded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A limit, and what was found; ``value`` is None if it cannot be told."""

    check: str
    state: State
    value: float | None
    limit: float
    text: str


def exit_status(findings: tuple[Finding, ...]) -> Exit:
    """Return 1 for a limit that is exceeded, 3 if one cannot be told, else 0."""
    states = {finding.state for finding in findings}
    if State.EXCEEDED in states:
        return Exit.NO
    return Exit.FAILED if State.UNKNOWN in states else Exit.OK


def as_json(findings: tuple[Finding, ...]) -> dict[str, object]:
    """Return findings as they are written for programs; ``status`` is the exit status."""
    return {"status": int(exit_status(findings)), "checks": [asdict(finding) for finding in findings]}


def check(
    root: str, limits: Limits, *, clock: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[Finding, ...]:
    """Compare a store, and the logs of this machine, with the limits.

    If something is unread, it waits for it, at most ``limits.lag`` seconds.
    Raises StoreError, SourceError or OSError if it cannot look.
    """
    target = store.open_store(root)
    with opened(root) as (connection, _):
        counts = [_gaps(connection.select, limits)]
        if limits.rejects is not None:
            counts.append(_rejects(connection.select, limits.rejects, limits.since))
    return (_lag(target, limits.lag, clock, sleep), *counts)


def _gaps(select: Select, limits: Limits) -> Finding:
    sql = "select count(*) n from open_gap where $since::timestamptz is null or detected_at >= $since"
    # Which gaps are open is asked of all lines; that there are none at all, of a small table.
    none = select("select count(*) n from coverage_gap", {}).column("n")[0].as_py() == 0
    count = 0 if none else select(sql, {"since": limits.since}).column("n")[0].as_py()
    return _counted("gaps", count, limits.gaps, "open gap", limits.since)


def _rejects(select: Select, limit: int, since: datetime | None) -> Finding:
    sql = (
        "select count(*) n from access_event"
        " where reject_reason is not null and ($since::timestamptz is null or ingest_time >= $since)"
    )
    count = select(sql, {"since": since}).column("n")[0].as_py()
    return _counted("rejects", count, limit, "rejected line", since)


def _counted(name: str, count: int, limit: int, noun: str, since: datetime | None) -> Finding:
    found = counted(count, noun) + (f" since {instant(since)}" if since else "")
    if count > limit:
        return Finding(name, State.EXCEEDED, count, limit, f"{found}: {count - limit:,} more than {limit:,}")
    return Finding(name, State.OK, count, limit, f"{found}; at most {limit:,}")


def _lag(
    target: store.Store, limit: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Finding:
    """Wait until what is unread now is stored: how long that takes is the lag."""
    tables = behind.tables(target)
    where = behind.places(target, tables)
    found = behind.logs(target, tables, where)
    if not found:
        known = f"none of the {counted(len(where.paths), 'log')} that the store knows is on this machine"
        text = f"cannot be told: {known if where.paths else 'the store knows no log yet'}"
        return Finding("lag", State.UNKNOWN, None, limit, text)
    began, seconds = clock(), 0.0
    waiting = [log for log in found if log.unread]
    while waiting:
        for table in tables.values():
            target.refresh(table)
        seconds = clock() - began
        waiting = [log for log in waiting if not log.is_stored(tables)]
        if waiting and seconds >= limit:
            size = counted(sum(log.unread for log in waiting), "byte")
            names = waiting[0].path + (f" and {len(waiting) - 1} more" if len(waiting) > 1 else "")
            text = f"{size} of {names} still not stored after {seconds:.1f} s; at most {limit:g} s"
            return Finding("lag", State.EXCEEDED, seconds, limit, text)
        if waiting:
            sleep(min(_LOOK_EVERY, limit - seconds))
    return Finding(
        "lag",
        State.OK,
        seconds,
        limit,
        f"{seconds:.1f} s, in {counted(len(found), 'log')}; at most {limit:g} s",
    )
