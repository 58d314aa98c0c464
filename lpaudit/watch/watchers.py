"""Options and environment → the observers of a follower."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TextIO

from lpaudit.model import Observer
from lpaudit.watch.log import Level, LogObserver, leads_to_journal
from lpaudit.watch.observers import Observers
from lpaudit.watch.options import LogStyle, WatchOptions
from lpaudit.watch.systemd import SystemdObserver, notifier, watchdog_seconds


@contextmanager
def watchers(
    options: WatchOptions,
    environ: Mapping[str, str],
    stderr: TextIO,
    *,
    now: Callable[[], datetime],
    clock: Callable[[], float],
) -> Iterator[Observer]:
    """Build the observers that were asked for, and at the end write what is left to write.

    ``now`` gives the time, ``clock`` seconds that never go back.
    Raises LpauditError if the metrics cannot be written or served.
    """
    journal = leads_to_journal(stderr, environ)
    style = options.log_style or (LogStyle.TEXT if stderr.isatty() else LogStyle.LOGFMT)
    least = Level.DEBUG if options.verbose else Level.WARNING if options.quiet else Level.INFO
    log = LogObserver(stderr, style, least, journal=journal, now=now, clock=clock)
    observers: list[Observer] = [log]
    notify = notifier(environ)
    if notify is not None:
        observers.append(SystemdObserver(notify, watchdog_seconds(environ, os.getpid()), clock))
    with ExitStack() as stack:
        if options.metrics_file is not None or options.metrics_port is not None:
            observers += _metrics(options, stack, log, now, clock)
        try:
            yield Observers(tuple(observers))
        finally:
            log.summarise()


def _metrics(
    options: WatchOptions,
    stack: ExitStack,
    log: LogObserver,
    now: Callable[[], datetime],
    clock: Callable[[], float],
) -> list[Observer]:
    from lpaudit.watch.metrics import MetricsFile, MetricsObserver, MetricsPort  # noqa: PLC0415 -- start-up time

    metrics = MetricsObserver(now)
    observers: list[Observer] = [metrics]
    if options.metrics_port is not None:
        stack.enter_context(MetricsPort(options.metrics_port, metrics.registry))
    if options.metrics_file is not None:
        # After the metrics themselves: the file tells of the event that had it written.
        file = MetricsFile(options.metrics_file, metrics.registry, clock, log.complain)
        observers.append(stack.enter_context(file))
    return observers
