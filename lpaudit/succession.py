"""Which sources a path has held, one after the other, and what is missing where one ended.

A path holds one source until it is rotated; then another. Whoever follows a path must know
what became of the one before: whether it was read to its end, and if not, where its rest is.
What could be found out neither by then nor from the files beside the path is a gap.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lpaudit import query, store
from lpaudit.archives import Archives
from lpaudit.followed import Log
from lpaudit.model import Gap, GapCause, LogKind, SourceChange, SourceEvent
from lpaudit.source import FileId, Stream, looks_rotated, original

GRACE = 10.0
"""Seconds that a rotated file must be quiet to be at its end, and that a copy is waited for."""

_SLACK = 2_000_000_000  # nanoseconds by which the clocks of a log and of its file system may differ

Key = tuple[str, str]
"""A path's label, and the name of the host that it is on."""


@dataclass(slots=True)
class Generation:
    """One of the sources that a path has held.

    ``last_time`` is when its last stored line was logged (stored, if it has no times).
    ``settled`` says that its end is accounted for.
    """

    source_id: str
    last_time: datetime | None = None
    log_format: str | None = None
    settled: bool = False


@dataclass(slots=True)
class Search:
    """The search for the rest of a generation that is no longer at its path.

    Files beside the path that changed at ``since`` (nanoseconds since the epoch) or later may
    hold it, or what the path held after it. It is given up at ``until`` (monotonic seconds).
    ``seen`` is the size that it is known to have had; None if it ended while nobody looked.
    ``file`` is what is at the path now. ``scanned`` says that the files beside the path have
    been looked at once.
    """

    path: Path
    key: Key
    host: str | None
    generation: Generation
    file: FileId
    since: int
    until: float
    seen: int | None = None
    scanned: bool = False


