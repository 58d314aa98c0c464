"""The beginning of a log → a diagnosis."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from lpaudit import errorlog, logformat, source
from lpaudit.doctor import findings
from lpaudit.doctor.findings import Finding, Severity
from lpaudit.doctor.propose import propose
from lpaudit.errors import LpauditError, SourceError
from lpaudit.fitting import Fitting
from lpaudit.logformat import Layout
from lpaudit.logformat.directives import Kind
from lpaudit.logformat.layout import Slot
from lpaudit.logformat.parse import match_count
from lpaudit.model import LogFormat, LogKind
from lpaudit.redaction import masked, secret_name

_SAMPLE = 4 << 20  # bytes of a log that are looked at
_FITS = 0.5  # share of the lines that a format must match to be the log's
_SHOWN_LINES = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of the lines that are not blank a format matches."""

    name: str
    matched: int
    lines: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a format with its column, and what each of the first lines says in it."""

    directive: str
    column: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out about one log.

    ``log_format`` is what the fields and findings are about; ``origin`` says where it is from:
    told, preset, proposed, or none. ``shown`` are the first lines: number, the reason why it
    cannot be read, if so, and text. ``read`` are the numbers of the lines that ``fields`` are of.
    """

    log: str
    lines: int = 0
    whole: bool = True
    fits: tuple[Fit, ...] = ()
    origin: str = "none"
    log_format: LogFormat | None = None
    matched: int = 0
    shown: tuple[tuple[int, str | None, str], ...] = ()
    read: tuple[int, ...] = ()
    fields: tuple[Field, ...] = ()
    findings: tuple[Finding, ...] = ()
    note: str | None = None
    error: str | None = None
    hint: str | None = None

    @property
    def good(self) -> bool:
        """Whether the log is read by a format that is told or known, and nobody can lie or steal with it."""
        bad = any(f.severity is not Severity.WARNING for f in self.findings)
        return not bad and (self.note is not None or self.origin in ("told", "preset"))


FormatOf = Callable[[str], LogFormat | None]


def examine(arguments: Sequence[str], format_of: FormatOf, timezone: tzinfo) -> Iterator[Diagnosis]:
    """Yield a diagnosis for every log. One that cannot be read does not stop the others."""
    for found in source.discover(arguments):
        if isinstance(found, SourceError):
            yield Diagnosis("", error=found.message, hint=found.hint)
            continue
        try:
            yield _look(found, format_of, timezone)
        except LpauditError as error:
            yield Diagnosis(found.label, error=error.message, hint=error.hint)


def _look(found: source.Input, format_of: FormatOf, timezone: tzinfo) -> Diagnosis:
    sample, whole = _beginning(found)
    try:
        told, refused = format_of(found.label), None
    except LpauditError as error:  # the configuration says nothing of it: it may be the error log
        told, refused = None, error
    if Fitting(found, told, None, {}, timezone).kind_of(sample[: source.HEAD]) is LogKind.ERROR:
        note = "lighttpd's error log: `lpaudit ingest` stores it in server_event"
        return Diagnosis(found.label, note=note, findings=tuple(_of_error_log(sample)))
    if refused is not None:
        raise refused
    layouts = [logformat.compile_layout(p.log_format(timezone)) for p in logformat.PRESETS.values()]
    counts = [(layout, *match_count(layout, sample)) for layout in layouts]
    fits = tuple(
        Fit(layout.log_format.name, matched, lines)
        for layout, matched, lines in sorted(counts, key=lambda c: -c[1])
        if matched
    )
    best, matched, lines = max(counts, key=lambda c: c[1])
    if not matched and b"\0" in sample:
        raise SourceError(
            f"{found.label} is not a log: it holds NUL bytes",
            hint="name the access log itself; compressed logs may be gzip, zstd, bzip2 or xz",
        )
    layout: Layout | None = None
    origin = "none"
    if told is not None:
        layout, origin = logformat.compile_layout(told), "told"
        matched, lines = match_count(layout, sample)
    else:
        fitting = lines and matched / lines > _FITS
        if fitting and _plausible(best, sample):
            layout, origin = best, "preset"
        elif proposed := propose(sample, timezone):
            layout, origin = logformat.compile_layout(proposed), "proposed"
            matched, lines = match_count(layout, sample)
        elif fitting:
            layout, origin = best, "preset"
    texts = _numbered(sample)
    if layout is None or not matched:
        shown = tuple((n, "no-match", masked(text)) for n, text in texts[:_SHOWN_LINES])
        found_out = (*_refuted(told), *findings.of_lines(texts))
        return Diagnosis(found.label, lines, whole, fits, shown=shown, findings=found_out)
    return _read(
        Diagnosis(found.label, lines, whole, fits, origin, layout.log_format, matched), layout, sample
    )


