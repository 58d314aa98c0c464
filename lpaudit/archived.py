"""Compressed files of followed logs: read on the side, as `lpaudit ingest` reads them, and accounted for."""

from collections.abc import Callable
from dataclasses import replace

from lpaudit import fitting, store
from lpaudit.archives import Archive, Archives
from lpaudit.errors import SourceError, StoreError
from lpaudit.files import Files
from lpaudit.followed import Surroundings
from lpaudit.ingest import IngestOptions, OneInput
from lpaudit.model import LogFormat, Observer, Segment, SourceResult
from lpaudit.source import Input
from lpaudit.succession import Succession
from lpaudit.visible import visible

_AGAIN = 30.0  # seconds until an archive that could not be stored is read again


class _Stopped(Exception):
    """An archive is left where it is: the follower was asked to stop."""


class _ArchiveObserver(Observer):
    """Hears archives being read, and leaves them when the follower stops."""

    def __init__(self, observer: Observer, stopping: Callable[[], bool]) -> None:
        self._observer = observer
        self._stopping = stopping

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """Pass it on."""
        self._observer.segment_committed(source, segment, lines, rejected)
        if self._stopping():
            raise _Stopped


def reading(
    target: store.Store,
    formats: dict[str, LogFormat],
    options: IngestOptions,
    observer: Observer,
    around: Surroundings,
    stopping: Callable[[], bool],
) -> Archives:
    """Return what reads archives into a store, one after the other, until ``stopping``."""

    def read(found: Input) -> SourceResult:
        def format_of(_: str) -> LogFormat | None:
            """Where what was told does not say it the lines tell, as in any log that is followed."""
            return fitting.told_format(found, options.format_of)[0]

        hearing = _ArchiveObserver(observer, stopping)
        told = replace(options, dry_run=False, format_of=format_of)
        return OneInput(target, formats, found, told, hearing, around.now, around.unique).run()

    return Archives(read)


def account(
    archives: Archives, files: Files, succession: Succession, observer: Observer, clock: Callable[[], float]
) -> None:
    """Note what has become of the archives that were read: what is settled, and which source each one is."""
    for archive, result in archives.collect():
        if isinstance(result, StoreError):
            files.complain(result)
            files.settled[archive.file] = ((-1, -1), clock() + _AGAIN)
        elif isinstance(result, SourceResult):
            files.settled[archive.file] = (archive.signature, 0.0)
            if result.source_id is not None and not result.error:
                succession.found(result.source_id, archive.file)
            if result.error:
                files.complain(SourceError(result.error, hint=result.hint))
            observer.source_finished(result)
        elif not isinstance(result, _Stopped):
            files.settled[archive.file] = (archive.signature, 0.0)
            files.complain(_unread(archive, result))


def _unread(archive: Archive, error: Exception) -> SourceError:
    return SourceError(
        f"cannot read {visible(archive.found.label)}: {str(error) or type(error).__name__}",
        hint="is it whole? `gzip -t` or `zstd -t` tell",
    )
