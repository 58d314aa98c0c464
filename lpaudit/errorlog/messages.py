"""What lighttpd says in its error log, and what that means: a table of its messages.

The wordings are those of lighttpd 1.4.55 to 1.4.85 (src/*.c). A message that is not in the
table is told by the file that it comes from.

Who may log in and who knows a password is one message: a right password of somebody whom
auth.require does not allow reads like a wrong one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

HEADER = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{9}))?: "
    r"\((?P<file>[\w./+-]+\.[a-z]{1,3})\.(?P<line>\d{1,9})\) "
)
"""What begins a line: local time (its nanoseconds, if server.feature-flags says so), place in the source."""

NO_HEADER = "unstructured"
"""The event of a line that lighttpd did not write: a program's whose stderr is the error log."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and the event that it tells of.

    Groups: ``user``, ``url`` are what a client sent; ``client``, ``status`` what lighttpd
    knows; ``secret`` is never stored.
    """

    event: str
    pattern: re.Pattern[str]


def _table(*rows: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(event, re.compile(pattern)) for event, pattern in rows)


# The first that matches from the message's start counts. A user name holds no colon, so what
# comes after the last "username: " and before the last "IP: " is one, whatever the URL holds.
MESSAGES = _table(
    (
        "login-failed",
        r"password doesn't match for (?P<url>.*) username: (?P<user>[^:]*?),? IP: (?P<client>\S+)\s*$",
    ),
    ("login-failed", r"digest: auth failed for (?P<user>.*): wrong password, IP: (?P<client>\S+)\s*$"),
    (
        "login-malformed",
        r"digest: auth failed: uri mismatch \( ?(?P<url>.*?) != .*\), IP: (?P<client>\S+)\s*$",
    ),
    ("login-malformed", r"missing ':' in (?P<secret>.*)"),
    (
        "login-malformed",
        r"decoding (?:base64-string|GSSAPI authentication header) failed ?(?P<secret>.*)",
    ),
    ("login-malformed", r"digest: "),
    ("login-failed", r"Trying to get TGT for user: (?P<user>.*?) password: (?P<secret>.*)"),
    ("login-failed", r"pam: "),
    (
        "request-malformed",
        r".*(?:-> sending Status |-> )(?P<status>[45]\d\d)(?: \((?P<client>[0-9A-Fa-f.:]+)\))?\s*$",
    ),
    ("request-malformed", r"unexpected TLS ClientHello on clear port(?: \((?P<client>[0-9A-Fa-f.:]+)\))?"),
    ("request-malformed", r"h2: (?P<client>[0-9A-Fa-f.:]+) "),
    ("request-denied", r"url denied as .*?access_(?:allow|deny) (?P<url>.*)"),
    ("request-denied", r"-- access denied"),
    (
        "client-timeout",
        r"NOTE: a request from (?P<client>[0-9A-Fa-f.:]+) for (?P<url>.*) timed out after writing",
    ),
    ("server-started", r"server started(?: |$)"),
    ("server-stopping", r"\[note\] graceful shutdown started|.*initiating graceful shutdown"),
    ("server-stopped", r"server stopped(?: |$)"),
    ("logs-rotated", r"logfiles cycled(?: |$)"),
    ("logs-failed", r"error (?:flushing|cycling) log |opening (?:log|errorlog) '.*' failed"),
    ("overload-began", r"\[note\] sockets disabled"),
    ("overload-ended", r"\[note\] sockets enabled again"),
    ("clock-jumped", r"(?:warning: )?clock jumped"),
    ("backend-recovered", r"gw-server re-enabled"),
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

EVENTS = tuple(sorted({*(message.event for message in MESSAGES), *_BY_FILE.values(), NO_HEADER, "other"}))
"""Every event: the words are part of the store, they are only ever added to."""


def find(text: str, start: int, file: str) -> tuple[str, re.Match[str] | None]:
    """Return the event of the message that begins at ``start``, and what was found in it.

    ``file`` is the source file that wrote it.
    """
    for message in MESSAGES:
        match = message.pattern.match(text, start)
        if match:
            return message.event, match
    return _of_file(file), None


@cache
def _of_file(file: str) -> str:
    name = file.rpartition("/")[2].partition(".")[0]
    return next((event for known, event in _BY_FILE.items() if f"{name}_".startswith(f"{known}_")), "other")


def is_error_log(line: bytes) -> bool:
    """Say whether a line is one of lighttpd's error log."""
    return HEADER.match(line[:200].decode("latin-1")) is not None
