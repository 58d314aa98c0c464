"""A follower's metrics for Prometheus: in a file, at a port of this machine, or both.

No label names a path or a source: the number of series does not depend on what is read.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)

from lpaudit import STORE_VERSION, __version__
from lpaudit.errors import LpauditError, OutputError
from lpaudit.model import Gap, GapCause, Lag, Observer, Segment, SourceChange, SourceEvent
from lpaudit.outfile import write_whole
from lpaudit.visible import visible

_FILE_EVERY = 1.0  # seconds
_LONGEST = 200  # characters of an error
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# lpaudit_start_time_seconds says it once for all of them. (prometheus_client forgot this one's types.)
disable_created_metrics()  # type: ignore[no-untyped-call]


class MetricsObserver(Observer):
    """Counts.

    What was there before following is told a segment at a time, what comes later a commit
    at a time: each line is told once, in one of the two ways.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.registry = registry = CollectorRegistry()
        self._lines = Counter(
            "lpaudit_lines_total", "Lines stored since the start, good and rejected.", registry=registry
        )
        self._rejects = Counter(
            "lpaudit_rejects_total", "Lines that could not be read; stored, in quarantine.", registry=registry
        )
        self._bytes = Counter("lpaudit_log_bytes_total", "Bytes of logs stored.", registry=registry)
        self._commits = Counter("lpaudit_commits_total", "Commits to the store.", registry=registry)
        self._duration = Histogram(
            "lpaudit_commit_duration_seconds",
            "How long a commit took.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._last_commit = Gauge(
            "lpaudit_last_commit_timestamp_seconds",
            "When was the last commit? 0: none yet.",
            registry=registry,
        )
        self._lag_bytes = Gauge(
            "lpaudit_lag_bytes", "Bytes of the logs that are not stored yet.", registry=registry
        )
        self._lag_seconds = Gauge(
            "lpaudit_lag_seconds", "How long the oldest of them has been waiting.", registry=registry
        )
        self._files = Gauge("lpaudit_files", "Logs that are followed.", registry=registry)
        self._heartbeat = Gauge(
            "lpaudit_heartbeat_timestamp_seconds",
            "When the follower last gave a sign of life.",
            registry=registry,
        )
        self._gaps = Counter(
            "lpaudit_gaps_total",
            "Parts of logs that were found missing since the start.",
            ["cause"],
            registry=registry,
        )
        self._changes = Counter(
            "lpaudit_source_events_total", "What happened to logs.", ["event"], registry=registry
        )
        for cause in GapCause:
            self._gaps.labels(cause)
        for change in SourceChange:
            self._changes.labels(change)
        self._errors = Counter(
            "lpaudit_errors_total", "Failures after which it was tried again.", registry=registry
        )
        self._alarms = Counter(
            "lpaudit_alarms_total", "Times that the store was not as it was left.", registry=registry
        )
        self._last_error = Gauge(
            "lpaudit_last_error_timestamp_seconds",
            "When was the last error or alarm? 0: never.",
            registry=registry,
        )
        self._last_error_info = Gauge(
            "lpaudit_last_error_info", "What the last error or alarm was.", ["message"], registry=registry
        )
        Gauge("lpaudit_start_time_seconds", "When this lpaudit started.", registry=registry).set(
            now().timestamp()
        )
        self._alive()
        Info("lpaudit_build", "Which lpaudit this is.", registry=registry).info(
            {
                "version": __version__,
                "store_version": str(STORE_VERSION),
                "python": sys.version.split()[0],
            }
        )

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Count a segment of what was there before following."""
        del source
        self._stored(lines, rejected, segment.end - segment.start)

    def following(self, files: int) -> None:
        """Note how many logs there are."""
        self._files.set(files)
        self._alive()

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """Count a commit, and how long it took."""
        del sources
        self._stored(lines, rejected, size)
        self._duration.observe(seconds)

    def lagging(self, lag: Lag) -> None:
        """Note the lag."""
        self._files.set(lag.files)
        self._lag_bytes.set(lag.bytes)
        self._lag_seconds.set(lag.seconds)
        self._alive()

    def source_changed(self, event: SourceEvent) -> None:
        """Count by kind."""
        self._changes.labels(event.event).inc()

    def gap_found(self, gap: Gap) -> None:
        """Count by cause."""
        self._gaps.labels(gap.cause).inc()

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Count, and keep what it was."""
        del seconds
        self._alive()  # it waits
        self._errors.inc()
        self._remember(error)

    def alarm(self, error: LpauditError) -> None:
        """Count, and keep what it was."""
        self._alarms.inc()
        self._remember(error)

    def _remember(self, error: LpauditError) -> None:
        self._last_error.set(self._now().timestamp())
        self._last_error_info.clear()  # one series: that of the last
        self._last_error_info.labels(visible(error.message)[:_LONGEST]).set(1)

    def _stored(self, lines: int, rejected: int, size: int) -> None:
        self._lines.inc(lines)
        self._rejects.inc(rejected)
        self._bytes.inc(size)
        self._commits.inc()
        self._last_commit.set(self._now().timestamp())
        self._alive()

    def _alive(self) -> None:
        self._heartbeat.set(self._now().timestamp())


class MetricsFile(Observer, AbstractContextManager["MetricsFile"]):
    """Keeps the metrics in a file: whole, at most once a second, and at the end.

    ``complain`` hears once when the file can no longer be written: that stops nothing.
    """

    def __init__(
        self,
        path: Path,
        registry: CollectorRegistry,
        clock: Callable[[], float],
        complain: Callable[[LpauditError], None],
    ) -> None:
        self._path = path
        self._registry = registry
        self._clock = clock
        self._complain = complain
        self._next = 0.0
        self._failing = False

    def __enter__(self) -> Self:
        """Write it for the first time. Raises OutputError: who asks for a file learns at once."""
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._try()

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Write it if it is time."""
        del source, segment, lines, rejected
        self._try_if_due()

    def lagging(self, lag: Lag) -> None:
        """Write it if it is time."""
        del lag
        self._try_if_due()

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Write it if it is time."""
        del error, seconds
        self._try_if_due()

    def _try_if_due(self) -> None:
        if self._clock() >= self._next:
            self._try()

    def _try(self) -> None:
        try:
            self._write()
        except OutputError as error:
            if not self._failing:
                self._complain(error)
            self._failing = True
        else:
            self._failing = False

    def _write(self) -> None:
        self._next = self._clock() + _FILE_EVERY
        text = generate_latest(self._registry).decode("utf-8")

        def fill(file: TextIO) -> None:
            file.write(text)

        write_whole(self._path, fill)


class MetricsPort(AbstractContextManager["MetricsPort"]):
    """Serves the metrics over HTTP, to this machine only, from a thread of its own."""

    def __init__(self, port: int, registry: CollectorRegistry) -> None:
        """Begin to listen. Raises LpauditError if the port cannot be had."""
        try:
            self._server, self._thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        except OSError as error:
            raise LpauditError(
                f"cannot serve metrics at 127.0.0.1:{port}: {(error.strerror or str(error)).lower()}",
                hint="end what listens there (`ss -ltnp` tells), or name another --metrics-port",
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
