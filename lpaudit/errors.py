"""What stops a command, and the exit status it ends with.

LpauditError                 message, hint                        exit 3  could not finish
├── ConfigError              what was asked for is impossible     exit 2
│   ├── FormatError          a format string, caret at a position exit 2
│   └── NotConfigured        a file that lighttpd does not log to exit 2
├── SourceError              an input cannot be read              exit 3
├── StoreError               the store cannot be used             exit 3
│   └── OffsetConflict       another writer moved the source on   (handled, never shown)
├── QueryError               SQL that is refused or fails         exit 2
│   └── QueryLimit           a query that takes too much          exit 3
├── CheckError               a broken file under reports/         exit 3
├── DumpError                a Prefect record that is not one     exit 3
├── EvidenceError            a key, note or proof that is not one exit 3
├── PrefectError             Prefect's API does not answer as asked  exit 3
├── AlertError               somebody cannot be told              (recorded, tried again)
├── Busy                     another one is at it, who is named   exit 5
└── OutputError              a file that cannot be written        exit 3

An exception is for what stops the command. What an auditor counts is a value: a line
that cannot be parsed is a row with a reject reason, never an exception.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses. The sharp line is between *no* (1) and *could not tell* (3)."""

    OK = 0
    NO = 1
    USAGE = 2
    FAILED = 3
    BUG = 4
    BUSY = 5
    INTERRUPTED = 130


def is_interruption(error: BaseException) -> bool:
    """Tell whether it was Ctrl-C that stopped a command.

    DuckDB that asks Python for rows tells of an interruption there as of an error of its own, which has
    nothing but its name. It has two ways to tell of one that it has heard of itself.
    """
    words = str(error).rstrip()
    by_duckdb = type(error).__module__ == "_duckdb" and (
        type(error).__name__ == "InterruptException" or words.endswith("KeyboardInterrupt:")
    )
    heard = type(error) is RuntimeError and words == "Query interrupted"
    return by_duckdb or heard or isinstance(error, KeyboardInterrupt)


class LpauditError(Exception):
    """Stops the command: one line that says what, and a hint that says what to do next."""

    exit = Exit.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(LpauditError):
    """An option, a configuration key or a combination of them that cannot work."""

    exit = Exit.USAGE


class NotConfigured(ConfigError):
    """A file that is none of the access logs in lighttpd's configuration."""


class FormatError(ConfigError):
    """A format string that cannot be compiled; the sentence shows it with a caret.

    ``position`` counts characters from 0.
    """

    def __init__(self, reason: str, format_string: str, position: int, *, hint: str | None = None) -> None:
        caret = " " * position + "^"
        super().__init__(f"cannot use this log format: {reason}\n  {format_string}\n  {caret}", hint=hint)
        self.reason = reason
        self.format_string = format_string
        self.position = position


class SourceError(LpauditError):
    """An input that cannot be read, or that is not the log it was said to be."""


class StoreError(LpauditError):
    """A store that cannot be opened, read or written."""


class OffsetConflict(StoreError):
    """Another writer committed bytes of the same source first: look again, and go on from there.

    ``source_ids`` are the sources that have moved on; none if that is not known.
    """

    def __init__(self, message: str, *, hint: str | None = None, source_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.source_ids = source_ids


class QueryError(LpauditError):
    """SQL that the store refuses or cannot run; the message is DuckDB's own, with its caret."""

    exit = Exit.USAGE


class QueryLimit(QueryError):
    """A query that takes more time or memory than it may have."""

    exit = Exit.FAILED


class CheckError(LpauditError):
    """A file under reports/ that is broken, or asks for what does not exist."""


class DumpError(LpauditError):
    """A file of recorded Prefect API answers that cannot be read as one."""


class EvidenceError(LpauditError):
    """A key, a signed note or a batch of leaves that is not what it should be."""


class PrefectError(LpauditError):
    """Prefect's API is out of reach, refuses, or answers what cannot be used.

    ``status`` is that of the answer, None if there was none. ``lasting`` says that asking for
    something else would fail just so.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, status: int | None = None, lasting: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.lasting = lasting


class AlertError(LpauditError):
    """An alert that did not go out. The message says why, and not where to: that may be a secret."""


class Busy(LpauditError):
    """What is done by one at a time is being done by another one; the message says who."""

    exit = Exit.BUSY


class OutputError(LpauditError):
    """A file for people (a report, rows) that cannot be written where it should be."""
