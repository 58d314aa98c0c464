"""A progress bar for a person at a terminal; nothing for anybody else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lpaudit.alarms import AlarmObserver
from lpaudit.model import SourceResult
from lpaudit.visible import visible


@contextmanager
def reading(what: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show how many bytes of how many have been read, on stderr; what is given is told both."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, disable=not shown) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class SyncProgress(AbstractContextManager["SyncProgress"]):
    """Shows which table is being read from Prefect, and how many records it has so far, on stderr."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.completed:,} records", markup=False),
            TimeElapsedColumn(),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def table_started(self, table: str) -> None:
        """Show a line; how many records there will be is not known."""
        self._tasks[table] = self._progress.add_task(table, total=None)

    def records_read(self, table: str, records: int) -> None:
        """Count on."""
        self._progress.update(self._tasks[table], completed=records)

    def table_finished(self, table: str) -> None:
        """Take the line away."""
        self._progress.remove_task(self._tasks.pop(table))


class ProgressObserver(AlarmObserver, AbstractContextManager["ProgressObserver"]):
    """Shows how far each input has been read, on stderr."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def source_opened(self, source: str, size: int | None) -> None:
        """Show a bar; a pipe's has no end."""
        name = visible(source.rsplit("/", 1)[-1])
        self._tasks[source] = self._progress.add_task(name, total=size)

    def bytes_read(self, source: str, position: int) -> None:
        """Move the bar."""
        self._progress.update(self._tasks[source], completed=position)

    def source_finished(self, result: SourceResult) -> None:
        """Take the bar away: the summary has its line."""
        task = self._tasks.pop(result.source, None)
        if task is not None:
            self._progress.remove_task(task)
