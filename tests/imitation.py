"""mod_accesslog, imitated: any format string, a request, and the line that lighttpd writes for it.

Written from src/mod_accesslog.c, function by function, and sharing nothing with lpaudit.
``expected`` says which columns of access_event the request must come back as.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from oracle import ENVIRONMENT, HEADERS
from writer import ESCAPINGS, decoded

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BILLION = 1_000_000_000
UNITS = {
    "s": 1,
    "sec": 1,
    "ms": 1_000,
    "msec": 1_000,
    "us": 10**6,
    "usec": 10**6,
    "ns": BILLION,
    "nsec": BILLION,
}


@dataclass(frozen=True)
class Request:
    """What lighttpd knows when it writes a line. Times are nanoseconds since the epoch."""

    method: bytes
    target_orig: bytes  # as it came
    target: bytes  # after rewriting
    query: bytes
    protocol: bytes
    status: int
    begin: int
    end: int
    cached_second: int  # lighttpd's own clock lags behind the real one
    bytes_in: int
    bytes_out: int
    header_bytes: int
    client: str
    masked: str
    client_port: int
    server: str
    server_port: int
    number: int  # of the request on its connection
    state: str
    path: bytes
    authority: bytes
    server_name: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)  # by lower-case name
    answered: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, bytes] = field(default_factory=dict)
    cookies: Mapping[str, bytes] = field(default_factory=dict)
    zone: str = "UTC"


Part = bytes | tuple[str, str | None, str]
"""Literal text, or a field: its letter, its name, and how it was written."""


def split(format_string: str) -> list[Part]:
    """accesslog_parse_format, and the backslashes before it."""
    short = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    text, escaped = "", False
    for char in format_string:
        if escaped:
            text, escaped = text + short.get(char, char), False
        elif char == "\\":
            escaped = True
        else:
            text += char
    parts: list[Part] = []
    pieces = iter(text.split("%"))
    literal = next(pieces)
    for piece in pieces:
        parts.append(literal.encode())
        if piece == "":  # %%: the percent sign between two splits
            literal = "%" + next(pieces)
            continue
        name, rest = None, piece
        if piece[0] == "{":
            while not piece.partition("}")[2]:  # a strftime form: its percent signs were split at
                piece = f"{piece}%{next(pieces)}"  # noqa: PLW2901 -- it was one piece
            name, _, rest = piece[1:].partition("}")
        elif piece[0] in "<>":
            rest = piece[1:]
            if not rest:
                literal = "%" + next(pieces)
                continue
        parts.append((rest[0], name, "%" + piece[: len(piece) - len(rest) + 1]))
        literal = rest[1:]
    return [*parts, literal.encode()]


def render(format_string: str, request: Request, escaping: str) -> bytes:
    """log_access_record: the line, without its end."""
    line = bytearray()
    for part in split(format_string):
        if isinstance(part, bytes):
            line += part
        elif part[0] == "t":
            _time(line, part[1] or "", request)
        else:
            line += _value(part[0], part[1], request, ESCAPINGS[escaping])
    return bytes(line)


def _value(letter: str, name: str | None, r: Request, escape: Callable[[bytes], bytes]) -> bytes:
    text = _text(letter, name, r)
    if text is not None:
        return escape(text) if text or letter in "CUq" else b"-"
    match letter:
        case "h" | "a":
            return (r.masked if name == "mask" else r.client).encode()
        case "A":
            return r.server.encode()
        case "p":
            return b"%d" % (r.client_port if name == "remote" else r.server_port)
        case "b" | "B" | "O":
            less = 0 if letter == "O" else r.header_bytes
            return b"%d" % max(r.bytes_out - less, 0) if r.bytes_out else b"-"
        case "I":
            return b"%d" % r.bytes_in if r.bytes_in else b"-"
        case "k":
            return b"%d" % r.number
        case "m":
            return r.method
        case "H":
            return r.protocol
        case "r":
            return r.method + b" " + escape(r.target_orig) + b" " + r.protocol
        case "s":
            return b"%d" % r.status
        case "X":
            return r.state.encode()
        case "l":
            return b"-" if name is None else b""
        case "D" | "T":
            return b"%d" % _duration(letter, name, r)
    return b""  # %P, %{x}%


def _text(letter: str, name: str | None, r: Request) -> bytes | None:
    """What is escaped; None for the rest."""
    match letter:
        case "i":
            return None if name is None else r.headers.get(name.lower(), b"")
        case "o":
            return None if name is None else r.answered.get(name.lower(), b"")
        case "e" | "n":
            return None if name is None else r.environment.get(name, b"")
        case "C":
            return None if name is None else r.cookies.get(name, b"")
        case "u":
            return r.environment.get("REMOTE_USER", b"")
        case "f":
            return r.path
        case "v":
            return r.server_name
        case "V":
            return r.authority
        case "U":
            return r.target.partition(b"?")[0]
        case "q":
            return r.query
    return None


def _duration(letter: str, name: str | None, r: Request) -> int:
    per_second = 10**6 if letter == "D" else UNITS[name or "s"]
    if per_second == 1:
        return r.cached_second - r.begin // BILLION
    passed = r.end - r.begin
    return -1 if passed <= 0 else -(-passed * per_second // BILLION)


def _time(line: bytearray, name: str, r: Request) -> None:
    begin, form = name.startswith("begin:"), name.removeprefix("begin:").removeprefix("end:")
    instant = r.begin if begin else r.end
    whole = instant // BILLION if begin else r.cached_second
    if form == "sec":
        line += b"%d" % whole
    elif form in UNITS:
        line += b"%d" % -(-instant * UNITS[form] // BILLION)
    elif form.endswith("_frac"):
        unit = UNITS[form.removesuffix("_frac")]
        fraction = -(-(instant % BILLION) * unit // BILLION)
        line += b"0" * (len(str(unit)) - 1)
        at = len(line)
        while fraction:  # from the last digit on, and beyond the first one where it carries
            at -= 1
            line[at] += fraction % 10
            fraction //= 10
    else:
        os.environ["TZ"] = r.zone
        time.tzset()
        line += time.strftime(form or "[%d/%b/%Y:%T %z]", time.localtime(whole)).encode()


COLUMNS = {
    "A": "server_address", "H": "network_protocol", "m": "http_request_method", "q": "url_query", "u": "user_name",
    "U": "url_path", "v": "server_name", "V": "url_domain", "X": "connection_state", "b": "http_response_body_bytes",
    "B": "http_response_body_bytes", "O": "http_response_bytes", "I": "http_request_bytes",
    "k": "connection_request_number", "s": "http_response_status_code",
}  # fmt: skip


def expected(format_string: str, r: Request) -> dict[str, object]:
    """The row that a line of this request must become."""
    row: dict[str, object] = {}
    fields: dict[str, object] = {}
    parts = [p for p in split(format_string) if not isinstance(p, bytes)]
    exact = any(letter in "ah" and name != "mask" for letter, name, _ in parts)
    for letter, name, written in parts:
        text = _text(letter, name, r)
        if letter in "ioCen" and name is None:
            continue
        if letter in "ah":
            if name == "mask" and exact:
                fields[written] = r.masked
            else:
                row["client_address"] = r.masked if name == "mask" else r.client
        elif letter == "p":
            row["client_port" if name == "remote" else "server_port"] = (
                r.client_port if name == "remote" else r.server_port
            )
        elif letter in "bBOIksmHXA":
            value = _value(letter, name, r, bytes).decode()
            number = letter in "bBOIks"
            row[COLUMNS[letter]] = None if value == "-" and number else int(value) if number else value
        elif text is not None:
            absent = text in (b"", b"-") and letter not in "CUq"
            column = {
                "i": HEADERS.get((name or "").lower()),
                "o": "http_response_location" if (name or "").lower() == "location" else None,
                "e": ENVIRONMENT.get((name or "").upper()),
            }.get(letter, COLUMNS.get(letter))
            (fields if column is None else row)[column or written] = None if absent else decoded(text)
    if any(letter == "r" for letter, _, _ in parts):
        path, mark, query = r.target_orig.partition(b"?")
        row.setdefault("http_request_method", r.method.decode())
        row.setdefault("network_protocol", r.protocol.decode())
        row.setdefault("url_path", decoded(path))
        row.setdefault("url_query", decoded(query) if mark else None)
        row["url_original"] = decoded(r.target_orig)
    notes = _expected_duration(row, parts, r) | _expected_times(row, fields, parts, r)
    row = {k: v for k, v in row.items() if v is not None}
    fields = {k: v for k, v in fields.items() if v is not None}
    return (
        row
        | ({"fields": fields} if fields else {})
        | ({"parse_note": ",".join(sorted(notes))} if notes else {})
    )


def _expected_duration(
    row: dict[str, object], parts: list[tuple[str, str | None, str]], r: Request
) -> set[str]:
    found = [
        (10**6 if letter == "D" else UNITS[name or "s"], letter, name)
        for letter, name, _ in parts
        if letter in "DT"
    ]
    for per_second, letter, name in sorted(found, key=lambda f: f[0]):
        number = _duration(letter, name, r)
        row["event_duration_us"] = number * 10**6 // per_second if number >= 0 else None
    return (
        {"negative-duration"} if any(_duration(letter, name, r) < 0 for _, letter, name in found) else set()
    )


def _expected_times(
    row: dict[str, object], fields: dict[str, object], parts: list[tuple[str, str | None, str]], r: Request
) -> set[str]:
    """The finest number wins; a fraction belongs to the whole seconds, if there are any."""
    notes = set()
    for which, column in (("begin", "event_start"), ("end", "event_end")):
        mine = [
            (name or "", written)
            for letter, name, written in parts
            if letter == "t" and (name or "").startswith("begin:") == (which == "begin")
        ]
        instant = r.begin if which == "begin" else r.end
        whole = instant // BILLION if which == "begin" else r.cached_second
        forms = {name.removeprefix("begin:").removeprefix("end:"): written for name, written in mine}
        numbers = [UNITS[form] for form in forms if form in UNITS]
        fractions = {form: UNITS[form.removesuffix("_frac")] for form in forms if form.endswith("_frac")}
        ceilings = {form: -(-(instant % BILLION) * unit // BILLION) for form, unit in fractions.items()}
        if max(numbers, default=1) > 1:
            unit = max(numbers)
            row[column] = _instant(-(-instant * unit // BILLION) * 10**6 // unit)
        elif len(forms) > len(fractions):
            finest = max(fractions, key=lambda form: fractions[form], default=None)
            extra = ceilings[finest] * 10**6 // fractions[finest] if finest else 0
            row[column] = _instant(whole * 10**6 + extra)
            if finest and ceilings[finest] == fractions[finest]:
                notes.add("frac-carry")
        else:
            for name, written in mine:  # %{msec_frac}t and %{end:msec_frac}t are two fields
                form = name.removeprefix("begin:").removeprefix("end:")
                fields[written] = f"{ceilings[form]:0{len(str(fractions[form])) - 1}}"
                if ceilings[form] == fractions[form]:
                    notes.add("frac-carry")
    begin, end = row.get("event_start"), row.get("event_end")
    if isinstance(begin, datetime) and isinstance(end, datetime) and begin > end:
        notes.add("begins-after-end")
    return notes


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def repeated_hour(zone: str, second: int) -> bool:
    """Whether a clock of that zone showed this time once before."""
    return datetime.fromtimestamp(second, ZoneInfo(zone)).fold == 1
