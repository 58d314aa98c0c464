r"""A format string → a Layout: anchored expressions over one table of slots, a fast way and a full one.

``fast`` is made of disjoint ASCII classes only, so that the expression is decided byte by
byte (six times as fast as alternations). It reads every line of an ordinary day.
``full`` reads what fast leaves: fields that hold spaces where nothing quotes them, request
lines that are not three words. What fast matches, full reads in the same way.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cache
from hashlib import sha256

from lpaudit.errors import FormatError
from lpaudit.logformat.directives import (
    BRACED,
    DURATION_UNITS,
    EPOCH_UNITS,
    FRACTION_UNITS,
    NAMELESS,
    NUMBER,
    PLAIN,
    REFUSED,
    REFUSED_NAMES,
    SILENT,
    SILENT_BRACED,
    Directive,
    Kind,
    named,
)
from lpaudit.logformat.strftime import Strftime, compile_strftime
from lpaudit.logformat.timestamp import PLAIN_CLOCK, UNITS_PER_SECOND
from lpaudit.model import Escaping, LogFormat

HEAD = "head"
_GROUPS = 15  # of an expression: with the head 16, and more the regex engine resolves only slowly
_END = r"\r?$"
MAX_FIELDS = 127  # mod_accesslog refuses more; a run of literal text counts as one

_MASKED = ("%{mask}a", "%{mask}h")
_LEAVE_OUT = "leave it out of accesslog.format"

_FORM = re.compile(r"(.*%[-_0^#]?[0-9]*[EO]?[A-Za-z])([^%]+)", re.DOTALL)

# A format string knows backslash escapes since lighttpd 1.4.56.
_ESCAPES = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}

# One character of a value. Default escaping leaves printable ASCII; JSON escaping passes
# everything from 0x80 on through raw, and DEL.
_PRINTABLE = r"\x20-\x21\x23-\x5b\x5d-\x7e"  # without the quote and the backslash
_RAW = r"\x7f-\x{10ffff}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A field of the format that holds a value."""

    directive: Directive
    text: str  # as written: %{User-Agent}i
    position: int  # in the format string
    unit: str | None = None  # of an epoch, a fraction or a duration
    clock: Strftime | None = None
    literal: str = ""  # before a fraction: lighttpd's rounding may change its last character

    @property
    def column(self) -> str | None:
        """The column that the value is for."""
        return self.directive.column

    @property
    def letter(self) -> str:
        """Which directive it is."""
        return self.text[-1]

    @property
    def name(self) -> str:
        """The name in braces."""
        return self.text[self.text.find("{") + 1 : self.text.rfind("}")] if "{" in self.text else ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A compiled format string. Group ``g<i>`` of an expression is slot ``i``.

    Each expression of ``fast`` but the last matches a line's beginning, in group ``head``; the
    next one goes on behind it. A group's value is what one expression would have found: it
    prefers what comes first, too. ``pieces`` are what they are made of; every line begins with
    ``beginning``.
    """

    log_format: LogFormat
    slots: tuple[Slot, ...]
    pieces: tuple[str, ...]
    beginning: bytes
    fast: tuple[str, ...]
    full: str

    @property
    def needs_zone(self) -> bool:
        """Whether the format writes times that only a time zone makes instants of."""
        clocks = (s.clock for s in self.slots if s.clock is not None and s.directive.kind is Kind.CLOCK)
        return any(not clock.has_offset and not clock.seconds for clock in clocks)


@cache
def compile_layout(log_format: LogFormat) -> Layout:
    """Compile ``log_format``. Raises FormatError with the position of what cannot be."""
    text = log_format.format_string
    parts = _exact_addresses(split_format(text))
    slots = tuple(p for p in parts if isinstance(p, Slot))
    if not slots:
        raise FormatError("it has no fields", text, 0, hint="see `lpaudit ingest --help` for the presets")
    if field_count(parts) > MAX_FIELDS:
        position = next(p.position for p in reversed(slots))
        hint = "lighttpd takes no more; a run of literal text counts as one"
        raise FormatError(f"it has more than {MAX_FIELDS} fields", text, position, hint=hint)
    _refuse_two_clocks(text, slots)
    parts = tuple(_apart(parts))
    slots = tuple(p for p in parts if isinstance(p, Slot))
    pieces = tuple(_pieces(parts, log_format.escaping, full=False))
    return Layout(
        log_format,
        slots,
        pieces,
        _beginning(parts),
        _fast(parts, pieces),
        _full(parts, log_format.escaping),
    )


def expression_around(log_format: LogFormat, chosen: Callable[[Slot], bool]) -> str | None:
    """Return an expression whose groups are, for each chosen field, what is before it and what is in it.

    It is for lines whose bytes have become characters, each one of its own (Latin-1): so lengths are in
    bytes. None if no field is chosen.
    """
    parts = tuple(
        part.encode().decode("latin-1") if isinstance(part, str) else part
        for part in _apart(split_format(log_format.format_string))
    )
    expression, before = "", ""
    for part, piece in zip(parts, _pieces(parts, log_format.escaping, full=True), strict=True):
        nameless = re.sub(r"\(\?P<\w+>", "(?:", piece)
        if isinstance(part, Slot) and chosen(part):
            expression += f"({before})({nameless})"
            before = ""
        else:
            before += nameless
    return f"^{expression}{before}{_END}" if expression else None


def format_id(format_string: str, escaping: Escaping, timezone: tzinfo | None) -> str:
    """Name of a format that no preset has: stable, and short enough for a column.

    ``timezone`` is None where it does not matter.
    """
    zone = "" if timezone is None else f"\n{timezone}"
    return "custom-" + sha256(f"{escaping}\n{format_string}{zone}".encode()).hexdigest()[:8]


def split_format(text: str) -> tuple[str | Slot, ...]:
    """Split a format string as mod_accesslog's parser does: runs of literal text, and fields.

    Raises FormatError.
    """
    plain, positions = _unescaped(text)
    try:
        parts = tuple(_parts(plain))
    except FormatError as error:
        raise FormatError(error.reason, text, positions[error.position], hint=error.hint) from None
    return tuple(replace(p, position=positions[p.position]) if isinstance(p, Slot) else p for p in parts)


def field_count(parts: tuple[str | Slot, ...]) -> int:
    """Return how many fields lighttpd counts; to its parser %l is literal text."""
    literal = [isinstance(part, str) or part.directive is PLAIN["l"] for part in parts]
    return sum(not (here and before) for here, before in zip(literal, [False, *literal], strict=False))


def _unescaped(text: str) -> tuple[str, list[int]]:
    """Undo the backslashes, as lighttpd does before anything else; return where each character stood."""
    plain, positions, position = "", [], 0
    while position < len(text):
        positions.append(position)
        if text[position] == "\\":
            following = text[position + 1 : position + 2]  # none: lighttpd drops the backslash
            plain += _ESCAPES.get(following, following)
            position += 1
        else:
            plain += text[position]
        if plain[-1:] == "\n" or "\ud800" <= plain[-1:] <= "\udfff":
            _refuse_character(text, plain[-1], positions[-1])
        position += 1
    return plain, [*positions, len(text)]


def _refuse_character(text: str, character: str, position: int) -> None:
    if character == "\n":
        hint = "say it without the line end: what is left of such lines goes to quarantine"
        raise FormatError("a line cannot hold a line end", text, position, hint=hint)
    hint = "lpaudit reads format strings that are UTF-8"
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    raise FormatError("it holds a byte that is not UTF-8", shown, position, hint=hint)


def _exact_addresses(parts: tuple[str | Slot, ...]) -> tuple[str | Slot, ...]:
    """Where a format has the client's address, too, the masked one is a field like any other."""
    masked = [isinstance(p, Slot) and p.text in _MASKED for p in parts]
    if not any(
        isinstance(p, Slot) and p.column == "client_address"
        for p, m in zip(parts, masked, strict=True)
        if not m
    ):
        return parts
    return tuple(
        replace(part, directive=replace(part.directive, column=None))
        if isinstance(part, Slot) and m
        else part
        for part, m in zip(parts, masked, strict=True)
    )


