"""What travels between the rooms, in the order in which a log line meets it.

Frozen values only: no input or output, no behaviour beyond a derived name.
Times are offset-aware UTC, offsets and lengths are bytes of the decompressed source.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from hashlib import sha256

import pyarrow as pa

from lpaudit.errors import LpauditError


class Escaping(StrEnum):
    """lighttpd's accesslog.escaping."""

    DEFAULT = "default"
    JSON = "json"


class LogKind(StrEnum):
    """Which of lighttpd's logs a source is."""

    ACCESS = "access"
    ERROR = "error"

    @property
    def table(self) -> str:
        """The table that its lines are stored in."""
        return "access_event" if self is LogKind.ACCESS else "server_event"


class RejectReason(StrEnum):
    """Why a line is in quarantine. The words are part of the store: they are only ever added to."""

    BLANK = "blank"
    NO_MATCH = "no-match"
    TOO_LONG = "too-long"
    NUL_BYTES = "nul-bytes"
    INVALID_UTF8 = "invalid-utf8"
    BAD_TIMESTAMP = "bad-timestamp"
    NUMBER_OUT_OF_RANGE = "number-out-of-range"


class ParseNote(StrEnum):
    """What was repaired or dropped while a good line was read."""

    FRAC_CARRY = "frac-carry"
    NEGATIVE_DURATION = "negative-duration"
    BEGINS_AFTER_END = "begins-after-end"
    NO_LINE_END = "no-line-end"


@dataclass(frozen=True, slots=True)
class LogFormat:
    """How the lines of a source are written.

    ``name`` is a preset's, or ``custom-`` and eight hex digits of the format's hash.
    ``timezone`` is for strftime forms that write no offset.
    """

    name: str
    format_string: str
    escaping: Escaping
    timezone: tzinfo


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """The exact bytes ``[start, end)`` of a source, as committed: the unit of evidence.

    The name says everything that is needed to check it without lpaudit.
    """

    source_id: str
    start: int
    end: int
    sha256: str

    @property
    def name(self) -> str:
        """Path below the store's root."""
        return f"segments/{self.source_id}/{self.start:016d}-{self.end:016d}-{self.sha256}.zst"

    @classmethod
    def of(cls, source_id: str, start: int, data: bytes) -> "Segment":
        """Describe the piece ``data`` of a source that begins at ``start``."""
        return cls(source_id, start, start + len(data), sha256(data).hexdigest())

    @classmethod
    def from_name(cls, name: str) -> "Segment":
        """Inverse of ``name``. Raises ValueError if it is not a segment's name."""
        _, source_id, file = name.split("/")
        start, end, sha256 = file.removesuffix(".zst").split("-")
        return cls(source_id, int(start), int(end), sha256)


@dataclass(frozen=True, slots=True)
class Purged:
    """What is known of a segment whose lines were purged: enough to know its log again.

    ``line_number`` and ``log_format`` are its last line's. ``redacted`` are places, (first byte, length) from
    its start, and ``redacted_sha256`` the hash of its bytes with these blank; None if there are none.
    """

    segment: Segment
    line_number: int
    log_format: str
    ends_a_line: bool
    redacted: tuple[tuple[int, int], ...] = ()
    redacted_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the store already holds of a source: nothing, or segments up to ``offset``.

    ``purged`` are those of them whose lines are not there any more.
    """

    source_id: str
    segments: tuple[Segment, ...] = ()
    line_number: int = 0
    formats: tuple[str, ...] = ()
    """What its lines were in, as far as the ends of segments tell: the newest first."""
    purged: Mapping[Segment, Purged] = field(default_factory=dict)

    @property
    def offset(self) -> int:
        """Where to go on reading."""
        return self.segments[-1].end if self.segments else 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a block of lines comes from; every row of the block carries it."""

    source: str
    segment: Segment
    host_name: str
    ingest_time: datetime
    log_format: str
    byte_offset: int
    line_number: int


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What an ingest did with one input."""

    source: str
    kind: LogKind = LogKind.ACCESS
    source_id: str | None = None
    lines: int = 0
    rejected: int = 0
    bytes_read: int = 0
    held_back: int = 0
    already_stored: int = 0
    already_lines: int = 0
    log_format: str | None = None
    note: str | None = None
    error: str | None = None
    hint: str | None = None
    reject_examples: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest did with all of them."""

    sources: tuple[SourceResult, ...]

    @property
    def lines(self) -> int:
        """Rows that were added, good and rejected."""
        return sum(s.lines for s in self.sources)

    @property
    def rejected(self) -> int:
        """Rows that were added to quarantine."""
        return sum(s.rejected for s in self.sources)

    @property
    def events(self) -> int:
        """Rows that were added of error logs."""
        return sum(s.lines for s in self.sources if s.kind is LogKind.ERROR)

    @property
    def errors(self) -> tuple[SourceResult, ...]:
        """Inputs that could not be read, or not to their end."""
        return tuple(s for s in self.sources if s.error)


