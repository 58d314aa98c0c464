"""lighttpd's mod_accesslog in miniature, and random requests for it to log.

A drawn case is a format string, the line that lighttpd would write with it, and the
columns of access_event that the request must come back as.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

SHORT = {
    7: b"\\a",
    8: b"\\b",
    9: b"\\t",
    10: b"\\n",
    11: b"\\v",
    12: b"\\f",
    13: b"\\r",
    34: b'\\"',
    92: b"\\\\",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_9999 = 253_402_300_799


def escape_default(data: bytes) -> bytes:
    return b"".join(
        SHORT[b] if b in SHORT else bytes([b]) if 0x20 <= b <= 0x7E else b"\\x%02X" % b for b in data
    )


def escape_json(data: bytes) -> bytes:
    """Up to 1.4.76: what is below 0x20 is escaped, and nothing else."""
    return b"".join(SHORT[b] if b in SHORT else bytes([b]) if b >= 0x20 else b"\\u00%02X" % b for b in data)


def escape_json_newer(data: bytes) -> bytes:
    """From 1.4.77 on: DEL and the bytes 0x80 to 0x9f too, also those inside of UTF-8."""
    return b"".join(
        SHORT[b] if b in SHORT else bytes([b]) if (b & 0x7F) >= 0x20 and b != 0x7F else b"\\u00%02X" % b
        for b in data
    )


ESCAPINGS: dict[str, Callable[[bytes], bytes]] = {
    "default": escape_default,
    "json": escape_json,
    "json since 1.4.77": escape_json_newer,
}


def decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


@dataclass
class Written:
    """A directive, what lighttpd writes for it, and what must be read."""

    directive: str
    value: bytes
    columns: dict[str, object] = field(default_factory=dict)
    quoted: bool = True
    late: bool = False  # gives way to more exact directives of the same format
    notes: tuple[str, ...] = ()
    before: str = ""  # literal that must stand right before (for fractions)


# Bytes of a header, env or URL: what breaks parsers, often.
nasty = st.lists(
    st.one_of(
        st.sampled_from([
            b'"', b"\\", b'\\"', b"\\\\", b"\\x41", b"\\u0041", b" ", b"  ", b"-", b"?", b"%", b"[", b"]",
            b"\t", b"\r", b"\x0b", b"\x07", b"\x00", b"\x1b[31m", b"\x7f", b"\x80", b"\x9f", b"\xff",
            "é".encode(), "☃".encode(), "\U0001f600".encode(), b"\xc3", b"\xe2\x98", b'" 200 "', b'","m":"', b"'",
            "\u2028".encode(), "\x85".encode(), b"\xed\xa0\x80", b"\xc0\xaf",
        ]),
        st.binary(max_size=4),
        st.text("abcdefghijklmnopqrstuvwxyzABC0123456789/_.:;=&", max_size=8).map(str.encode),
    ),
    max_size=6,
).map(b"".join)  # fmt: skip

HEADERS = {
    "Host": "http_request_host",
    "Referer": "http_request_referrer",
    "USER-AGENT": "user_agent_original",
    "X-Forwarded-For": "http_request_x_forwarded_for",
    "x-request-id": "http_request_id",
    "traceparent": "trace_parent",
    "Upgrade": "http_request_upgrade",
    "X-Prefect-Flow-Run-Id": "prefect_flow_run_id",
    "X-Prefect-Flow-Run-Name": "prefect_flow_run_name",
    "X-Prefect-Flow-Id": "prefect_flow_id",
    "X-Prefect-Flow-Name": "prefect_flow_name",
    "X-Prefect-Deployment-Id": "prefect_deployment_id",
    "X-Prefect-Deployment-Name": "prefect_deployment_name",
    "X-Prefect-Worker-Id": "prefect_worker_id",
    "X-Prefect-Worker-Name": "prefect_worker_name",
}
# directive → column; None is the map column. What is absent is written "-".
ESCAPED = {f"%{{{name}}}i": column for name, column in HEADERS.items()} | {
    "%{Accept}i": None,
    "%{Location}o": "http_response_location",
    "%{Content-Type}o": None,
    "%{SSL_PROTOCOL}e": "tls_protocol",
    "%{SSL_CIPHER}e": "tls_cipher",
    "%{AUTH_JTI}e": None,
    "%{AUTH_JTI}n": None,
    "%f": None,
    "%u": "user_name",
    "%V": "url_domain",
    "%v": "server_name",
}
# The same, but written empty when absent.
ESCAPED_EMPTY = {"%{sid}C": None, "%U": "url_path", "%q": "url_query"}
PROTOCOLS = ["", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0"]
METHODS = ["", "GET", "POST", "PRI", "OPTIONS", "PROPFIND", "M-SEARCH"]
ADDRESSES = ["127.0.0.1", "192.0.2.0", "::1", "2001:db8:1::", "2001:db8::7", "::ffff:192.0.2.7", "fe80::1"]


def _put(column: str | None, directive: str, text: str | None) -> dict[str, object]:
    return {column or "field " + directive: text}


@st.composite
def texts(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> Written:
    if draw(st.booleans()):
        directive = draw(st.sampled_from(sorted(ESCAPED)))
        data = draw(nasty)
        # A header whose value is "-" looks like one that is absent.
        text = None if data in (b"", b"-") else decoded(data)
        return Written(directive, escape(data) if data else b"-", _put(ESCAPED[directive], directive, text))
    directive = draw(st.sampled_from(sorted(ESCAPED_EMPTY)))
    data = draw(nasty)
    return Written(directive, escape(data), _put(ESCAPED_EMPTY[directive], directive, decoded(data)))


@st.composite
def words(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> Written:
    """Directives that are never escaped; they may stand without quotes."""
    directive, column, choices = draw(
        st.sampled_from([
            ("%a", "client_address", ADDRESSES),
            ("%h", "client_address", ADDRESSES),
            ("%{mask}a", "client_address", ADDRESSES),
            ("%A", "server_address", ["", "0.0.0.0", "[::]", "127.0.0.1"]),
            ("%H", "network_protocol", PROTOCOLS),
            ("%m", "http_request_method", METHODS),
            ("%X", "connection_state", ["+", "-", "X"]),
        ])
    )  # fmt: skip
    value = draw(st.sampled_from(choices))
    return Written(directive, value.encode(), {column: value}, quoted=draw(st.booleans()))


@st.composite
def numbers(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> Written:
    directive, column, largest = draw(
        st.sampled_from([
            ("%b", "http_response_body_bytes", 2**63 - 1),
            ("%B", "http_response_body_bytes", 2**63 - 1),
            ("%O", "http_response_bytes", 2**63 - 1),
            ("%I", "http_request_bytes", 2**63 - 1),
            ("%p", "server_port", 65_535),
            ("%{local}p", "server_port", 65_535),
            ("%{remote}p", "client_port", 65_535),
            ("%k", "connection_request_number", 2**31 - 1),
            ("%s", "http_response_status_code", 999),
            ("%>s", "http_response_status_code", 999),
        ])
    )  # fmt: skip
    absent = directive in ("%b", "%B", "%O", "%I") and draw(st.booleans())
    number = None if absent else draw(st.integers(0, largest))
    value = b"-" if number is None else b"%d" % number
    return Written(directive, value, {column: number}, quoted=draw(st.booleans()))


@st.composite
def durations(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> Written:
    unit, per_second = draw(
        st.sampled_from([
            ("%T", 1), ("%{s}T", 1), ("%{sec}T", 1), ("%{ms}T", 1_000), ("%{msec}T", 1_000), ("%D", 1_000_000),
            ("%{us}T", 1_000_000), ("%{usec}T", 1_000_000), ("%{ns}T", 10**9), ("%{nsec}T", 10**9),
        ])
    )  # fmt: skip
    number = draw(st.one_of(st.just(-1), st.integers(0, 10**9)))
    known = None if number < 0 else number * 1_000_000 // per_second
    notes = ("negative-duration",) if number < 0 else ()
    return Written(unit, b"%d" % number, {"event_duration_us": known}, draw(st.booleans()), notes=notes)


@st.composite
def requests(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> Written:
    method = draw(st.sampled_from(METHODS))
    target = draw(nasty)
    protocol = draw(st.sampled_from(PROTOCOLS))
    path, mark, query = target.partition(b"?")
    columns: dict[str, object] = {
        "http_request_method": method,
        "url_original": decoded(target),
        "url_path": decoded(path),
        "url_query": decoded(query) if mark else None,
        "network_protocol": protocol,
    }
    value = method.encode() + b" " + escape(target) + b" " + protocol.encode()
    return Written("%r", value, columns, late=True)


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


@st.composite
def times(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> list[Written]:
    """One time, in one or two fields."""
    which = draw(st.sampled_from(["begin", "end"]))
    column = "event_start" if which == "begin" else "event_end"
    seconds = draw(st.one_of(st.integers(0, END_OF_9999 - 1), st.integers(1_700_000_000, 1_900_000_000)))
    ns = draw(
        st.one_of(st.integers(0, 999_999_999), st.sampled_from([0, 1, 999_000_001, 999_999_001, 999_999_999]))
    )
    forms = ["sec", "msec", "usec", "nsec", "msec_frac", "usec_frac", "nsec_frac", "clock", "strftime"]
    form = draw(st.sampled_from(forms))
    prefix = "" if which == "end" and draw(st.booleans()) else which + ":"
    quoted = draw(st.booleans())
    if form == "nsec":
        seconds = min(seconds, 9_000_000_000)  # 64 bits end in the year 2262
        total = seconds * 10**9 + ns
        return [Written(f"%{{{prefix}nsec}}t", b"%d" % total, {column: _instant(total // 1000)}, quoted)]
    if form in ("msec", "usec"):
        step = {"msec": 10**6, "usec": 10**3}[form]
        total = seconds * 10**9 // step + -(-ns // step)
        return [
            Written(f"%{{{prefix}{form}}}t", b"%d" % total, {column: _instant(total * step // 1000)}, quoted)
        ]
    if form == "sec":
        return [Written(f"%{{{prefix}sec}}t", b"%d" % seconds, {column: _instant(seconds * 10**6)}, quoted)]
    if form in ("clock", "strftime"):
        offset = draw(st.sampled_from([0, 60, -480, 330, 840]))
        seconds = min(max(seconds, 10**5), END_OF_9999 - 10**5)
        local = _instant(seconds * 10**6).astimezone(timezone(timedelta(minutes=offset)))
        months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
        if form == "clock":
            text = (
                local.strftime("[%d/")
                + months[local.month - 1]
                + f"/{local.year:04}"
                + local.strftime(":%H:%M:%S %z]")
            )
            return [Written("%t", text.encode(), {"event_end": _instant(seconds * 10**6)}, quoted)]
        text = f"{local.year:04}" + local.strftime("-%m-%dT%H:%M:%S%z")
        directive = draw(st.sampled_from(["%Y-%m-%dT%H:%M:%S%z", "%FT%T%z"]))
        return [
            Written(f"%{{{prefix}{directive}}}t", text.encode(), {column: _instant(seconds * 10**6)}, quoted)
        ]
    step = {"msec_frac": 10**6, "usec_frac": 10**3, "nsec_frac": 1}[form]
    width = {"msec_frac": 3, "usec_frac": 6, "nsec_frac": 9}[form]
    fraction = -(-ns // step)
    carried = fraction == 10**width
    dot = b"/" if carried else b"."
    whole = Written(f"%{{{prefix}sec}}t", b"%d" % seconds, {}, quoted=False)
    part = Written(
        f"%{{{prefix}{form}}}t",
        dot + b"%0*d" % (width, fraction % 10**width),
        {column: _instant(seconds * 10**6 + fraction * step // 1000)},
        quoted=False,
        notes=("frac-carry",) if carried else (),
        before=".",
    )
    return [whole, part]


@dataclass(frozen=True)
class Case:
    format_string: str
    line: bytes
    expected: dict[str, object]


# Literals between fields; "%" and "\" mean something in a format string, a quote ends a value.
literals = st.text("".join(chr(c) for c in range(0x20, 0x7F) if chr(c) not in '%\\"'), max_size=5)


@st.composite
def cases(draw: st.DrawFn, escape: Callable[[bytes], bytes]) -> Case:
    drawn: list[Written] = []
    drawers = st.one_of(texts(escape), texts(escape), words(escape), numbers(escape))
    drawn += draw(st.lists(drawers, max_size=8))
    if draw(st.booleans()):
        drawn.append(draw(requests(escape)))
    if draw(st.booleans()):
        drawn.append(draw(durations(escape)))
    groups: list[list[Written]] = [[w] for w in _distinct(drawn)]
    if draw(st.booleans()) or not groups:
        groups.append(draw(times(escape)))
    groups = draw(st.permutations(groups))

    format_string, line = "", b""
    for group in groups:
        for item in group:
            if item.before:
                format_string += item.before + item.directive
                line += item.value
                continue
            # A space ends a value that nothing quotes: such values hold none. The literal before it
            # must not end in what the value might begin with, hence the space there too.
            around = '"' if item.quoted else " "
            between = "" if format_string.endswith("t") and group[0] is not item else draw(literals)
            if draw(st.booleans()):
                between += "%%"
            format_string += between + around + item.directive
            line += between.replace("%%", "%").encode() + around.encode() + item.value
            if group[-1] is item or not group[-1].before:
                format_string += around
                line += around.encode()
        if group[-1].before:
            format_string += " "
            line += b" "
    return Case(format_string, line, _expected([w for g in groups for w in g]))


def _distinct(drawn: list[Written]) -> list[Written]:
    """Leave out a directive whose columns others fill already, except where %r gives way."""
    taken: set[str] = set()
    kept = []
    for item in drawn:
        if item.late or not taken & set(item.columns):
            kept.append(item)
            if not item.late:
                taken |= set(item.columns)
    return kept


def _expected(drawn: list[Written]) -> dict[str, object]:
    columns: dict[str, object] = {}
    for item in sorted(drawn, key=lambda w: w.late):
        for column, value in item.columns.items():
            columns.setdefault(column, value)
    fields = {
        k.removeprefix("field "): v for k, v in columns.items() if k.startswith("field ") and v is not None
    }
    row = {k: v for k, v in columns.items() if not k.startswith("field ") and v is not None}
    if fields:
        row["fields"] = fields
    notes = sorted({n for w in drawn for n in w.notes})
    if notes:
        row["parse_note"] = ",".join(notes)
    return row
