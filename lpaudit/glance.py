"""`lpaudit status --watch`: what can be said of a store every other second, however big it is.

Lines are counted by the log of commits, and logs by their ends: no line is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lpaudit import behind, console, store
from lpaudit.console import counted
from lpaudit.pipeline import opened
from lpaudit.visible import instant, visible

_PLACES_EVERY = 30  # looks: which logs there are takes a look at all files
_SHOWN = 20  # logs


@dataclass(frozen=True, slots=True)
class Glance:
    """A store at one moment. ``commits`` is the version of access_event, None before the first."""

    store: str
    time: datetime
    lines: int
    commits: int | None
    last_commit: datetime | None
    gaps: int
    open_gaps: int
    logs: list[behind.Log]

    @property
    def unread(self) -> int:
        """Bytes of the logs that are not stored."""
        return sum(log.unread for log in self.logs)


class Watch:
    """Looks again and again at one store."""

    def __init__(self, root: str, now: Callable[[], datetime]) -> None:
        self._root = root
        self._now = now
        self._looks = 0
        self._places = behind.Places()

    def look(self) -> Glance:
        """Look once. Raises StoreError, SourceError or OSError."""
        target = store.open_store(self._root)
        tables = behind.tables(target)
        if self._looks % _PLACES_EVERY == 0 or not self._places.paths:
            self._places = behind.places(target, tables)
        self._looks += 1
        with opened(self._root) as (connection, _):
            count = connection.select("select count(*) n from coverage_gap").column("n")[0].as_py()
            still = (
                connection.select("select count(*) n from open_gap").column("n")[0].as_py() if count else 0
            )
        if not tables:
            return Glance(target.location, self._now(), 0, None, None, count, still, [])
        lines = sum(
            sum(table.get_add_actions(flatten=True).column("num_records").to_pylist())
            for table in tables.values()
        )
        last = max(table.history(1)[0]["timestamp"] for table in tables.values())
        committed = datetime.fromtimestamp(last / 1000, UTC)
        version = max(table.version() for table in tables.values())
        logs = behind.logs(target, tables, self._places)
        return Glance(target.location, self._now(), lines, version, committed, count, still, logs)


def as_json(found: Glance) -> dict[str, object]:
    """Return a glance as it is written for programs."""
    return {
        "time": found.time,
        "store": found.store,
        "lines": found.lines,
        "table_version": found.commits,
        "last_commit": found.last_commit,
        "gaps": found.gaps,
        "open_gaps": found.open_gaps,
        "unread_bytes": found.unread,
        "logs": [{"path": log.path, "stored": log.stored, "unread": log.unread} for log in found.logs],
    }


def in_words(found: Glance, before: Glance | None) -> list[str]:
    """Return a glance as lines for people; ``before`` is the one to compare it with."""
    rate = ""
    if before is not None and found.time > before.time:
        seconds = (found.time - before.time).total_seconds()
        rate = f", {(found.lines - before.lines) / seconds:,.1f} a second"
    last = "never"
    if found.last_commit is not None:
        last = f"{instant(found.last_commit.replace(microsecond=0))} (version {found.commits})"
    lines = [
        f"store       {found.store} at {instant(found.time.replace(microsecond=0))}",
        f"lines       {found.lines:,}{rate}",
        f"committed   {last}",
        f"gaps        {found.gaps:,}, of which {found.open_gaps:,} open",
        f"unread      {counted(found.unread, 'byte')} in {counted(len(found.logs), 'log')} of this machine",
    ]
    worst = sorted(found.logs, key=lambda log: (-log.unread, log.path))[:_SHOWN]
    lines += [f"            {console.size(log.unread):>10}  {log.path}" for log in worst]
    if len(found.logs) > _SHOWN:
        lines.append(f"            … and {len(found.logs) - _SHOWN} more")
    return [visible(line) for line in lines]


def screen(lines: list[str], *, terminal: bool) -> str:
    """Return what shows the lines: in place of the last ones on a terminal, else after them."""
    if not terminal:
        return "\n".join(lines) + "\n\n"
    # Home, each line to its end, and what is below: without clearing first, nothing flickers.
    return "\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J"
