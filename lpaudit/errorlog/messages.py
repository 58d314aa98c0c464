"""What lighttpd says in its error log, and what that means: a table of its messages.

The wordings are those of lighttpd 1.4.55 to 1.4.85 (src/*.c). A message that is not in the
table is told by the file that it comes from.

Who may log in and who knows a password is one message with Basic: a right password of somebody
whom auth.require does not allow reads like a wrong one.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache

HEADER = re.compile(
    rb"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{9}))?: "
    rb"\((?P<file>[\w./+-]+\.[a-z]{1,3})\.(?P<line>\d{1,9})\) "
)
"""What begins a line: local time (its nanoseconds, if server.feature-flags says so), place in the source."""

NO_HEADER = "unstructured"
"""The event of a line that lighttpd did not write: a program's whose stderr is the error log."""

_ANY = range(10**9)


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and the event that it tells of.

    What the pattern matches is lighttpd's own words, but for its groups. ``user``, ``url`` and
    ``sent`` are what a client sent; ``client``, ``status`` what lighttpd knows; ``secret`` is
    never stored. ``lines`` are the lines of the source file that write it.
    """

    event: str
    pattern: re.Pattern[bytes]
    lines: Container[int] = _ANY


def _table(*rows: tuple[str, str, str] | tuple[str, str, str, Container[int]]) -> Mapping[str, list[Message]]:
    table: dict[str, list[Message]] = {}
    for event, files, pattern, *lines in rows:
        message = Message(event, re.compile(pattern.encode()), *lines)
        for file in files.split():
            table.setdefault(file, []).append(message)
    return table


_CLIENT = r"(?P<client>[0-9A-Fa-f.:]+|\x1d+)"  # an address, also one that has a pseudonym
_LOGINS = "mod_auth.c mod_authn_gssapi.c"

# Event, source files that write it, pattern, lines there: by file. The first that matches from the
# message's start counts. Only these files' messages are read so: a program, and a header that
# debug.log-request-header writes, can say the same words.
# A user name holds no colon, so what comes after the last "username: " and before the last "IP: "
# is one, whatever the URL holds. Up to 1.4.55 a comma (Digest: spaces) stood around the name;
# as a name can end in one, too, the line of the source tells the wording.
MESSAGES = _table(
    (
        "login-failed",
        _LOGINS,
        r"password doesn't match for (?P<url>.*) username: (?P<user>[^:]*), IP: (?P<client>\S+)\s*$",
        {*range(700), 770, 771, 792},
    ),
    (
        "login-failed",
        _LOGINS,
        r"password doesn't match for (?P<url>.*) username: (?P<user>[^:]*) IP: (?P<client>\S+)\s*$",
    ),
    (
        "login-failed",
        "mod_auth.c",
        r"digest: auth failed for  (?P<user>.*) : wrong password, IP: (?P<client>\S+)\s*$",
        range(1200),
    ),
    (
        "login-failed",
        "mod_auth.c",
        r"digest: auth failed for (?P<user>.*): wrong password, IP: (?P<client>\S+)\s*$",
    ),
    (
        "login-malformed",
        "mod_auth.c",
        (
            r"digest: auth failed: uri mismatch \( ?(?P<url>(?>.*?(?= != ))) != (?P<sent>.*)\), "
            r"IP: (?P<client>\S+)\s*$"
        ),
    ),
    ("login-malformed", "mod_auth.c", r"missing ':' in (?P<secret>.*)"),
    (
        "login-malformed",
        _LOGINS,
        r"decoding (?:base64-string|GSSAPI authentication header) failed ?(?P<secret>.*)",
    ),
    ("login-malformed", "mod_auth.c", r"digest: "),
    (
        "login-failed",
        "mod_authn_gssapi.c",
        r"Trying to get TGT for user: (?P<user>.*?) password: (?P<secret>.*)",
    ),
    ("login-failed", "mod_authn_pam.c", r"pam: "),
    (
        "request-malformed",
        "request.c",
        r"(?!rqst:)[\w :;'/().?+-]{1,80}-> (?P<status>[45]\d\d)(?: \((?:'.{1,4}'|0x[0-9a-f]{1,8})\))?\s*$",
    ),
    ("request-malformed", "response.c", r"request[ \w-]{1,30}: \d+ -> (?P<status>[45]\d\d)\s*$"),
    ("request-malformed", "response.c", r"uri-path [\w ]+'/': (?P<url>.*) -> (?P<status>[45]\d\d)\s*$"),
    ("request-malformed", "response.c", r"invalid character in URI -> (?P<status>[45]\d\d) (?P<url>.*)"),
    (
        "request-malformed",
        "connections.c connections-glue.c h1.c h2.c",
        (
            r"(?:chunked [\w ]{1,40}|oversized request-header|invalid request-line"
            r"|request-size too long: \d+) ->(?: sending Status)? "
            rf"(?P<status>[45]\d\d)(?: \((?:{_CLIENT}|[^()]*)\))?\s*$"
        ),
    ),
    (
        "request-malformed",
        "connections.c h1.c",
        rf"unexpected TLS ClientHello on clear port(?: \((?:{_CLIENT}|[^()]*)\))?\s*$",
    ),
    ("request-malformed", "h2.c", rf"h2: {_CLIENT} "),
    (
        "request-denied",
        "mod_access.c",
        r"url denied as (?:we match access_deny|failed to match any from access_allow) (?P<url>.*)",
    ),
    ("request-denied", "response.c http-header-glue.c", r"-- access denied"),
    (
        "client-timeout",
        "connections.c h1.c",
        rf"NOTE: a request from {_CLIENT} for (?P<url>.*) timed out after writing ",
    ),
    ("server-started", "server.c", r"server started(?: |$)"),
    (
        "server-stopping",
        "server.c",
        r"\[note\] (?:graceful shutdown started|idle timeout \d+ ?s exceeded, initiating graceful shutdown)",
    ),
    ("server-stopped", "server.c", r"server stopped(?: |$)"),
    ("logs-rotated", "server.c", r"logfiles cycled(?: |$)"),
    ("logs-failed", "fdlog_maint.c mod_accesslog.c", r"error (?:flushing|cycling) log "),
    ("logs-failed", "configfile.c mod_accesslog.c server.c", r"opening (?:log|errorlog) '.*' failed"),
    ("overload-began", "server.c", r"\[note\] sockets disabled"),
    ("overload-ended", "server.c", r"\[note\] sockets enabled again"),
    ("clock-jumped", "server.c", r"(?:warning: )?clock jumped"),
    ("backend-recovered", "gw_backend.c", r"gw-server re-enabled"),
)

# Where no message fits: by the file of lighttpd's source that wrote it, up to a "_" or "." in its name.
_BY_FILE: Mapping[str, str] = {
    "gw_backend": "backend-failed",
    "mod_proxy": "backend-failed",
    "mod_auth": "login-error",
    "mod_authn": "login-error",
    "mod_openssl": "tls",
    "mod_gnutls": "tls",
    "mod_mbedtls": "tls",
    "mod_nss": "tls",
    "mod_wolfssl": "tls",
    "mod_magnet": "script",
    "configfile": "configuration",
    "configparser": "configuration",
    "plugin": "configuration",
}

EVENTS = tuple(
    sorted(
        {*(message.event for messages in MESSAGES.values() for message in messages), *_BY_FILE.values()}
        | {NO_HEADER, "other"}
    )
)
"""Every event: the words are part of the store, they are only ever added to."""


def find(line: bytes, header: re.Match[bytes], end: int) -> tuple[str, re.Match[bytes] | None]:
    """Return the event of the message that follows a header, and what was found in it.

    The message ends at ``end``.
    """
    messages, otherwise = _of_file(header["file"])
    start = header.end()
    for message in messages:
        match = message.pattern.match(line, start, end)
        if match and int(header["line"]) in message.lines:
            return message.event, match
    return otherwise, None


@lru_cache(maxsize=1024)
def _of_file(path: bytes) -> tuple[list[Message], str]:
    """Return the messages of a source file, and the event of its others."""
    file = path.decode().rpartition("/")[2]
    name = file.partition(".")[0]
    event = next((event for known, event in _BY_FILE.items() if f"{name}_".startswith(f"{known}_")), "other")
    return MESSAGES.get(file, []), event


def is_error_log(line: bytes) -> bool:
    """Say whether a line is one of lighttpd's error log."""
    return HEADER.match(line) is not None
