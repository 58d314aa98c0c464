r"""What happens to a follower, one event a line, for people, journald and programs.

Values come from logs, file names and error messages, so none can begin a line of its own:
they are spelled out (``\x0a``) and cut, because journald breaks very long lines.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import IntEnum
from typing import TextIO

from lpaudit.console import counted, to_json
from lpaudit.errors import LpauditError
from lpaudit.model import Gap, Lag, Observer, Segment, SourceChange, SourceEvent, SourceResult
from lpaudit.visible import visible
from lpaudit.watch.options import LogStyle

_SUMMARY_EVERY = 60.0  # seconds
_LONGEST = 500  # characters of a value
_BARE = re.compile(r"[^\s\"=\\]+")

Facts = dict[str, str | float | None]
"""What an event says besides its name; what is None is not known, and not said."""


class Level(IntEnum):
    """How serious an event is: the priorities of syslog(3), which journald understands."""

    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


def leads_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether journald reads the stream: systemd.exec(5), JOURNAL_STREAM."""
    told = environ.get("JOURNAL_STREAM")
    if not told:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file
        return False
    return told == f"{status.st_dev}:{status.st_ino}"


class LogObserver(Observer):
    """Writes events of ``least`` level, or more serious ones.

    For journald, a line begins with ``<priority>`` and has no time: it adds one.
    Commits are events of level debug; once a minute a summary tells of them, if there were any.
    """

    def __init__(
        self,
        stream: TextIO,
        style: LogStyle,
        least: Level,
        *,
        journal: bool,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._stream = stream
        self._style = style
        self._least = least
        self._journal = journal
        self._now = now
        self._clock = clock
        self._next = clock() + _SUMMARY_EVERY
        self._lines = 0
        self._rejected = 0
        self._unread = False  # whether most lines of the last commit fitted no format
        self._lag = Lag(0, 0, 0.0)

    def source_opened(self, source: str, size: int | None) -> None:
        """Say that reading begins."""
        self._write(Level.DEBUG, "opened", f"reading {source}", {"source": source, "bytes": size})

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Say what was stored of what was there before following."""
        self._count(lines, rejected)
        text = f"{counted(lines, 'line')} of {source} stored, up to byte {segment.end}"
        facts: Facts = {"source": source, "start": segment.start, "end": segment.end}
        facts |= {"lines": lines, "rejects": rejected}
        self._write(Level.DEBUG, "segment", text, facts)
        self._summarise_if_due()

    def source_finished(self, result: SourceResult) -> None:
        """Say how the reading of what was there ended."""
        facts: Facts = {"source": result.source, "lines": result.lines, "rejects": result.rejected}
        if result.error is not None:
            text = f"{result.error}; hint: {result.hint}" if result.hint else result.error
            self._write(
                Level.ERROR, "source-error", text, facts | {"error": result.error, "hint": result.hint}
            )
            return
        text = f"{result.source}: {counted(result.lines, 'new line')}, {result.rejected:,} rejected"
        text += f", {result.note}" if result.note else ""
        self._write(Level.INFO, "read", text, facts | {"note": result.note})

    def following(self, files: int) -> None:
        """Say that it follows."""
        self._write(Level.INFO, "following", f"following {counted(files, 'file')}", {"files": files})

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """Say what a commit holds."""
        self._count(lines, rejected)
        text = f"{counted(lines, 'line')} of {counted(sources, 'log')} stored in {seconds:.3f} s"
        facts: Facts = {"sources": sources, "lines": lines, "rejects": rejected, "bytes": size}
        self._write(Level.DEBUG, "commit", text, facts | {"seconds": round(seconds, 3)})
        unread = rejected * 2 > lines
        if unread and not self._unread:
            text = f"{rejected:,} of {counted(lines, 'line')} fit no format, and are in quarantine"
            text += "; hint: was accesslog.format changed? tell the new one with --log-format"
            self._write(Level.WARNING, "rejects", text, facts)
        self._unread = unread

    def lagging(self, lag: Lag) -> None:
        """Keep the lag for the summary."""
        self._lag = lag
        self._summarise_if_due()

    def source_changed(self, event: SourceEvent) -> None:
        """Say what happened to a log."""
        expected = event.event in {SourceChange.FOLLOWED, SourceChange.FINISHED}
        level = Level.INFO if expected else Level.WARNING
        text = f"{event.source} is {event.event} at byte {event.byte_offset}"
        text += f": {event.detail}" if event.detail else ""
        facts: Facts = {"source": event.source, "source_id": event.source_id, "offset": event.byte_offset}
        self._write(level, f"source-{event.event}", text, facts | {"detail": event.detail})

    def gap_found(self, gap: Gap) -> None:
        """Say what is missing."""
        size = "an unknown number of bytes" if gap.bytes is None else counted(gap.bytes, "byte")
        text = f"GAP: {size} of {gap.source} missing from byte {gap.from_offset} on ({gap.cause})"
        facts: Facts = {"source": gap.source, "source_id": gap.source_id, "gap_id": gap.id}
        facts |= {"cause": str(gap.cause), "offset": gap.from_offset, "bytes": gap.bytes, "lines": gap.lines}
        facts |= {"from": _rfc3339(gap.start), "to": _rfc3339(gap.end)}
        self._write(Level.ERROR, "gap", text, facts)

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Say what failed, and when it is tried again."""
        text = f"{error.message}; trying again in {seconds:.0f} s, nothing is lost"
        facts: Facts = {"error": error.message, "hint": error.hint, "seconds": round(seconds, 3)}
        self._write(Level.WARNING, "retry", text, facts)

    def alarm(self, error: LpauditError) -> None:
        """Say that the store is not as it was left."""
        self._write(Level.ERROR, "alarm", error.message, {"error": error.message, "hint": error.hint})

    def stopping(self) -> None:
        """Say that it stops."""
        self._write(Level.INFO, "stopping", "stopping: what was read is stored first", {})

    def complain(self, error: LpauditError) -> None:
        """Say what failed beside following."""
        self._write(Level.WARNING, "watch", error.message, {"error": error.message, "hint": error.hint})

    def summarise(self) -> None:
        """Say what came since the last summary, if anything did or waits."""
        self._next = self._clock() + _SUMMARY_EVERY
        lines, rejected, lag = self._lines, self._rejected, self._lag
        self._lines = self._rejected = 0
        if lines or lag.bytes:
            text = f"{counted(lines, 'line')} stored, {rejected:,} rejected; "
            text += f"{counted(lag.bytes, 'byte')} behind, {lag.seconds:.1f} s"
            facts: Facts = {"lines": lines, "rejects": rejected, "lag_bytes": lag.bytes}
            self._write(Level.INFO, "summary", text, facts | {"lag_seconds": round(lag.seconds, 3)})

    def _count(self, lines: int, rejected: int) -> None:
        self._lines += lines
        self._rejected += rejected

    def _summarise_if_due(self) -> None:
        if self._clock() >= self._next:
            self.summarise()

    def _write(self, level: Level, event: str, text: str, facts: Facts) -> None:
        if level > self._least:
            return
        told: Facts = {} if self._journal else {"time": _rfc3339(self._now())}
        told |= {"level": level.name.lower(), "event": event, **_known(facts)}
        if self._style is LogStyle.TEXT:
            time = "" if self._journal else f"{told['time']} "
            line = f"{time}{told['level']}: {visible(_cut(text))}"
        elif self._style is LogStyle.LOGFMT:
            line = " ".join(f"{name}={_logfmt(str(value))}" for name, value in told.items())
        else:
            line = to_json(told)
        priority = f"<{level:d}>" if self._journal else ""
        # No place is left to say that the log cannot be written, and following matters more.
        with suppress(OSError, ValueError):
            self._stream.write(f"{priority}{line}\n")
            self._stream.flush()


def _known(facts: Facts) -> Facts:
    """Return the facts that are known, none of them endless."""
    return {
        name: _cut(value) if isinstance(value, str) else value
        for name, value in facts.items()
        if value is not None
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _logfmt(text: str) -> str:
    shown = visible(text)
    return shown if _BARE.fullmatch(shown) else json.dumps(shown, ensure_ascii=False)


def _rfc3339(time: datetime | None) -> str | None:
    return (
        None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"
    )