class GapCause(StrEnum):
    """Why a part of a log is missing. The words are part of the store: they are only ever added to."""

    DELETED = "deleted"
    TRUNCATED = "truncated"
    REPLACED = "replaced"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of a source that is known to be missing: a row of ``coverage_gap``.

    ``start`` and ``end`` are its columns ``from`` and ``to``. What is None is not known.
    """

    source: str
    source_id: str
    host_name: str
    start: datetime | None
    end: datetime | None
    bytes: int | None
    lines: int | None
    cause: GapCause
    from_offset: int
    detected_at: datetime

    @property
    def id(self) -> str:
        """Identity: the same gap found again has the same one."""
        return _short_hash("gap", self.source_id, self.from_offset, self.cause)


class SourceChange(StrEnum):
    """What happened to a log. The words are part of the store: they are only ever added to."""

    FOLLOWED = "followed"
    FINISHED = "finished"
    TRUNCATED = "truncated"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """Something that happened to a log that is followed: a row of ``source_event``."""

    time: datetime
    source: str
    source_id: str
    host_name: str
    event: SourceChange
    byte_offset: int
    detail: str | None = None

    @property
    def id(self) -> str:
        """Identity: the same event seen again has the same one."""
        return _short_hash("event", self.source_id, self.byte_offset, self.event)


def _short_hash(*parts: object) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far following is behind: what is in the files and not yet in the store.

    ``seconds`` is how long ago the oldest of it was first seen, 0 if there is none.
    """

    files: int
    bytes: int
    seconds: float


class Observer:
    """What an ingest tells while it works. Rooms tell; they neither log nor print.

    This one hears nothing: observers override what they want to hear.
    """

    def source_opened(self, source: str, size: int | None) -> None:
        """An input is about to be read; ``size`` is its size on disk in bytes, if it has one."""

    def bytes_read(self, source: str, position: int) -> None:
        """``position`` bytes of the input on disk have been read."""

    def segment_committed(self, source: str, segment: Segment, lines: int, rejected: int) -> None:
        """A segment and its rows are in the store, for good."""

    def source_finished(self, result: SourceResult) -> None:
        """An input is done with."""

    def following(self, files: int) -> None:
        """The logs that are there are open, and are read as they grow."""

    def committed(self, sources: int, lines: int, rejected: int, size: int, seconds: float) -> None:
        """One commit of a follower is in the store: its lines, its bytes, and how long it took."""

    def lagging(self, lag: Lag) -> None:
        """Tell how far behind it is; at least once a second while a follower is alive and well."""

    def source_changed(self, event: SourceEvent) -> None:
        """Something happened to a log; it is recorded in the store."""

    def gap_found(self, gap: Gap) -> None:
        """A part of a log is missing; it is recorded in the store."""

    def retrying(self, error: LpauditError, seconds: float) -> None:
        """Something failed that may heal: it is tried again after ``seconds``, and nothing is lost."""

    def alarm(self, error: LpauditError) -> None:
        """The store is not as it was left: somebody should look at it. Nothing stops because of it."""

    def stopping(self) -> None:
        """A follower was asked to stop: it finishes its batch."""