class Succession:
    """Keeps the generations of every path, searches for what is missing, and says what it finds.

    ``told`` collects what has to be recorded in the store.
    """

    def __init__(self, read: Callable[[], dict[Key, list[Generation]]], now: Callable[[], datetime]) -> None:
        """``read`` asks the store what it knows of every path. Raises StoreError."""
        self._read = read
        self._known = read()
        self._known_at = -math.inf  # by the clock that waiting is measured with
        self._begun: set[Key] = set()
        self._now = now
        self._found: dict[str, set[FileId]] = {}
        self.searches: list[Search] = []
        self.told: list[Gap | SourceEvent] = []

    def learn(self, log: Log, clock: float) -> None:
        """Ask the store anew about a path that holds a log for the first time. Raises StoreError.

        While this follower started, another one may have stored what the path held before.
        """
        if log.key in self._begun or log.opened <= self._known_at:
            return
        known = self._read()
        self._known |= {key: found for key, found in known.items() if key not in self._begun}
        self._known_at = clock

    def found(self, source_id: str, file: FileId) -> None:
        """Note that a file holds a source, under whatever name."""
        self._found.setdefault(source_id, set()).add(file)

    def _is_found(self, search: Search) -> bool:
        return bool(self._found.get(search.generation.source_id, set()) - {search.file})

    def formats_before(self, log: Log) -> tuple[str, ...]:
        """Return the format that the path's lines were in before, if that is known."""
        generations = self._known.get(log.key)
        return (generations[-1].log_format,) if generations and generations[-1].log_format else ()

    def begins(self, log: Log, logs: Sequence[Log], clock: float) -> None:
        """A path holds a source that it did not hold before, or still does: ask for those before it."""
        path, source_id = log.tail.found.path, log.source_id
        if path is None or source_id is None or log.left is not None or looks_rotated(path.name):
            return  # what was rotated away is the end of something, never the beginning
        # Was it empty for a moment only, it is no rest of anything. What was cut is another matter.
        self.searches = [
            s
            for s in self.searches
            if s.key != log.key or s.generation.source_id != source_id or s.seen is not None
        ]
        before = [g for g in self._known.get(log.key, []) if g.source_id != source_id]
        for generation in before:
            # Also of one that is accounted for: it may be that what came after it is not stored to its end.
            if not generation.settled or (not log.begun and generation is before[-1]):
                self._search(path, log, generation, logs, clock)
        self._begun.add(log.key)
        self._known[log.key] = [Generation(source_id, log.last_time, _newest(log))]
        self._note(log.key, source_id, SourceChange.FOLLOWED, 0, None)

    def look_beside_empty(self, logs: Sequence[Log], clock: float) -> None:
        """Where a path holds a file that nothing was written to yet, ask for the rest of those before it.

        After the last rotation of a quiet day its first line may be hours away.
        """
        held = {source_id for log in logs for source_id in (log.source_id, log.anew)}
        for log in logs:
            path, written = log.tail.found.path, log.tail.size or isinstance(log.tail, Stream)
            if path is None or written or log.left is not None or looks_rotated(path.name):
                continue
            for generation in self._known.get(log.key, []):
                if not generation.settled and generation.source_id not in held:
                    self._search(path, log, generation, logs, clock)

    def _search(
        self, path: Path, log: Log, generation: Generation, logs: Sequence[Log], clock: float
    ) -> None:
        """Search for the rest of a generation, unless that is being done."""
        if all(s.generation.source_id != generation.source_id for s in self.searches):
            since = _last_change(generation, logs)
            self.searches.append(
                Search(path, log.key, log.host, generation, log.tail.file, since, clock + GRACE)
            )

    def cut(self, log: Log, size: int, clock: float) -> None:
        """A file was cut to ``size`` or written anew: what was not read of it may be in a copy."""
        path, seen = log.tail.found.path, log.tail.size
        change = SourceChange.TRUNCATED if size < log.tail.position else SourceChange.REPLACED
        detail = f"{size} bytes, of which {seen} had been seen"
        self._note(log.key, log.source_id or "", change, log.tail.stored, detail)
        if path is not None and log.source_id is not None:
            generation = Generation(log.source_id, log.last_time, _newest(log))
            since = log.tail.modified - _SLACK
            self.searches.append(
                Search(path, log.key, log.host, generation, log.tail.file, since, clock + GRACE, seen)
            )

    def shorter(self, log: Log, stored: int) -> None:
        """A file that is read again is shorter than what is stored of it."""
        if any(g.source_id == log.source_id for g in self._known.get(log.key, [])):
            detail = f"{log.tail.size} bytes, of which {stored} were stored"
            self._note(log.key, log.source_id or "", SourceChange.TRUNCATED, stored, detail)

    def stored(self, log: Log) -> None:
        """Lines of a log were stored."""
        for generation in self._known.get(log.key, []):
            if generation.source_id == log.source_id:
                generation.last_time, generation.log_format = log.last_time, _newest(log)

    def finished(self, log: Log) -> None:
        """A rotated log was read to its end."""
        where = "deleted" if log.tail.links == 0 else "rotated away"
        self._settle(log.key, log.source_id or "")
        self._note(log.key, log.source_id or "", SourceChange.FINISHED, log.tail.stored, where)

    def is_current(self, log: Log) -> bool:
        """Whether nothing has come after a log at its path."""
        path = log.tail.found.path
        if path is not None and looks_rotated(path.name):
            return False  # what came after it came to another path
        generations = self._known.get(log.key)
        return generations is None or generations[-1].source_id == log.source_id

    def must_wait(self, log: Log, logs: Sequence[Log], clock: float, archives: Archives) -> bool:
        """Whether a log's first lines have to wait for the rest of what its path held before.

        What comes later is stored later: a crash in between must not make the rest look read.
        """
        if log.begun or log.tail.found.path is None:
            return False
        for search in self.searches:
            if search.key != log.key:
                continue
            if search.generation.source_id == log.source_id:
                break  # what is searched for after it came after it: that waits for this one
            rest = (other for other in _rest(search, logs) if not _came_before(log, other))
            if any(_is_coming(other, clock) for other in rest) or _is_unread(search, logs, clock, archives):
                return True
        if log.after is None:
            log.after = [(other, other.tail.size) for other in logs if _came_before(other, log)]
        log.after = [
            (other, size)
            for other, size in log.after
            if other in logs and other.waiting is None
            if other.tail.stored < size and _is_coming(other, clock)
        ]
        return bool(log.after) or (log.left is not None and archives.busy_beside(log.tail.found.path))

    def end_searches(
        self, logs: Sequence[Log], offset_of: Callable[[str], int], clock: float, archives: Archives
    ) -> None:
        """End the searches whose time is over, or that have found everything; record what is missing."""
        for search in list(self.searches):
            source_id, found = search.generation.source_id, self._is_found(search)
            rest = _rest(search, logs)
            # A file that holds less than is stored may be a copy that is still being made.
            coming = any(log.waiting is not None and clock - log.grew < GRACE for log in rest)
            unread = _is_unread(search, logs, clock, archives)
            busy = unread or coming or any(not log.drained for log in rest)
            if busy or (not found and clock < search.until):
                continue
            ghost = next((log for log in rest if log.cut), None)
            if ghost is not None and not found and len(ghost.tail.buffer):
                ghost.final, ghost.since = True, clock  # of this line nobody will read the end
                continue
            self._conclude(search, offset_of(source_id), rest)
            self.searches.remove(search)

    def _conclude(self, search: Search, stored: int, rest: Sequence[Log]) -> None:
        source_id = search.generation.source_id
        if search.generation.settled:
            return
        self._settle(search.key, source_id)
        missing = None if search.seen is None else search.seen - stored
        if self._is_found(search) if missing is None else missing <= 0:
            if not any(log.active and not log.cut for log in rest):  # else that log says so, in time
                self._note(search.key, source_id, SourceChange.FINISHED, stored, "read to its end")
            return
        if missing is not None:
            cause = GapCause.TRUNCATED
        else:
            cause = GapCause.REPLACED if search.path.exists() else GapCause.DELETED
        label, host_name = search.key
        now = self._now()
        self.told.append(
            Gap(
                source=label,
                source_id=source_id,
                host_name=host_name,
                start=search.generation.last_time,
                end=now,
                bytes=missing,
                lines=None,
                cause=cause,
                from_offset=stored,
                detected_at=now,
            )
        )

    def _settle(self, key: Key, source_id: str) -> None:
        for generation in self._known.get(key, []):
            generation.settled |= generation.source_id == source_id

    def _note(self, key: Key, source_id: str, change: SourceChange, offset: int, detail: str | None) -> None:
        label, host_name = key
        self.told.append(SourceEvent(self._now(), label, source_id, host_name, change, offset, detail))


