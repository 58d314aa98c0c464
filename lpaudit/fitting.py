"""Which log an input is, and which format its lines are in: as told, as before, or as the lines look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from lpaudit import errorlog, logformat, source
from lpaudit.errors import ConfigError, SourceError
from lpaudit.logformat.parse import MAX_LINE, match_count
from lpaudit.model import LogFormat, LogKind
from lpaudit.reading import AccessReading, ErrorReading, Reading, kept
from lpaudit.redaction import MASK, masked
from lpaudit.visible import visible

_SAMPLE = 1 << 20  # bytes of a piece that its format is told by


class NotALog(Exception):
    """A file in a directory that has every right to be there, but is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Chooses how one input is read.

    ``told`` is an access log's format, ``asked`` which kind of log the input is; each is None
    to tell it from the lines. ``stored`` are the formats that the store has lines of, by
    name; it may grow meanwhile.
    """

    found: source.Input
    told: LogFormat | None
    asked: LogKind | None
    stored: Mapping[str, LogFormat]
    timezone: ZoneInfo

    def kind_of(self, line: bytes) -> LogKind:
        """Return which kind of log begins with a line."""
        looks = LogKind.ERROR if errorlog.is_error_log(line) else LogKind.ACCESS
        return self.asked or looks

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
            return current.newest(own[0])
        if current:
            return current
        sample = _sample(piece)
        if kind is LogKind.ERROR:
            if not begun and self.asked:
                self._check_error_log(sample)
            return ErrorReading(self.timezone)
        if not self.found.named and not begun and errorlog.is_error_log(sample):
            raise NotALog("lighttpd's error log, not an access log: skipped")
        layouts = [logformat.compile_layout(candidate) for candidate in self._candidates(own)]
        best, most, readable = layouts[0], 0, 0
        for layout in layouts[:1] if self.told else layouts:
            matched, readable = match_count(layout, sample, plausible=self.told is None)
            if matched > most:
                best, most = layout, matched
            if most == readable:
                break
        if most or not readable or best.log_format.name in own:
            return AccessReading(tuple(layouts)).newest(best.log_format.name)
        raise self._wrong_format(sample)

    def _candidates(self, own: Sequence[str]) -> list[LogFormat]:
        """Return the formats that lines may be in: what was told, the source's own, any other."""
        found = [self.told] if self.told else []
        found += [self.stored[name] for name in own if name in self.stored]
        if not self.told:
            found += [preset.log_format(self.timezone) for preset in logformat.PRESETS.values()]
            found += self.stored.values()
        return list({log_format.name: log_format for log_format in reversed(found)}.values())[::-1]

    def _check_error_log(self, sample: bytes) -> None:
        """Raise SourceError, or NotALog, if no line is an error log's: not only lighttpd writes there."""
        lines = [line for line in sample.split(b"\n") if line.strip()]
        if any(errorlog.is_error_log(line) for line in lines):
            return
        if not self.found.named:
            raise NotALog("not lighttpd's error log: skipped")
        if b"\0" in sample:
            raise binary(self.found, 1)
        shown = kept(LogKind.ERROR, lines[0][:160]).replace(MASK, b"*") if lines else b""
        raise SourceError(
            f"{visible(self.found.label)} is not lighttpd's error log; line 1 reads:\n"
            f"  {shown.decode('utf-8', 'backslashreplace')}",
            hint="leave out --kind: the lines tell what it is",
        )

    def _wrong_format(self, sample: bytes) -> SourceError:
        name = visible(self.found.label)
        lines = sample.split(b"\n")
        number, text = next((i, line) for i, line in enumerate(lines, 1) if line.strip())
        shown = masked(text[:160].decode("utf-8", "backslashreplace"))
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


def told_format(found: source.Input, format_of: Callable[[str], LogFormat | None] | None) -> LogFormat | None:
    """Return the format that was told for an input; None to tell it from the lines.

    Raises ConfigError for an input that the user named, if what was told says nothing of it.
    """
    if format_of is None:
        return None
    try:
        return format_of(found.label)
    except ConfigError:
        if found.named:
            raise
        return None  # a directory holds other files, too: the error log, for one


def binary(found: source.Input, number: int) -> SourceError:
    """Say that an input is no log."""
    return SourceError(
        f"{visible(found.label)} is not a log: line {number} holds NUL bytes",
        hint="name the access log itself; compressed logs may be gzip, zstd, bzip2 or xz",
    )


def _sample(piece: bytes) -> bytes:
    """Return a piece's first block that has a line which could be read."""
    for block in source.blocks(piece, _SAMPLE):
        if any(line.strip() and len(line) < MAX_LINE for line in block.split(b"\n")):
            return block
    return piece[:_SAMPLE]