def _parts(text: str) -> Iterator[str | Slot]:
    literal, position = "", 0
    while position < len(text):
        char = text[position]
        if char != "%":
            literal += char
            position += 1
        else:
            found, after = _field(text, position)
            if isinstance(found, str):
                literal += found
            else:
                if literal:
                    yield literal
                yield _after(found, literal)
                literal = ""
            position = after
    if literal:
        yield literal


def _apart(parts: tuple[str | Slot, ...]) -> Iterator[str | Slot]:
    """Part what a strftime form ends with from it where a fraction follows: a carry may change it."""
    for before, part, following in zip(("", *parts), parts, (*parts[1:], ""), strict=False):
        if isinstance(part, Slot) and _is_fraction(part) and (end := _end(before)):
            yield replace(part, literal=end[2][-1])
        elif _is_fraction(following) and isinstance(part, Slot) and (end := _end(part)):
            clock = compile_strftime(end[1])
            yield replace(part, clock=clock, directive=replace(part.directive, pattern=clock.pattern))
            yield end[2]
        else:
            yield part


def _is_fraction(part: str | Slot) -> bool:
    return isinstance(part, Slot) and part.directive.kind is Kind.FRACTION


def _end(part: str | Slot) -> re.Match[str] | None:
    """Return a strftime form in two: up to its last conversion, and the literal text after it."""
    return _FORM.fullmatch(part.clock.form) if isinstance(part, Slot) and part.clock else None