@dataclass(frozen=True, slots=True)
class Period:
    """``start`` inclusive, ``end`` exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of lines: its path or URL, how many they are, and between which times.

    The times are bounds, rather too far apart than too near; ``timeless`` says that lines may have none.
    """

    path: str
    rows: int
    first: datetime
    last: datetime
    timeless: bool

    def touches(self, period: Period) -> bool:
        """Tell if a line of a period may be in it."""
        return self.first < period.end and self.last >= period.start


Select = Callable[[str, dict[str, object]], pa.Table]
"""Runs one SELECT with exactly its named parameters: what reports are given instead of a store."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a check's SQL names, and why it is what it is."""

    name: str
    default: object
    why: str


@dataclass(frozen=True, slots=True)
class Check:
    """One file under reports/checks: a question, the SQL that answers it, and what it cannot see.

    ``population`` counts what was looked at, in ``unit``s: no rows of nothing is not an answer.
    ``needs`` are tables or views that must hold a row, each with the words for when it holds none.
    ``key`` are the columns by which a control's exception is known again the next night, and
    ``severity`` is how much it matters; tables have neither.
    ``section`` is its number among a report's sections: ``S5``. ``tags`` are the detection that
    it is, and the techniques of MITRE ATT&CK that it looks for: ``D13``, ``T1485``.
    ``file`` is its path below reports/, ``sha256`` that of its bytes. ``fault`` says why it cannot be asked:
    then the rest is what could be read.
    """

    id: str
    title: str
    question: str
    kind: str
    population: str
    unit: str
    sql: str
    limits: str
    file: str
    sha256: str
    parameters: tuple[Parameter, ...] = ()
    section: str | None = None
    needs: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    severity: str | None = None
    tags: tuple[str, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of a framework: a check and how to show it.

    ``show`` is how many rows are printed at most, if not as many as the framework says.
    """

    check: str
    chart: str | None = None
    show: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a framework: which checks bear on it, and what they leave open.

    ``intent`` is in our own words. Without ``checks`` it is one that nothing here can show.
    """

    id: str
    intent: str
    checks: tuple[str, ...]
    not_shown: str


@dataclass(frozen=True, slots=True)
class Framework:
    """A table of contents over checks; it also says what it does not show.

    ``result`` are sentences over the figures of the check ``summary``. ``show`` is how many
    rows a section prints at most. ``completeness`` is the check whose rows say why the period
    is not wholly known. ``sections`` hold the checks of all ``controls``.
    """

    id: str
    title: str
    description: str
    sections: tuple[Section, ...]
    summary: str
    result: tuple[str, ...]
    method: tuple[str, ...]
    not_shown: tuple[str, ...]
    show: Parameter
    completeness: str
    file: str
    sha256: str
    controls: tuple[Control, ...] = ()


class Outcome(StrEnum):
    """What a check's answer is worth. None of them says that something is good."""

    ROWS = "rows"
    """Of a table: what was asked for."""
    EXCEPTIONS = "exceptions"
    """Of a control: n of a population of N; n may be 0."""
    INCOMPLETE = "incomplete"
    """As one of the two, but part of the period is not known: there may be more."""
    NO_DATA = "no-data"
    """Nothing was looked at."""
    ERROR = "error"
    """The question could not be asked."""


@dataclass(frozen=True, slots=True)
class Result:
    """A check's answer for a period: rows, the population they come from, and how to ask again.

    ``reasons`` say why the outcome is incomplete, no-data or error. Rows without columns are
    those of a question that was not asked.
    """

    check: Check
    section: Section
    parameters: dict[str, object]
    outcome: Outcome
    reasons: tuple[str, ...]
    population: int
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Which store a report is of, and whose it is.

    ``versions`` are those of its tables, ``as_of`` is when the last of it was stored (None if
    nothing ever was), ``software`` are name and version of what made the report. ``entity`` and
    ``system`` are whose access it is about, in the user's words; empty if nobody said.
    """

    versions: Mapping[str, int]
    as_of: datetime | None
    software: Mapping[str, str]
    entity: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a rendered report says. No clock: the same store and period render the same bytes."""

    framework: Framework
    period: Period
    store: dict[str, str]
    results: tuple[Result, ...]
