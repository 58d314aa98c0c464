"""Lines in no known format → a format string that may have written them.

A modest guess: lines are cut into literal text and values (quoted strings, dates,
addresses, numbers, words), and each column of values gets the directive that its key, its
look or its place suggests. What is proposed compiles, and matches the lines; what is left
over lands in ``fields`` under a made-up name.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from lpaudit import logformat
from lpaudit.errors import FormatError
from lpaudit.logformat.parse import match_count
from lpaudit.model import Escaping, LogFormat

_LOOKED_AT = 2_000  # lines that are cut up
_LONGEST = 1 << 14  # characters of such a line
_MOST_VALUES = 60  # in a line; lighttpd takes 127 fields, literal text included
_LEAST_MATCHED = 0.8  # share of the lines that a proposal must match


@dataclass(frozen=True, slots=True)
class _Value:
    """A value in a line: what stands for it in the format is told by all lines together."""

    key: str
    text: str


_Piece = str | _Value

_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = re.compile(rf"\[\d\d/{_MONTHS}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}}\]")
_DATE = re.compile(
    rf"\d\d/{_MONTHS}/\d{{4}}:\d\d:\d\d:\d\d(?: [+-]\d{{4}})?"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d)?"
)
_JSON_KEY = re.compile(r'"([A-Za-z_@][\w.@-]{0,60})"\s{0,4}:\s{0,4}(?=["\d{\[-])')
_JSON_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*+\\u00[0-9A-Fa-f]{2}")
_KEY = re.compile(r"([A-Za-z_][\w.-]{0,60})=(?=\S)")
_LABEL = re.compile(r"([A-Za-z_][\w-]{0,60}):(?=[^\t])")  # of labelled tab-separated values
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_PATH = re.compile(r"/[^\s\"|]*")
_WORD = re.compile(r'[^\s",;|{}()\[\]<>]+')
_TABBED = re.compile(r'[^\t"]+')
_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]|[A-Za-z][\w-]*(?:\.[\w-]+)+):(\d{1,5})")

_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|(?=[^:]*:[^:]*:)[0-9a-fA-F:]+(?:\.\d+\.\d+\.\d+)?|::")
_REQUEST = re.compile(r"[A-Z]+ .* HTTP/\d(?:\.\d)?|  (?:HTTP/\d\.\d)?")
_METHOD = re.compile(r"GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|PROPFIND|CONNECT|TRACE|REPORT|MKCOL|PRI|")
_PROTOCOL = re.compile(r"HTTP/\d(?:\.\d)?|")
_STATUS = re.compile(r"[1-5]\d\d")
_NUMBER = re.compile(r"-?\d+|-")
_PORT = re.compile(r"\d{1,5}|-")
_STATE = re.compile("[-+X]")
_URL = re.compile(r"https?:.*|-")
_QUERY = re.compile(r"[^\s=]+=\S*|")
_AGENT = re.compile(r".*(?:Mozilla|curl|/\d|bots?\b|Bot|python|prefect).*|-", re.DOTALL)
_ANY = re.compile(r"(?s:.*)")

# Well-known keys, without case, dots and dashes → directive and what its values look like.
_KEYS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    key: (directive, look)
    for keys, directive, look in (
        (
            "ra a remote_addr remote client client_ip client_addr clientip ip addr src src_ip remote_ip",
            "%a",
            _ADDRESS,
        ),
        ("rp remote_port rport client_port cport src_port", "%{remote}p", _PORT),
        ("la local_addr local server_addr server_ip", "%A", _ANY),
        ("lp local_port server_port lport port", "%p", _PORT),
        ("ka keepalive reqno request_number k nreq", "%k", _NUMBER),
        ("x conn connection state", "%X", _STATE),
        ("user u remote_user usr username who", "%u", _ANY),
        ("m method request_method verb http_method", "%m", _METHOD),
        ("url path uri u_path request_uri url_path uri_path", "%U", _ANY),
        ("q query qs query_string url_query", "%q", _ANY),
        ("proto protocol http_version server_protocol version", "%H", _PROTOCOL),
        ("st s status code sc status_code http_status response", "%s", _STATUS),
        ("in bytes_in rx bytes_received received request_length", "%I", _NUMBER),
        ("out bytes_out tx bytes_sent sent", "%O", _NUMBER),
        ("body size bytes length body_bytes_sent body_bytes b len", "%b", _NUMBER),
        ("auth authority vh", "%V", re.compile(r"\S*")),
        ("host hh http_host h", "%{Host}i", _ANY),
        ("vs vhost server server_name sname", "%v", _ANY),
        ("ua agent user_agent useragent http_user_agent", "%{User-Agent}i", _ANY),
        ("ref referer referrer http_referer", "%{Referer}i", _ANY),
        ("xff x_forwarded_for forwarded_for http_x_forwarded_for", "%{X-Forwarded-For}i", _ANY),
        ("rid request_id req_id reqid x_request_id", "%{X-Request-Id}i", _ANY),
        ("tp traceparent", "%{traceparent}i", _ANY),
        ("dur_us duration_us us usec micros time_us d", "%D", _NUMBER),
        ("dur_ms duration_ms ms msec millis time_ms", "%{ms}T", _NUMBER),
        ("r req request request_line line", "%r", _REQUEST),
        ("loc location", "%{Location}o", _ANY),
        ("cup upgrade", "%{Upgrade}i", _ANY),
        ("tls tlsv ssl_protocol tls_version tls_protocol", "%{SSL_PROTOCOL}e", _ANY),
        ("tlsc cipher ssl_cipher tls_cipher", "%{SSL_CIPHER}e", _ANY),
        ("cookie cookies http_cookie", "%{Cookie}i", _ANY),
        ("authorization http_authorization", "%{Authorization}i", _ANY),
        ("frid flow_run_id x_prefect_flow_run_id", "%{X-Prefect-Flow-Run-Id}i", _ANY),
        ("flow_run_name x_prefect_flow_run_name", "%{X-Prefect-Flow-Run-Name}i", _ANY),
        ("flow_id x_prefect_flow_id", "%{X-Prefect-Flow-Id}i", _ANY),
        ("flow_name x_prefect_flow_name", "%{X-Prefect-Flow-Name}i", _ANY),
        ("deployment_id x_prefect_deployment_id", "%{X-Prefect-Deployment-Id}i", _ANY),
        ("deployment_name x_prefect_deployment_name", "%{X-Prefect-Deployment-Name}i", _ANY),
        ("worker_id x_prefect_worker_id", "%{X-Prefect-Worker-Id}i", _ANY),
        ("worker_name x_prefect_worker_name", "%{X-Prefect-Worker-Name}i", _ANY),
    )
    for key in keys.split()
}
_DURATION_KEYS = frozenset(["dur", "duration", "time_taken", "elapsed", "rt", "took", "request_time"])
_BEGIN_KEYS = re.compile(r"begin|start|request_?time|req_?time", re.IGNORECASE)
_END_KEYS = re.compile(r"end|finish|stop|done", re.IGNORECASE)
_EPOCHS = {10: "sec", 13: "msec", 16: "usec", 19: "nsec"}
_FRACTIONS = {3: "msec_frac", 6: "usec_frac", 9: "nsec_frac"}


def propose(sample: bytes, timezone: tzinfo) -> LogFormat | None:
    """Return a format that most lines of the sample match; None if none was found."""
    lines = [line for line in sample[: 1 << 20].decode("utf-8", "replace").split("\n") if line.strip()]
    cut = [_cut(line.rstrip("\r")) for line in lines[:_LOOKED_AT] if len(line) <= _LONGEST]
    shapes = Counter(shape for pieces in cut if (shape := _shape(pieces)) is not None)
    best: tuple[int, LogFormat] | None = None
    escapings = [Escaping.DEFAULT, Escaping.JSON]
    if _JSON_ESCAPE.search(sample):  # of two that match as many lines the first one counts
        escapings.reverse()
    for shape, _ in shapes.most_common(3):
        alike = [pieces for pieces in cut if _shape(pieces) == shape]
        format_string = _Guess(alike).format_string()
        for escaping in escapings:
            found = _judge(format_string, escaping, timezone, sample)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
    return best[1] if best else None


def _judge(
    format_string: str | None, escaping: Escaping, timezone: tzinfo, sample: bytes
) -> tuple[int, LogFormat] | None:
    if format_string is None:
        return None
    log_format = LogFormat("proposed", format_string, escaping, timezone)
    try:
        layout = logformat.compile_layout(log_format)
    except FormatError:
        return None
    matched, lines = match_count(layout, sample)
    return (matched, log_format) if matched and matched >= _LEAST_MATCHED * lines else None


def _cut(line: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    position, key = 0, ""
    while position < len(line):
        if not key and (match := _key_at(line, position)):
            _literal(pieces, match.group())
            position, key = match.end(), match[1]
            continue
        taken = _value(line, position, key)
        if taken is None:
            _literal(pieces, line[position])
            position += 1
            continue
        for piece in taken[0]:
            if isinstance(piece, str):
                _literal(pieces, piece)
            else:
                pieces.append(piece)
        position, key = taken[1], ""
    return pieces


def _key_at(line: str, at: int) -> re.Match[str] | None:
    before = line[at - 1] if at else "\t"
    if before.isalnum():
        return None
    label = _LABEL.match(line, at) if before == "\t" and "\t" in line else None
    return _JSON_KEY.match(line, at) or _KEY.match(line, at) or label


def _value(line: str, at: int, key: str) -> tuple[list[_Piece], int] | None:
    """Read the value that begins at ``at``: its pieces, and where it ends. None if there is none."""
    if match := _CLOCK.match(line, at):
        return [_Value(key, match.group())], match.end()
    if match := _DATE.match(line, at):
        return [_Value(key, match.group())], match.end()
    if match := _QUOTED.match(line, at):
        return ['"', _Value(key, match[1]), '"'], match.end()
    if match := _WITH_PORT.match(line, at):
        return [_Value(key, match[1]), ":", _Value("", match[2])], match.end()
    if "\t" in line:
        match = _TABBED.match(line, at)
        return ([_Value(key, match.group())], match.end()) if match else None
    if match := _PATH.match(line, at) or _WORD.match(line, at):
        return [_Value(key, match.group())], match.end()
    return None


def _literal(pieces: list[_Piece], text: str) -> None:
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] += text
    else:
        pieces.append(text)


def _shape(pieces: Sequence[_Piece]) -> tuple[str | None, ...] | None:
    """Return the literal texts with None for each value: lines in one format are alike in it."""
    if sum(isinstance(p, _Value) for p in pieces) > _MOST_VALUES:
        return None
    return tuple(p if isinstance(p, str) else None for p in pieces)


class _Guess:
    """One format string for lines of one shape."""

    def __init__(self, lines: Sequence[Sequence[_Piece]]) -> None:
        self.pieces = lines[0]
        self.columns = [
            [line[i].text for line in lines] if isinstance(piece, _Value) else []  # type: ignore[union-attr]
            for i, piece in enumerate(self.pieces)
        ]
        self.lines = len(lines)
        self.used: set[str] = set()
        self.last = ""
        self.made_up = 0
        self.ends = any(
            isinstance(p, _Value) and _END_KEYS.search(p.key) and not _BEGIN_KEYS.search(p.key)
            for p in self.pieces
        )

        times = (_time_form(max(texts, key=len), texts) for texts in self.columns if texts)
        self.times = sum(form is not None for form in times)

    def format_string(self) -> str | None:
        texts = []
        values = 0
        for index, piece in enumerate(self.pieces):
            if isinstance(piece, str):
                texts.append(_escaped(piece))
                continue
            values += 1
            texts.append(self._time(piece, self.columns[index]) or self._directive(index, piece))
        evidence = (
            bool(self.used & {"%a", "%h", "%u"}),
            "time" in self.used,
            bool(self.used & {"%r", "%m", "%U"}),
            "%s" in self.used,
        )
        # Any text can be cut into words; an access log says who, when, what, or how it ended.
        if sum(evidence) < 3 or self.made_up > max(3, values // 3):
            return None
        return "".join(texts)

    def _directive(self, index: int, value: _Value) -> str:
        texts = self.columns[index]
        if value.key:
            known = _by_key(value.key, texts)
            if known:
                return self._take(known)
            if len(set(texts)) == 1 and texts[0] != "-" and (self.lines > 1 or value.key in ("v", "version")):
                return _escaped(texts[0])  # a version, a tag
        else:
            guessed = self._by_look(index, texts)
            if guessed:
                return self._take(guessed)
        self.made_up += 1
        return f"%{{{re.sub('[^A-Za-z0-9_.-]', '_', value.key) or f'unknown-{self.made_up}'}}}e"

    def _take(self, directive: str) -> str:
        self.used.add(directive)
        self.last = directive
        return directive

    def _time(self, value: _Value, texts: Sequence[str]) -> str | None:
        text = max(texts, key=len)
        if value.key and _KEYS.get(_plain(value.key)):
            return None
        form = _time_form(text, texts)
        if form is None:
            return None
        # Of several times, the one that is not called the end is the beginning; without names, the first.
        first = "time" not in self.used and (self.ends or (not value.key and self.times > 1))
        self.used.add("time")
        begin = _BEGIN_KEYS.search(value.key) or (first and not _END_KEYS.search(value.key))
        return form("begin" if begin else "end")

    def _by_look(self, index: int, texts: Sequence[str]) -> str | None:
        before = str(self.pieces[index - 1]) if index else ""
        if before == ":" or (self.last == "%h" and self._are_ports(texts)):
            return "%p" if before == ":" and {"%v", "%A"} & self.used else "%{remote}p"
        if "%r" not in self.used and sum(bool(_REQUEST.fullmatch(t)) for t in texts) * 2 > len(texts):
            return "%r"
        quoted = before.endswith('"')
        looks: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
            (_ADDRESS, () if quoted else ("%h", "%A")),
            (_STATUS, ("%s",)),
            (_STATE, ("%X",) if set(texts) & {"+", "X"} else ()),
            (_METHOD, ("%m",) if any(texts) else ()),
            (_PROTOCOL, ("%H",)),
            (re.compile(r"[/*].*", re.DOTALL), ("%U",)),
            (_QUERY, ("%q",) if self.last == "%U" and any(texts) else ()),
        )
        for look, directives in looks:
            free = next((d for d in directives if d not in self.used), None)
            if free and all(look.fullmatch(t) for t in texts):
                return free
        if quoted and not all(_NUMBER.fullmatch(t) and t != "-" for t in texts):
            return self._quoted(texts)
        if all(_NUMBER.fullmatch(t) for t in texts) and set(texts) != {"-"}:
            return self._number(texts)
        return self._quoted(texts) if "%s" in self.used else self._word(index, texts)

    def _are_ports(self, texts: Sequence[str]) -> bool:
        return all(_PORT.fullmatch(t) and t != "-" and 1023 < int(t) < 65536 for t in texts)

    def _number(self, texts: Sequence[str]) -> str | None:
        """Numbers behind the status are sizes, those before it durations."""
        if "%s" in self.used:
            return next((d for d in ("%b", "%D", "%I", "%O") if d not in self.used), None)
        duration = "%D" if any(len(t) > 3 for t in texts) else "%T"
        return duration if "time" in self.used and duration not in self.used else None

    def _quoted(self, texts: Sequence[str]) -> str | None:
        if all(_ADDRESS.fullmatch(t.split(",")[0]) or t == "-" for t in texts) and set(texts) != {"-"}:
            return "%{X-Forwarded-For}i" if "%h" in self.used else "%h"
        named = ("%{Referer}i", "%{User-Agent}i", "%{X-Forwarded-For}i")
        agents = sum(bool(_AGENT.fullmatch(t)) and not _URL.fullmatch(t) for t in texts)
        if agents * 2 > len(texts) and "%{User-Agent}i" not in self.used:
            return "%{User-Agent}i"
        if not self.used & {"%r", "%U"}:
            return None
        urls = set(texts) == {"-"} or any(t != "-" and _URL.fullmatch(t) for t in texts)
        return next((d for d in (named if urls else named[1:]) if d not in self.used), None)

    def _word(self, index: int, texts: Sequence[str]) -> str | None:
        """Words between address and time are Host and user, or ident and user; one alone is the user."""
        if not self.used & {"%h", "%a"}:
            dotted = any("." in t for t in texts) and not self.used
            return "%v" if dotted else None
        if not self.used & {"%V", "%l", "%u", "time"}:
            following = next((column for column in self.columns[index + 1 :] if column), [])
            if (
                following
                and _time_form(max(following, key=len), following)
                and not any("." in t for t in texts)
            ):
                return "%u"
            return "%l" if set(texts) == {"-"} else "%V"
        return "%u" if "%u" not in self.used else None


def _plain(key: str) -> str:
    return re.sub("[.@-]", "_", key).strip("_").lower()


def _by_key(key: str, texts: Sequence[str]) -> str | None:
    plain = _plain(key)
    if plain in _DURATION_KEYS and all(_NUMBER.fullmatch(t) for t in texts):
        return "%D" if any(len(t) > 3 for t in texts) else "%T"
    directive, look = _KEYS.get(plain, (None, _ANY))
    if directive is None or sum(bool(look.fullmatch(t)) for t in texts) * 2 < len(texts):
        return None
    if directive == "%U" and all(_URL.fullmatch(t) for t in texts):
        return None
    return directive


_Form = Callable[[str], str]


def _time_form(text: str, texts: Sequence[str]) -> _Form | None:
    """Return what writes such times, given begin or end; None if they are no times."""
    if _CLOCK.fullmatch(text):
        return lambda which: "%t" if which == "end" else "%{begin:[%d/%b/%Y:%H:%M:%S %z]}t"
    numeric = re.fullmatch(r"(\d{9,19})(?:\.(\d{3}|\d{6}|\d{9}))?", text)
    if numeric and len(numeric[1]) in _EPOCHS and not (numeric[2] and len(numeric[1]) != 10):
        unit, fraction = _EPOCHS[len(numeric[1])], _FRACTIONS.get(len(numeric[2] or ""))
        return lambda which: f"%{{{which}:{unit}}}t" + (f".%{{{which}:{fraction}}}t" if fraction else "")
    if not _DATE.fullmatch(text):
        return None
    match = re.fullmatch(
        r"(\d.*?\d\d:\d\d:\d\d)(?:\.(\d{3}|\d{6}|\d{9}))?( ?)([+-]\d{4}|[+-]\d\d:\d\d|Z)?", text
    )
    if match is None:
        return None
    head, digits, space, offset = match.groups()
    form = "%d/%b/%Y:%H:%M:%S" if "/" in head else f"%Y-%m-%d{head[10]}%H:%M:%S"
    fraction = _FRACTIONS.get(len(digits or ""))
    if offset and ":" not in offset and offset != "Z":
        if fraction:  # lighttpd knows one strftime form in a format: the offset would be a second one
            return (
                (lambda which: f"%{{{which}:{form}}}t.%{{{which}:{fraction}}}t{space}{offset}")
                if _same(texts, offset)
                else None
            )
        return lambda which: f"%{{{which}:{form}{space}%z}}t"
    tail = space + (offset or "")
    if not _same(texts, tail):
        return None
    return lambda which: f"%{{{which}:{form}}}t" + (f".%{{{which}:{fraction}}}t" if fraction else "") + tail


def _same(texts: Sequence[str], tail: str) -> bool:
    return all(t.endswith(tail) for t in texts)


def _escaped(literal: str) -> str:
    """Write literal text as a format string does."""
    return literal.replace("\\", "\\\\").replace("%", "%%").replace("\t", "\\t")