def _after(slot: Slot, literal: str) -> Slot:
    if slot.directive.kind is Kind.FRACTION and literal:
        return replace(slot, literal=literal[-1])
    return slot


def _field(text: str, start: int) -> tuple[str | Slot, int]:
    """Read the field at ``start``; return it and the position after it."""
    position, name = start + 1, None
    if text.startswith("{", position):
        close = text.find("}", position)
        if close < 0:
            raise FormatError("%{ is never closed", text, start, hint="write %{name}i")
        name = text[position + 1 : close]
        if not name:
            raise FormatError("%{} has no name", text, start, hint="write %{name}i")
        position = close + 1
    if name is None and text.startswith(("<", ">"), position):
        position += 1  # which request of a chain of redirects: Apache's, without meaning to lighttpd
    letter = text[position : position + 1]
    if not letter:
        raise FormatError("it ends in the middle of a directive", text, start, hint="a literal % is %%")
    if letter == "%" and name is None:
        return "%", position + 1
    if letter in SILENT_BRACED if name is not None else f"%{letter}" in SILENT:
        return "", position + 1
    refused = REFUSED.get(letter) or REFUSED_NAMES.get((letter, name or ""))
    if refused is not None:
        hint = f"lighttpd before 1.4.70 writes %{letter} for it: say that" if name == "c" else _LEAVE_OUT
        raise FormatError(refused, text, start, hint=hint)
    return _slot(text, start, text[start : position + 1], letter, name), position + 1


def _slot(text: str, start: int, written: str, letter: str, name: str | None) -> Slot:
    if letter == "t" and name is not None:
        return _time_slot(text, start, written, name)
    if letter == "T" and name is not None:
        if name not in DURATION_UNITS:
            raise FormatError(f"{written} has an unknown unit", text, start, hint="units are s, ms and us")
        return Slot(Directive(Kind.DURATION, pattern=NUMBER), written, start, unit=DURATION_UNITS[name])
    directive = PLAIN.get(letter) or (NAMELESS.get(letter) if name is None else None)
    if name is not None:
        directive = (
            BRACED.get((letter, name)) or named(letter, name) or (None if letter == "p" else directive)
        )
    if directive is None:
        hint = "a header is %{name}i, a literal % is %%"
        raise FormatError(f"unknown directive {written}", text, start, hint=hint)
    if directive.kind is Kind.DURATION:
        return Slot(directive, written, start, unit=directive.column)
    if directive.kind is Kind.CLOCK:
        return Slot(directive, written, start, clock=PLAIN_CLOCK)
    return Slot(directive, written, start)


def _time_slot(text: str, start: int, written: str, name: str) -> Slot:
    """``%{begin:usec}t``, ``%{end:%Y-%m-%d}t``, ``%{%H:%M:%S}t``: begin or end, then what to write."""
    column, form = "end", name
    for which in ("begin", "end"):
        if name == which or name.startswith(which + ":"):
            column, form = which, name[len(which) + 1 :]
    if form in EPOCH_UNITS:
        return Slot(Directive(Kind.EPOCH, column, pattern=NUMBER), written, start, unit=EPOCH_UNITS[form])
    if form in FRACTION_UNITS:
        unit = FRACTION_UNITS[form]
        digits = f"[0-9]{{{len(str(UNITS_PER_SECOND[unit])) - 1}}}"
        return Slot(Directive(Kind.FRACTION, column, pattern=digits), written, start, unit=unit)
    if "%" not in form:
        hint = "times are sec, msec, usec, nsec, …_frac or a strftime form: prefer %{begin:usec}t"
        raise FormatError(f"{written} writes no time", text, start, hint=hint)
    try:
        clock = compile_strftime(form)
    except ValueError as error:
        position = text.rfind(str(error), start, start + len(written))
        raise FormatError(
            f"strftime conversion {error} is not known", text, position, hint="prefer %{begin:usec}t"
        ) from None
    if "\n" in clock.form:
        _refuse_character(text, "\n", start)
    if not clock.is_instant:
        return Slot(Directive(Kind.TEXT, dash=False, pattern=clock.pattern), written, start, clock=clock)
    return Slot(Directive(Kind.CLOCK, column, pattern=clock.pattern), written, start, clock=clock)


