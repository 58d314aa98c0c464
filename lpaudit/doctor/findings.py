"""What an auditor, or an attacker, would say of a log's format and of its lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lpaudit.logformat.directives import Kind
from lpaudit.logformat.layout import Slot, split_format
from lpaudit.redaction import secret_name, secrets_in


class Severity(StrEnum):
    """How bad a finding is. All but a warning make the answer no."""

    OPEN = "open"
    SECRET = "secret"  # noqa: S105 -- the word, not a secret
    FORGEABLE = "forgeable"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know, and what to do about it. ``code`` is for programs."""

    severity: Severity
    code: str
    message: str
    hint: str


# Directives whose text a client chooses freely. %m, %H, %V and %v are checked by lighttpd;
# %u is a name that somebody else has vouched for.
_CLIENTS_LETTERS = frozenset("rUqfiC")
_CLIENTS_VARIABLES = ("HTTP_", "QUERY_STRING", "REQUEST_URI", "REDIRECT_URI", "PATH_", "SCRIPT_")
_SECRET_LETTERS = frozenset("iCeno")


def of_format(format_string: str) -> Iterator[Finding]:
    """Yield what is wrong with a format, the worst first."""
    parts = split_format(format_string)
    slots = [part for part in parts if isinstance(part, Slot)]
    yield from _secrets(slots)
    yield from _forgeable(parts)
    yield from _identity(slots)
    yield from _times(slots)


def of_lines(lines: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    """Yield the secrets that numbered lines seem to hold; the secrets themselves are not told."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number, line in lines:
        for kind in sorted(secrets_in(line)):
            counts[kind] += 1
            first.setdefault(kind, number)
    for kind, count in sorted(counts.items()):
        where = f"line {first[kind]}" if count == 1 else f"{count:,} lines, the first is line {first[kind]}"
        yield Finding(
            Severity.SECRET,
            "secret-value",
            f"what looks like {kind} is in {where}",
            "revoke it: whoever reads the log has it; have clients send secrets in the Authorization header",
        )


def _secrets(slots: Sequence[Slot]) -> Iterator[Finding]:
    for text in dict.fromkeys(
        s.text for s in slots if s.letter == "C" or (s.letter in _SECRET_LETTERS and secret_name(s.name))
    ):
        yield Finding(
            Severity.SECRET,
            "secret-field",
            f"{text} logs what proves who somebody is: whoever reads the log can be them",
            "take it out of accesslog.format, and revoke what has been logged",
        )


def _forgeable(parts: Sequence[str | Slot]) -> Iterator[Finding]:
    """Yield a finding for values of a client's choice that are not between quotes.

    Both escapings write a quote and every control character as an escape: only those end a value for sure.
    """
    quoted = False
    found = []
    for index, part in enumerate(parts):
        if isinstance(part, str):
            quoted ^= part.count('"') % 2 == 1
            continue
        before = parts[index - 1] if index else "\n"
        after = parts[index + 1] if index + 1 < len(parts) else "\n"
        fenced = _fence(before, -1) and _fence(after, 0)
        if _of_client(part) and not quoted and not fenced:
            found.append(part.text)
    if found:
        yield Finding(
            Severity.FORGEABLE,
            "unquoted",
            f"a client can forge other fields through {', '.join(dict.fromkeys(found))}: not between quotes",
            'put quotes around it in accesslog.format, as in "%{User-Agent}i"',
        )


def _fence(part: str | Slot, end: int) -> bool:
    return isinstance(part, str) and (part[end] < " " or part[end] == "\x7f")


def _of_client(slot: Slot) -> bool:
    letter = slot.letter
    if letter in "en":
        return slot.name.upper().startswith(_CLIENTS_VARIABLES)
    if letter == "o":
        return slot.name.lower() == "location"  # redirections repeat what was asked for
    return letter in _CLIENTS_LETTERS


def _identity(slots: Sequence[Slot]) -> Iterator[Finding]:
    columns = {s.column for s in slots}
    if "user_name" not in columns:
        yield Finding(
            Severity.WARNING, "no-identity", "no line says who did it", 'log "%u", or "%{REMOTE_USER}e"'
        )
    if not {"client_address", "client_port", "connection_request_number"} <= columns:
        yield Finding(
            Severity.WARNING,
            "no-connection",
            "lines of one connection cannot be told from others",
            "log %a, %{remote}p and %k: together they name a request",
        )


def _times(slots: Sequence[Slot]) -> Iterator[Finding]:
    times = [s for s in slots if s.directive.kind in (Kind.CLOCK, Kind.EPOCH)]
    fractions = [s for s in slots if s.directive.kind is Kind.FRACTION]
    if not times:
        yield Finding(Severity.WARNING, "no-time", "no line says when", "log %{begin:usec}t and %{end:usec}t")
        return
    if all(s.column == "end" for s in times):
        fine = any(s.directive.kind is Kind.DURATION and s.unit != "s" for s in slots)
        yield Finding(
            Severity.WARNING,
            "end-only",
            "only the end of a request has its time"
            + ("; when it began follows from the duration" if fine else ", not when it began"),
            "log %{begin:usec}t and %{end:usec}t",
        )
    if all((s.unit or "s") == "s" for s in times) and not fractions:
        yield Finding(
            Severity.WARNING,
            "whole-seconds",
            "times are whole seconds: the order within a second is not known",
            "log %{begin:usec}t and %{end:usec}t",
        )
    if fractions:
        yield Finding(
            Severity.WARNING,
            "frac",
            f"{fractions[0].text} rounds up: sometimes the next second's .000 is written for .999…; "
            "lpaudit undoes it, other programs do not",
            "log %{begin:usec}t instead: it has no such flaw",
        )
    if any(s.clock is not None and not s.clock.has_offset and not s.clock.seconds for s in times) and not any(
        s.directive.kind is Kind.EPOCH for s in times
    ):
        yield Finding(
            Severity.WARNING,
            "no-offset",
            "times have no offset from UTC: an hour in autumn is ambiguous",
            "say which zone it is with --timezone; better log %{begin:usec}t",
        )