def _of_error_log(sample: bytes) -> Iterator[Finding]:
    """Say whether secrets have leaked into an error log."""
    lines = zip(sample.split(b"\n"), errorlog.redact(sample).split(b"\n"), strict=True)
    leaked = sum(line != redacted for line, redacted in lines)
    if leaked:
        yield Finding(
            Severity.SECRET,
            "secret-value",
            f"what looks like a secret is in {leaked:,} of its lines",
            "revoke it: whoever reads the log has it; `lpaudit ingest` stores the lines without it",
        )


def _refuted(told: LogFormat | None) -> Iterator[Finding]:
    if told is not None:
        yield Finding(
            Severity.WARNING,
            "unreadable",
            f"the format {told.name} matches none of the lines: {told.format_string}",
            "look at accesslog.format in lighttpd's configuration, or leave out --log-format",
        )


def _plausible(layout: Layout, sample: bytes) -> bool:
    """Whether clients have addresses: a format with a word more or less in front matches, too."""
    columns = logformat.parse(layout, sample[: 1 << 16]).columns
    if "client_address" not in columns.columns:
        return True
    addresses = columns["client_address"].drop_nulls()
    return bool(addresses.str.contains(r"^[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*$").mean() or not len(addresses))


def _beginning(found: source.Input) -> tuple[bytes, bool]:
    """Return whole lines from the beginning of a log, and whether that is all of it."""
    reader = source.open_reader(found)
    try:
        sample = reader.read(_SAMPLE)
        more = reader.read(1) if len(sample) == _SAMPLE else b""
    finally:
        reader.close()
    if reader.damage is not None:
        raise SourceError(
            f"cannot read {found.label}: {reader.damage.reason}", hint="look at a whole copy of it"
        )
    if more:
        cut = sample.rfind(b"\n") + 1
        sample = sample[: cut or len(sample)]
    if not sample.strip():
        raise SourceError(f"{found.label} is empty", hint="lighttpd writes a line when a request has ended")
    return sample, not more


def _numbered(sample: bytes) -> list[tuple[int, str]]:
    lines = sample.decode("utf-8", "backslashreplace").split("\n")
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _read(diagnosis: Diagnosis, layout: Layout, sample: bytes) -> Diagnosis:
    parsed = logformat.parse(layout, sample).columns
    texts = _numbered(sample)
    reasons = parsed["reject_reason"].to_list()
    shown = tuple((number, reasons[number - 1], masked(text)) for number, text in texts[:_SHOWN_LINES])
    good = [number for number, reason in enumerate(reasons, 1) if reason is None][:_SHOWN_LINES]
    rows = parsed[[number - 1 for number in good]].to_dicts()
    found = [
        *findings.of_format(layout.log_format.format_string),
        *findings.of_lines(texts),
        *_unreadable(reasons, dict(texts)),
    ]
    return Diagnosis(
        diagnosis.log,
        diagnosis.lines,
        diagnosis.whole,
        diagnosis.fits,
        diagnosis.origin,
        diagnosis.log_format,
        sum(reasons[number - 1] is None for number, _ in texts),
        shown,
        tuple(good),
        tuple(_fields(layout, rows)),
        tuple(sorted(found, key=lambda f: list(Severity).index(f.severity))),
    )


def _unreadable(reasons: Sequence[str | None], texts: dict[int, str]) -> Iterator[Finding]:
    numbers: dict[str, list[int]] = {}
    for number, reason in enumerate(reasons, 1):
        if reason is not None:
            numbers.setdefault(reason, []).append(number)
    for reason, where in numbers.items():
        text = masked(texts.get(where[0], ""))[:120]
        count = "1 line" if len(where) == 1 else f"{len(where):,} lines"
        yield Finding(
            Severity.WARNING,
            "unreadable",
            f"{count} cannot be read ({reason}); line {where[0]}: {text}",
            "an ingest keeps such lines in quarantine, with their text",
        )


_COLUMNS = {
    Kind.REQUEST: ("http_request_method", "url_original", "network_protocol"),
    Kind.DURATION: ("event_duration_us",),
}


def _fields(layout: Layout, rows: Sequence[dict[str, object]]) -> Iterator[Field]:
    for slot in layout.slots:
        for column in _columns(slot):
            yield Field(slot.text, column, tuple(_value(slot, column, row) for row in rows))


def _columns(slot: Slot) -> tuple[str, ...]:
    kind = slot.directive.kind
    if kind in (Kind.CLOCK, Kind.EPOCH, Kind.FRACTION):
        return ("event_start" if slot.column == "begin" else "event_end",)
    return _COLUMNS.get(kind) or (slot.column or f"fields['{slot.text}']",)


def _value(slot: Slot, column: str, row: dict[str, object]) -> object:
    if column in row:
        value = row[column]
    else:
        pairs = row.get("fields") or ()
        assert isinstance(pairs, list | tuple)  # noqa: S101 -- for the type checker
        value = next((pair["value"] for pair in pairs if pair["key"] == slot.text), None)
    if isinstance(value, str):
        named = slot.text[-1] == "C" or ("{" in slot.text and secret_name(slot.text))
        return "(a secret, not shown)" if named else masked(value)
    return value
