"""Which log an input is, and which format its lines are in: as told, as before, or as the lines look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from lpaudit import errorlog, logformat, source
from lpaudit.errors import ConfigError, LpauditError, NotConfigured, SourceError
from lpaudit.logformat.lines import MAX_LINE
from lpaudit.logformat.parse import fits, match_count
from lpaudit.model import LogFormat, LogKind
from lpaudit.reading import ERRORLOG, AccessReading, ErrorReading, Reading
from lpaudit.redaction import MASK, masked
from lpaudit.visible import visible

_RARE = 10  # of so many lines of an error log lighttpd writes one at least
_SAMPLE = 1 << 20  # bytes of a piece that its format is told by


class NotALog(Exception):
    """A file in a directory that has every right to be there, but is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Chooses how one input is read.

    ``told`` is an access log's format, ``asked`` which kind of log the input is; each is None
    to tell it from the lines. ``stored`` are the formats that the store has lines of, by
    name; it may grow meanwhile. ``former`` are told, too: older lines may be in them. ``now`` asks anew
    what is told: the configuration may have been changed.
    """

    found: source.Input
    told: LogFormat | None
    asked: LogKind | None
    stored: Mapping[str, LogFormat]
    timezone: tzinfo
    former: tuple[LogFormat, ...] = ()
    now: Callable[[str], LogFormat | None] | None = None

    def kind_of(self, lines: bytes, own: Sequence[str] = ()) -> LogKind:
        """Return which kind of log begins with some lines.

        ``own`` are the formats of what was at the same path before: it stays what it is, also
        where another program's stderr comes first.
        """
        if self.asked:
            return self.asked
        if own:
            return LogKind.ERROR if own[0] == ERRORLOG else LogKind.ACCESS
        return self._looks_like(lines)

    def check_kind(self, stored: LogKind) -> None:
        """Raise SourceError if it is stored as another kind of log than it was asked for as, or NotALog."""
        if self.asked is None or stored is self.asked:
            return
        if not self.found.named:
            raise NotALog(f"stored as an {stored} log: skipped")
        raise SourceError(
            f"{visible(self.found.label)} is stored as an {stored} log already",
            hint=f"leave out --kind {self.asked}",
        )

    def _looks_like(self, lines: bytes) -> LogKind:
        """Return which kind of log some lines are of.

        A client may write the start of an access line, if the format lets it; another program
        may write anything into an error log. So neither the first line decides nor any other
        alone: lines of an error log are those that no access format reads.
        """
        each = [line for line in lines.split(b"\n") if line.strip()]
        headed = [line for line in each if errorlog.is_error_log(line)]
        if _RARE * len(headed) < len(each) or not headed:
            return LogKind.ACCESS
        joined = b"\n".join(headed) + b"\n"
        layouts = [logformat.compile_layout(candidate) for candidate in self._candidates(())]
        plausible = self.told is None
        told = len(headed) - max(match_count(layout, joined, plausible=plausible)[0] for layout in layouts)
        asked = max(match_count(layout, lines, plausible=plausible)[0] for layout in layouts)
        return LogKind.ERROR if told and told >= asked else LogKind.ACCESS

    def choose(
        self, piece: bytes, kind: LogKind, own: Sequence[str], current: Reading | None, *, begun: bool
    ) -> Reading:
        """Choose how a piece is read.

        ``own`` are the names of the source's formats so far, the newest first, ``current`` the
        reading that its last piece was read with; ``begun`` says whether lines of it are
        stored. A line that the first format does not fit may be in another of the source's or,
        where nothing was told, in any other that is known.
        Lines in the middle of a source are never refused: what its format does not fit is in
        quarantine. Raises SourceError if a source's first piece fits no format, NotALog if
        that is no wonder.
        """
        if isinstance(current, AccessReading) and own:
            return self._changed(current.newest(own[0]), piece)
        if current:
            return current
        sample = _sample(piece)
        if kind is LogKind.ERROR:
            if not begun and self.asked:
                self._check_error_log(sample)
            return ErrorReading(self.timezone)
        if self.asked and not self.found.named and not begun and self._looks_like(sample) is LogKind.ERROR:
            raise NotALog("lighttpd's error log, not an access log: skipped")
        layouts = [logformat.compile_layout(candidate) for candidate in self._candidates(own)]
        best, most, readable = layouts[0], 0, 0
        for layout in layouts[: 1 + len(self.former)] if self.told else layouts:
            matched, readable = match_count(layout, sample, plausible=self.told is None)
            if matched > most:
                best, most = layout, matched
            if most == readable:
                break
        if most or not readable or best.log_format.name in own:
            return AccessReading(tuple(layouts)).newest(best.log_format.name)
        raise self._wrong_format(sample)

    def _changed(self, current: AccessReading, piece: bytes) -> AccessReading:
        """Take in what the configuration says now, if a piece ends in a format that is not known yet."""
        if self.now is None:
            return current
        last = piece[piece.rfind(b"\n", 0, -1) + 1 :]
        if len(last) > MAX_LINE or any(any(fits(layout, last)) for layout in current.layouts):
            return current
        try:
            told = self.now(self.found.label)
        except LpauditError:
            return current  # it is just being written, or says nothing of this log any more
        if told is None or told.name in {layout.log_format.name for layout in current.layouts}:
            return current
        return AccessReading((logformat.compile_layout(told), *current.layouts))

    def _candidates(self, own: Sequence[str]) -> list[LogFormat]:
        """Return the formats that lines may be in: what was told, the source's own, any other."""
        found = [*([self.told] if self.told else ()), *self.former]
        found += [self.stored[name] for name in own if name in self.stored]
        if not self.told:
            found += [preset.log_format(self.timezone) for preset in logformat.PRESETS.values()]
            found += self.stored.values()
        first: dict[str, LogFormat] = {}
        for log_format in found:
            first.setdefault(log_format.name, log_format)
        return list(first.values())

    def _check_error_log(self, sample: bytes) -> None:
        """Raise SourceError, or NotALog, if no line is an error log's: not only lighttpd writes there."""
        lines = [line for line in sample.split(b"\n") if line.strip()]
        if any(errorlog.is_error_log(line) for line in lines):
            return
        if not self.found.named:
            raise NotALog("not lighttpd's error log: skipped")
        if b"\0" in sample:
            raise binary(self.found, 1)
        shown = _shown(lines[0]) if lines else ""
        raise SourceError(
            f"{visible(self.found.label)} is not lighttpd's error log; line 1 reads:\n  {shown}",
            hint="leave out --kind: the lines tell what it is",
        )

    def _wrong_format(self, sample: bytes) -> SourceError:
        name = visible(self.found.label)
        lines = sample.split(b"\n")
        number, text = next((i, line) for i, line in enumerate(lines, 1) if line.strip())
        shown = _shown(text)
        if b"\0" in sample:
            return binary(self.found, number)
        if self.told is None:
            names = ", ".join(logformat.PRESETS)
            return SourceError(
                f"{name} is in none of the known formats ({names}); line {number} reads:\n  {shown}",
                hint="give its accesslog.format with --log-format; `lpaudit doctor` proposes one",
            )
        fits = self._fitting(sample)
        return SourceError(
            f"{name} is not in the format {self.told.name}; line {number} does not match it:\n"
            f"  {shown}\n  expected: {self.told.format_string}",
            hint=f"it looks like the format {fits}: --log-format {fits}"
            if fits
            else "check accesslog.format",
        )

    def _fitting(self, sample: bytes) -> str | None:
        for preset in logformat.PRESETS.values():
            layout = logformat.compile_layout(preset.log_format(self.timezone))
            if match_count(layout, sample)[0]:
                return preset.name
        return None