def _refuse_two_clocks(text: str, slots: tuple[Slot, ...]) -> None:
    """mod_accesslog keeps one strftime form a format; a second one would silently repeat the first."""
    clocks = [s for s in slots if s.clock is not None]
    if len({s.clock.form for s in clocks if s.clock}) > 1:
        raise FormatError(
            "lighttpd knows one strftime form in a format",
            text,
            clocks[1].position,
            hint="numeric times such as %{begin:usec}t and %{end:usec}t may both be there",
        )


def _beginning(parts: tuple[str | Slot, ...]) -> bytes:
    first, following = parts[0], parts[1] if len(parts) > 1 else ""
    if isinstance(first, Slot):
        return b""
    return (first[:-1] if isinstance(following, Slot) and following.literal else first).encode()


def _full(parts: tuple[str | Slot, ...], escaping: Escaping) -> str:
    return "^" + "".join(_pieces(parts, escaping, full=True)) + _END


def _fast(parts: tuple[str | Slot, ...], pieces: tuple[str, ...]) -> tuple[str, ...]:
    heads: list[str] = []
    expression, groups = "", 0
    for part, piece in zip(parts, pieces, strict=True):
        here = piece.count("(?P<")
        if isinstance(part, Slot) and groups and groups + here > _GROUPS:
            heads.append(f"^(?P<{HEAD}>{expression})")
            expression, groups = "", 0
        expression += piece
        groups += here
    return (*heads, f"^{expression}{_END}")


def _pieces(parts: tuple[str | Slot, ...], escaping: Escaping, *, full: bool) -> Iterator[str]:
    """Yield the expression of each part."""
    index = 0
    for here, part in enumerate(parts):
        following = parts[here + 1] if here + 1 < len(parts) else ""
        if isinstance(part, Slot):
            stop = following[:1] if isinstance(following, str) else ""
            yield _value(part, f"g{index}", stop, escaping, full=full)
            index += 1
        elif isinstance(following, Slot) and following.literal:
            # The carry makes the character before the fraction its successor: "." becomes "/".
            # Up to 1.4.61 it overwrites it with a 1.
            last = ord(part[-1])
            old = "1" if full else ""
            yield _literal(part[:-1]) + f"(?P<g{index}c>[{_code(last)}{_code(last + 1)}{old}])"
        else:
            yield _literal(part)


def _code(code_point: int) -> str:
    return f"\\x{{{code_point:02x}}}"


def _literal(text: str) -> str:
    return "".join(char if char.isalnum() and char.isascii() else _code(ord(char)) for char in text)


def _value(slot: Slot, group: str, stop: str, escaping: Escaping, *, full: bool) -> str:
    directive = slot.directive
    if directive.pattern is not None:
        return f"(?P<{group}>{directive.pattern})"
    if directive.kind is Kind.REQUEST and not full:
        word = _text(escaping, stop + " ")
        return f"(?P<{group}m>{word}) (?P<{group}t>{word}) (?P<{group}p>{word})"
    # Where nothing quotes a value, the next literal's first character ends it; only full lets a
    # value run on that may hold it. As short as can be: it does not take what fast would give
    # to the next field.
    if full and stop not in ('"', "") and (directive.spaces or stop != " "):
        stop, lazy = "", "?"
    else:
        lazy = ""
    if directive.escaped:
        return f"(?P<{group}>{_text(escaping, stop, lazy)})"
    return f"(?P<{group}>{_chars(_PRINTABLE, stop)}*{lazy})"


def _text(escaping: Escaping, without: str, lazy: str = "") -> str:
    """Expression for a run of value characters and escapes, none of them in ``without``."""
    allowed = _chars(_PRINTABLE + (_RAW if escaping is Escaping.JSON else ""), without)
    return f"{allowed}*{lazy}(?:\\\\[\\x20-\\x7e]{allowed}*{lazy})*{lazy}"


def _chars(allowed: str, without: str) -> str:
    excluded = "".join(_code(ord(char)) for char in sorted(set(without) - {'"'}))
    return f"[[{allowed}]--[{excluded}]]" if excluded else f"[{allowed}]"
