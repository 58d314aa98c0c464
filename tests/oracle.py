"""A slow, plain reader of access-log lines, to compare the fast one with.

It shares no code with lpaudit. It is written from what mod_accesslog writes: it walks a
line byte by byte along its format, undoes the escaping, and says what each column of
access_event must hold. No regular expressions and no tables of columns at once: one
line, one field at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache

HEADERS = {
    "host": "http_request_host",
    "referer": "http_request_referrer",
    "user-agent": "user_agent_original",
    "x-forwarded-for": "http_request_x_forwarded_for",
    "x-request-id": "http_request_id",
    "traceparent": "trace_parent",
    "upgrade": "http_request_upgrade",
    "x-prefect-flow-run-id": "prefect_flow_run_id",
    "x-prefect-flow-run-name": "prefect_flow_run_name",
    "x-prefect-flow-id": "prefect_flow_id",
    "x-prefect-flow-name": "prefect_flow_name",
    "x-prefect-deployment-id": "prefect_deployment_id",
    "x-prefect-deployment-name": "prefect_deployment_name",
    "x-prefect-worker-id": "prefect_worker_id",
    "x-prefect-worker-name": "prefect_worker_name",
}
ENVIRONMENT = {"REMOTE_USER": "user_name", "SSL_PROTOCOL": "tls_protocol", "SSL_CIPHER": "tls_cipher"}
TEXTS = {
    "a": "client_address",
    "h": "client_address",
    "A": "server_address",
    "H": "network_protocol",
    "m": "http_request_method",
    "q": "url_query",
    "u": "user_name",
    "U": "url_path",
    "v": "server_name",
    "V": "url_domain",
    "X": "connection_state",
}
NUMBERS = {
    "p": "server_port",
    "b": "http_response_body_bytes",
    "B": "http_response_body_bytes",
    "O": "http_response_bytes",
    "I": "http_request_bytes",
    "k": "connection_request_number",
}
NEVER_A_DASH = "HmqUXrC"  # written empty when there is nothing
MAY_HOLD_SPACES = "quUrfieonCvV"
ESCAPED = "quUrfieonCvV"  # pass through accesslog.escaping
LARGEST = {"client_port": 65535, "server_port": 65535, "connection_request_number": 2**31 - 1}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FINENESS = {"sec": 1, "msec": 1_000, "usec": 1_000_000, "nsec": 1_000_000_000}


@dataclass(frozen=True)
class Field:
    letter: str
    name: str | None
    text: str


def read(
    line: bytes, format_string: str, *, json: bool = False, zone: tzinfo = UTC
) -> dict[str, object] | None:
    """Return the columns of ``line`` that have a value, or None if it cannot be read.

    ``fields`` is a dict, times are aware UTC datetimes, ``parse_note`` is what was repaired.
    """
    if line.endswith(b"\n"):
        line = line[:-1]
    parts = split_format(format_string)
    values = _walk(line, parts, 0, 0, json)
    if values is None and line.endswith(b"\r"):
        values = _walk(line[:-1], parts, 0, 0, json)
    return None if values is None else _columns(parts, values, json=json, zone=zone)


@cache
def split_format(text: str) -> list[bytes | Field]:
    """Return runs of literal bytes, and fields."""
    parts: list[bytes | Field] = []

    def literal(data: str) -> None:
        if parts and isinstance(parts[-1], bytes):
            parts[-1] += data.encode()
        else:
            parts.append(data.encode())

    text = _without_backslashes(text)
    i = 0
    while i < len(text):
        if text[i] != "%":
            literal(text[i])
            i += 1
            continue
        start, name = i, None
        i += 1
        if text[i] == "{":
            close = text.index("}", i)
            name = text[i + 1 : close]
            i = close + 1
        while text[i] in "<>":
            i += 1
        letter = text[i]
        i += 1
        if letter == "%" and name is None:
            literal("%")
        elif letter == "P" or (letter in "l%" and name is not None) or (letter in "ioC" and name is None):
            pass  # lighttpd takes it and writes nothing
        else:
            parts.append(Field(letter, name, text[start:i]))
    return parts


def _without_backslashes(text: str) -> str:
    """lighttpd undoes them before it looks for percent signs."""
    short = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    plain, escaped = "", False
    for char in text:
        if escaped:
            plain += short.get(char, char)
        elif char != "\\":
            plain += char
        escaped = char == "\\" and not escaped
    return plain


def _walk(line: bytes, parts: list[bytes | Field], index: int, at: int, json: bool) -> list[bytes] | None:
    """Return what stands for each part if ``line`` from ``at`` on can be ``parts`` from ``index`` on.

    Where values may end in several places, each ends as early as the rest of the line allows.
    """
    taken: list[bytes] = []
    while index < len(parts):
        part = parts[index]
        following = parts[index + 1] if index + 1 < len(parts) else None
        if isinstance(part, bytes):
            here = line[at : at + len(part)]
            # Rounding may raise the byte before a fraction by one; up to 1.4.61 it became a 1.
            carried = (part[:-1] + bytes([part[-1] + 1 & 0xFF]), part[:-1] + b"1")
            if here != part and not (
                here in carried and isinstance(following, Field) and _is_fraction(following)
            ):
                return None
            taken.append(here)
            at += len(part)
        else:
            *earlier, last = _ends(line, at, part, following, json) or [None]
            for end in earlier:
                rest = _walk(line, parts, index + 1, end, json)  # type: ignore[arg-type]
                if rest is not None:
                    return [*taken, line[at:end], *rest]
            if last is None:
                return None
            taken.append(line[at:last])
            at = last
        index += 1
    return taken if at == len(line) else None


def _is_fraction(field: Field) -> bool:
    return field.letter == "t" and field.name is not None and field.name.endswith("_frac")


def _ends(line: bytes, at: int, field: Field, following: bytes | Field | None, json: bool) -> list[int]:
    """Where the value that begins at ``at`` may end, the likeliest first."""
    if field.letter == "t":
        return _time_ends(line, at, field)
    if field.letter == "X":
        return [at + 1] if line[at : at + 1] in (b"+", b"-", b"X") else []
    if field.letter in "pbBOIkDTs":
        end = at
        if line[end : end + 1] == b"-" and field.letter != "s":
            end += 1
        while line[end : end + 1].isdigit():
            end += 1
        if field.letter == "s" and not 1 <= end - at <= 3:
            return []
        return [end]
    if field.letter in "en" and field.name is None:
        return [at + 1, at] if line[at : at + 1] == b"-" else [at]
    stop = following[:1] if isinstance(following, bytes) else b""
    ends = _units(line, at, json, stop)
    if field.letter == "l":
        return [end for end in ends if end > at and b" " not in line[at:end]]
    if not stop:
        return ends[::-1]
    ends = [end for end in ends if end == len(line) or line[end : end + 1] == stop]
    only_one = stop == b'"' or (stop == b" " and field.letter not in MAY_HOLD_SPACES)
    return ends[:1] if only_one else ends


def _units(line: bytes, at: int, json: bool, stop: bytes) -> list[int]:
    """Every place where a value that begins at ``at`` may end: not within an escape."""
    stop_byte = stop[0] if stop else -1
    ends, end = [at], at
    while end < len(line):
        byte = line[end]
        if byte == 0x5C:
            if end + 1 >= len(line) or not 0x20 <= line[end + 1] <= 0x7E:
                break
            end += 2
        elif byte == 0x22 or byte < 0x20 or (byte > 0x7E and not json):
            break
        else:
            end += 1
            # A shortcut for long lines: letters and digits that end nothing.
            while stop and end < len(line) and line[end] in WORD and line[end] != stop_byte:
                end += 1
        ends.append(end)
    return ends


def _time_ends(line: bytes, at: int, field: Field) -> list[int]:
    _, form = _which(field)
    if form in FINENESS:
        end = at
        while line[end : end + 1].isdigit():
            end += 1
        return list(range(end, at, -1))  # an old carry leaves a digit
    if form.endswith("_frac"):
        width = {"msec": 3, "usec": 6, "nsec": 9}[form[:-5]]
        return [at + width] if line[at : at + width].isdigit() and at + width <= len(line) else []
    if not form:
        end = at + len("[23/Nov/2026:10:15:45 +0000]")
        return [end] if _apache(line[at:end]) else []
    read_back = _strftime(line, at, form)
    return [read_back[0]] if read_back else []


def _which(field: Field) -> tuple[str, str]:
    """Return ``begin`` or ``end``, and how the time is written."""
    name = field.name or ""
    for which in ("begin", "end"):
        if name.startswith(which + ":"):
            return which, name[len(which) + 1 :]
    return "end", name


def _apache(text: bytes) -> tuple[int, int, int, int, int, int, int] | None:
    """``[23/Nov/2026:10:15:45 +0000]`` → year, month, day, hour, minute, second, offset in minutes."""
    # positions:  0 [  1-2 day  3 /  4-6 month  7 /  8-11 year  12 :  …
    if len(text) != 28:
        return None
    marks = ((0, "["), (3, "/"), (7, "/"), (12, ":"), (15, ":"), (18, ":"), (21, " "), (27, "]"))
    s = text.decode("latin-1")
    if any(s[i] != c for i, c in marks) or s[22] not in "+-" or s[4:7] not in MONTHS:
        return None
    digits = [s[a:b] for a, b in ((8, 12), (1, 3), (13, 15), (16, 18), (19, 21), (23, 25), (25, 27))]
    if not all(d.isascii() and d.isdigit() for d in digits):
        return None
    year, day, hour, minute, second, oh, om = map(int, digits)
    return (
        year,
        MONTHS.index(s[4:7]) + 1,
        day,
        hour,
        minute,
        second,
        (-1 if s[22] == "-" else 1) * (oh * 60 + om),
    )


WIDTHS = {**dict.fromkeys("CygmdHIMSUWVekl", 2), **dict.fromkeys("YG", 4), "j": 3, "u": 1, "w": 1}
COMPOUND = {
    "%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%X": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y", "%x": "%m/%d/%y",
    "%c": "%a %b %e %H:%M:%S %Y", "%r": "%I:%M:%S %p",
}  # fmt: skip


def _strftime(line: bytes, at: int, form: str) -> tuple[int, dict[str, str]] | None:
    """Read a strftime form without flags: where it ends, and what its conversions say."""
    for compound, written in COMPOUND.items():
        form = form.replace(compound, written)
    values: dict[str, str] = {}
    i = 0
    while i < len(form):
        if form[i] != "%":
            written = form[i].encode()
            if line[at : at + len(written)] != written:
                return None
            at += len(written)
            i += 1
            continue
        conversion = form[i + 1]
        i += 2
        end = at
        if conversion in WIDTHS:
            end = at + WIDTHS[conversion]
            digits = line[at:end].lstrip(b" ") if conversion in "ekl" else line[at:end]
            if len(line) < end or not digits.isdigit():
                return None
        elif conversion == "z":
            end = at + 5
            if len(line) < end or line[at : at + 1] not in (b"+", b"-") or not line[at + 1 : end].isdigit():
                return None
        else:
            allowed = {"s": b"0123456789", "Z": WORD + b"+-"}.get(conversion, WORD[:52])
            while line[end : end + 1] and line[end] in allowed:
                end += 1
        values[conversion] = line[at:end].decode("latin-1").strip()
        at = end
    return at, values


def _is_instant(field: Field) -> bool:
    """Whether a strftime form says a day; those without are fields."""
    _, form = _which(field)
    return form in FINENESS or not form or any("%" + c in form for c in "sdeFDcxjUWV")


def unescape(data: bytes, *, json: bool) -> str:
    """Undo accesslog.escaping from left to right; bytes that are not UTF-8 are shown as \\xhh."""
    if b"\\" not in data:
        return data.decode("utf-8", "backslashreplace")
    short = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
    if json:
        short[b"/"] = 47
    out = bytearray()
    i = 0
    while i < len(data):
        letter = data[i + 1 : i + 2]
        if data[i] != 0x5C:
            out.append(data[i])
            i += 1
        elif letter in short:
            out.append(short[letter])
            i += 2
        elif not json and letter == b"x" and _hex(data[i + 2 : i + 4]) is not None:
            out.append(_hex(data[i + 2 : i + 4]))
            i += 4
        elif json and data[i + 1 : i + 4] == b"u00" and _hex(data[i + 4 : i + 6]) is not None:
            # A byte, not a code point: newer versions write 0x80 to 0x9f like this, inside of UTF-8 too.
            out.append(_hex(data[i + 4 : i + 6]))
            i += 6
        else:
            out.append(data[i])
            i += 1
    return out.decode("utf-8", "backslashreplace")


def _hex(digits: bytes) -> int | None:
    if len(digits) == 2 and all(d in b"0123456789abcdefABCDEF" for d in digits):
        return int(digits, 16)
    return None


def _columns(
    parts: list[bytes | Field], values: list[bytes], *, json: bool, zone: tzinfo
) -> dict[str, object] | None:
    row: dict[str, object] = {}
    fields: dict[str, str] = {}
    notes: set[str] = set()
    pairs = [(p, v) for p, v in zip(parts, values, strict=True) if isinstance(p, Field)]
    exact = any(p.letter in "ah" and p.name != "mask" for p, _ in pairs)
    for field, value in pairs:
        column = _text_column(field)
        if exact and field.letter in "ah" and field.name == "mask":
            column = None
        if field.letter == "t" and not field.text.endswith("_frac}t") and not _is_instant(field):
            fields.setdefault(field.text, value.decode())
        if field.letter in "tTDr":
            continue
        if field.letter == "s":
            row.setdefault("http_response_status_code", int(value))
        elif field.letter in NUMBERS:
            target = "client_port" if (field.letter, field.name) == ("p", "remote") else NUMBERS[field.letter]
            if value in (b"", b"-"):
                row.setdefault(target, None)
                continue
            if not -(2**63) <= int(value) <= LARGEST.get(target, 2**63 - 1):
                return None
            row.setdefault(target, int(value))
        else:
            absent = value == b"-" and field.letter not in NEVER_A_DASH
            text = None if absent else unescape(value, json=json)
            if field.letter not in ESCAPED and not all(0x20 <= b < 0x7F and b not in b'"\\' for b in value):
                return None  # lighttpd writes addresses, methods and protocols as they are
            if column is not None:
                row.setdefault(column, text)
            elif text is not None:
                fields.setdefault(field.text, text)
    for field, value in pairs:
        if field.letter == "r":
            _request(row, value, json=json)
    if not _times(row, fields, parts, values, zone, notes) or not _duration(row, pairs, notes):
        return None
    if fields:
        row["fields"] = fields
    if notes:
        row["parse_note"] = ",".join(sorted(notes))
    return {k: v for k, v in row.items() if v is not None}


def _text_column(field: Field) -> str | None:
    if field.name is not None:
        if field.letter == "i":
            return HEADERS.get(field.name.lower())
        if field.letter == "o":
            return {"location": "http_response_location"}.get(field.name.lower())
        if field.letter == "e":
            return ENVIRONMENT.get(field.name.upper())
        if field.letter in "nC":
            return None
    return TEXTS.get(field.letter)


def _request(row: dict[str, object], value: bytes, *, json: bool) -> None:
    first, last = value.find(b" "), value.rfind(b" ")
    if first < 0 or first == last:  # not three words: never a request
        method, target, protocol = b"", value, b""
    else:
        method, target, protocol = value[:first], value[first + 1 : last], value[last + 1 :]
    path, mark, query = target.partition(b"?")
    row.setdefault("http_request_method", unescape(method, json=json))
    row.setdefault("network_protocol", unescape(protocol, json=json))
    row.setdefault("url_path", unescape(path, json=json))
    row.setdefault("url_query", unescape(query, json=json) if mark else None)
    row.setdefault("url_original", unescape(target, json=json))


def _times(
    row: dict[str, object],
    fields: dict[str, str],
    parts: list[bytes | Field],
    values: list[bytes],
    zone: tzinfo,
    notes: set[str],
) -> bool:
    best: dict[str, tuple[int, int]] = {}  # which end → fineness, microseconds
    fractions: dict[str, list[tuple[int, bytes, bool, str]]] = {"begin": [], "end": []}
    for i, (part, value) in enumerate(zip(parts, values, strict=True)):
        if not isinstance(part, Field) or part.letter != "t":
            continue
        which, form = _which(part)
        if form.endswith("_frac"):
            changed = i > 0 and isinstance(parts[i - 1], bytes) and values[i - 1] != parts[i - 1]
            fractions[which].append((FINENESS[form[:-5]], value, changed, part.text))
            continue
        if not _is_instant(part):
            continue
        if form in FINENESS:
            fine, microseconds = FINENESS[form], int(value) * 1_000_000 // FINENESS[form]
        else:
            instant = _clock(value, form, zone)
            if instant is None:
                return False
            fine, microseconds = 1, (instant - EPOCH) // timedelta(microseconds=1)
        if which not in best or fine > best[which][0]:
            best[which] = fine, microseconds
    for which, found in fractions.items():
        fine, total = best.get(which, (0, 0))
        if fine == 1 and found:
            found = [max(found, key=lambda f: f[0])]  # noqa: PLW2901 -- the others say less
        for unit, digits, changed, text in found if fine < 2 else ():
            if changed and int(digits):
                return False
            if changed:
                notes.add("frac-carry")
            if fine:
                total += (int(digits) + changed * unit) * 1_000_000 // unit
            else:
                fields.setdefault(text, ("1" if changed else "") + digits.decode())
        if not fine:
            continue
        try:
            row["event_start" if which == "begin" else "event_end"] = EPOCH + timedelta(microseconds=total)
        except OverflowError:
            return False
    begin, end = row.get("event_start"), row.get("event_end")
    if isinstance(begin, datetime) and isinstance(end, datetime) and begin > end:
        notes.add("begins-after-end")
    return True


def _clock(value: bytes, form: str, zone: tzinfo) -> datetime | None:
    try:
        if not form:
            read_back = _apache(value)
            if read_back is None:
                return None
            *numbers, offset = read_back
            return datetime(*numbers, tzinfo=timezone(timedelta(minutes=offset))).astimezone(UTC)  # type: ignore[misc,arg-type]
        found = _strftime(value, 0, form)
        if found is None:
            return None
        said = found[1]
        if "s" in said:
            return EPOCH + timedelta(seconds=int(said["s"]))
        hour = said.get("H") or said.get("k") or 0
        if "p" in said:
            hour = int(said["I"]) % 12 + (12 if said["p"] == "PM" else 0)
        numbers = [*_day(said), int(hour), int(said.get("M", 0)), int(said.get("S", 0))]
        if "z" in said:
            minutes = int(said["z"][1:3]) * 60 + int(said["z"][3:])
            offset = timezone(timedelta(minutes=-minutes if said["z"][0] == "-" else minutes))
            return datetime(*numbers, tzinfo=offset).astimezone(UTC)  # type: ignore[misc,arg-type]
        if "Z" in said:
            choices = [datetime(*numbers, tzinfo=zone, fold=fold) for fold in (0, 1)]  # type: ignore[misc,arg-type]
            return next(c.astimezone(UTC) for c in choices if c.tzname() == said["Z"])
        local = datetime(*numbers, tzinfo=zone, fold=0)  # type: ignore[misc,arg-type]
        instant = local.astimezone(UTC)
        return (
            instant if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None
        )
    except (ValueError, OverflowError, StopIteration):
        return None


def _century(year: int) -> int:
    return 2000 + year if year < 69 else 1900 + year


def _day(said: dict[str, str]) -> tuple[int, int, int]:
    """Year, month and day."""
    names = [name.lower() for name in MONTHS]
    weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    weekday = next((weekdays.index(said[c][:3].lower()) + 1 for c in "aA" if c in said), 0)
    weekday = int(said.get("u", 0)) or (int(said["w"]) or 7 if "w" in said else weekday)
    year = int(said["Y"]) if "Y" in said else _century(int(said.get("y", 0)))
    if "V" in said:
        day = date.fromisocalendar(int(said["G"]), int(said["V"]), weekday)
    elif "j" in said:
        day = date(year, 1, 1) + timedelta(days=int(said["j"]) - 1)
    elif "d" in said or "e" in said:
        word = next((said[c] for c in "bhB" if c in said), None)
        month = int(said["m"]) if word is None else names.index(word[:3].lower()) + 1
        day = date(year, month, int(said.get("d") or said["e"]))
    else:
        # Weeks begin on Sundays (%U) or Mondays (%W); the days before the first one are of week 0.
        first = 7 if "U" in said else 1
        begin = next(d for d in range(1, 8) if date(year, 1, d).isoweekday() == first)
        week = int(said.get("U") or said["W"])
        day = date(year, 1, begin) + timedelta(days=7 * (week - 1) + (weekday - first) % 7)
    return day.year, day.month, day.day


def _duration(row: dict[str, object], pairs: list[tuple[Field, bytes]], notes: set[str]) -> bool:
    units = {"s": 1, "sec": 1, "ms": 1_000, "msec": 1_000, "us": 1_000_000, "usec": 1_000_000}
    units |= {"ns": 1_000_000_000, "nsec": 1_000_000_000}
    best = 0
    for field, value in pairs:
        if field.letter not in "TD":
            continue
        per_second = 1_000_000 if field.letter == "D" else units[field.name or "s"]
        if value in (b"", b"-"):
            microseconds = None
        else:
            number = int(value)
            if number < 0:
                notes.add("negative-duration")
                microseconds = None
            else:
                microseconds = number * 1_000_000 // per_second
                if number >= 2**63 or microseconds >= 2**63:
                    return False
        if per_second > best:
            best = per_second
            row["event_duration_us"] = microseconds
    return True