def told_format(
    found: source.Input, format_of: Callable[[str], LogFormat | None] | None
) -> tuple[LogFormat | None, SourceError | None]:
    """Return the format that was told for an input; None to tell it from the lines.

    With it comes why what was told does not say it: for an access log that is an error, of an error
    log nothing has to be said. A directory holds other files, too, that nothing is said of.
    """
    if format_of is None:
        return None, None
    try:
        return format_of(found.label), None
    except ConfigError as error:
        if isinstance(error, NotConfigured) and not found.named:
            return None, None
        return None, SourceError(error.message, hint=error.hint)


def binary(found: source.Input, number: int) -> SourceError:
    """Say that an input is no log."""
    return SourceError(
        f"{visible(found.label)} is not a log: line {number} holds NUL bytes",
        hint="name the access log itself; compressed logs may be gzip, zstd, bzip2 or xz",
    )


def _shown(line: bytes) -> str:
    """Return what a message shows of a line, of whatever log it may be: no secret."""
    redacted = errorlog.redact(line[:MAX_LINE])[:160].replace(MASK, b"*")
    return masked(redacted.decode("utf-8", "backslashreplace"))


def _sample(piece: bytes) -> bytes:
    """Return a piece's first block that has a line which could be read."""
    for block in source.blocks(piece, _SAMPLE):
        if any(line.strip() and len(line) < MAX_LINE for line in block.split(b"\n")):
            return block
    return piece[:_SAMPLE]