def _newest(log: Log) -> str | None:
    return log.formats[0] if log.formats else None


def _rest(search: Search, logs: Sequence[Log]) -> list[Log]:
    """Return the files that hold a generation, also one that has just to be recognised anew."""
    return [log for log in logs if search.generation.source_id in (log.source_id, log.anew)]


def _is_unread(search: Search, logs: Sequence[Log], clock: float, archives: Archives) -> bool:
    """Say whether a file beside a search's path has still to be looked into; what cannot be read has not."""
    if not search.scanned or archives.busy_beside(search.path):
        return True
    unread = [log.tail.found.path for log in logs if log.unread and log.look_at <= clock]
    return any(path is not None and path.parent == search.path.parent for path in unread)


def _is_coming(log: Log, clock: float) -> bool:
    """Say whether more of a log is about to be stored; one that cannot be read must not hold up others."""
    return not log.drained and (log.ready or clock - log.grew < GRACE)


def _came_before(other: Log, log: Log) -> bool:
    """Say whether a file was rotated away from the path that a log is at, or was, and before it."""
    one, two = other.tail.found.path, log.tail.found.path
    if one is None or two is None or other.left is None or original(one) != original(two):
        return False
    return other is not log and (log.left is None or other.tail.modified < log.tail.modified)


def _last_change(generation: Generation, logs: Sequence[Log]) -> int:
    """Return when a generation was last written to, as far as is known; nanoseconds since the epoch."""
    holder = next((log for log in logs if log.source_id == generation.source_id), None)
    if holder is not None:
        return holder.tail.modified - _SLACK
    if generation.last_time is not None:
        return int(generation.last_time.timestamp() * 1e9) - _SLACK
    return 0


# The newest source of each path, and those that were followed and whose end is not accounted for.
_GENERATIONS = """
with line as (
    select source_id, source, host as host_name, byte_offset, log_format, last_time, ingest_time from log_line
    union all
    select source_id, source, host_name, start_offset, log_format, last_time, ingest_time from purged_segment
), total as (
    select source_id, max(ingest_time) as ingested, arg_max(log_format, byte_offset) as log_format,
        coalesce(max(last_time), max(ingest_time)) as last_time
    from line group by source_id
), place as (
    select distinct source, host_name, source_id from line
), told as (
    select source_id, bool_or(event = 'followed') as followed, bool_or(event = 'finished') as finished
    from source_event group by source_id
)
select source, host_name, source_id, last_time, log_format,
    coalesce(finished, false) or source_id in (select source_id from coverage_gap) as settled
from place join total using (source_id) left join told using (source_id)
qualify 1 = row_number() over (
        partition by source, host_name order by ingested desc, last_time desc, source_id)
    or (coalesce(followed, false) and not settled)
order by source, host_name, ingested, last_time, source_id
"""


def generations(target: store.Store) -> dict[Key, list[Generation]]:
    """Return what a store knows of every path, the newest generation last. Raises StoreError."""
    names = (*(kind.table for kind in LogKind), "purged_segment", "source_event", "coverage_gap")
    connection = query.connect({name: target.dataset(name, target.table(name)) for name in names})
    try:
        rows = connection.select(_GENERATIONS).to_pylist()
    finally:
        connection.close()
    found: dict[Key, list[Generation]] = {}
    for row in rows:
        generation = Generation(row["source_id"], row["last_time"], row["log_format"], row["settled"])
        found.setdefault((row["source"], row["host_name"]), []).append(generation)
    return found
