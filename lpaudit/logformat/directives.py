"""The table of directives: what mod_accesslog writes for each, and where it goes.

Read from lighttpd's src/mod_accesslog.c (1.4.69); the names in the comments are its
format enum's. A directive that is not in the table is refused; a field that has no
column of its own lands in the map column ``fields`` under its directive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a captured text becomes a value."""

    TEXT = "text"
    INTEGER = "integer"
    REQUEST = "request"  # method, target and protocol in one
    CLOCK = "clock"  # [23/Nov/2026:10:15:45 +0000] or a strftime form
    EPOCH = "epoch"  # a number since the epoch
    FRACTION = "fraction"  # the part of the second that belongs to another field
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Directive:
    """A row of the table.

    ``escaped``: the value passes through accesslog.escaping.
    ``dash``: ``-`` stands for an absent value.
    ``pattern``: a character class that the value is limited to, where it is narrower than text.
    ``spaces``: the value may hold spaces although the format may not quote it.
    """

    kind: Kind
    column: str | None = None
    escaped: bool = False
    dash: bool = True
    pattern: str | None = None
    spaces: bool = False


NUMBER = "-?[0-9]*"  # also "-", which an absent number is written as
CLOCK = r"\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}\]"
IDENT = r"[\x21\x23-\x5b\x5d-\x7e]+?"  # as little as can be: "%l%l" is two of them

_text = Kind.TEXT
_int = Kind.INTEGER

# Directives without a name in braces. `<` and `>` before the letter mean nothing to lighttpd.
PLAIN: Mapping[str, Directive] = {
    "a": Directive(_text, "client_address"),  # FORMAT_REMOTE_ADDR
    "h": Directive(_text, "client_address"),  # FORMAT_REMOTE_HOST: an address too
    "A": Directive(_text, "server_address"),  # FORMAT_LOCAL_ADDR
    "p": Directive(_int, "server_port", pattern=NUMBER),  # FORMAT_SERVER_PORT
    "b": Directive(_int, "http_response_body_bytes", pattern=NUMBER),  # FORMAT_BYTES_OUT_NO_HEADER
    "B": Directive(_int, "http_response_body_bytes", pattern=NUMBER),
    "O": Directive(_int, "http_response_bytes", pattern=NUMBER),  # FORMAT_BYTES_OUT
    "I": Directive(_int, "http_request_bytes", pattern=NUMBER),  # FORMAT_BYTES_IN
    "D": Directive(Kind.DURATION, "us", pattern=NUMBER),  # FORMAT_TIME_USED_US
    "T": Directive(Kind.DURATION, "s", pattern=NUMBER),  # FORMAT_TIME_USED
    "f": Directive(_text, None, escaped=True, spaces=True),  # FORMAT_FILENAME
    "H": Directive(_text, "network_protocol", dash=False),  # FORMAT_REQUEST_PROTOCOL
    "k": Directive(_int, "connection_request_number", pattern=NUMBER),  # FORMAT_KEEPALIVE_COUNT
    "l": Directive(_text, None, pattern=IDENT),  # lighttpd knows none: a literal "-"
    "m": Directive(_text, "http_request_method", dash=False),  # FORMAT_REQUEST_METHOD
    "q": Directive(_text, "url_query", escaped=True, dash=False, spaces=True),  # FORMAT_QUERY_STRING
    "r": Directive(Kind.REQUEST, None, escaped=True, dash=False, spaces=True),  # FORMAT_REQUEST_LINE
    "s": Directive(_int, "http_response_status_code", pattern="[0-9]{1,3}"),  # FORMAT_STATUS
    "t": Directive(Kind.CLOCK, "end", pattern=CLOCK),  # FORMAT_TIMESTAMP: the end, whatever old texts say
    "u": Directive(_text, "user_name", escaped=True, spaces=True),  # FORMAT_REMOTE_USER
    "U": Directive(_text, "url_path", escaped=True, dash=False, spaces=True),  # FORMAT_URL
    "v": Directive(_text, "server_name", escaped=True, spaces=True),  # FORMAT_SERVER_NAME
    "V": Directive(_text, "url_domain", escaped=True, spaces=True),  # FORMAT_HTTP_HOST: not always checked
    "X": Directive(_text, "connection_state", dash=False, pattern="[-+X]"),  # FORMAT_CONNECTION_STATUS
}

# %{…}a: lighttpd 1.4.70 and later mask the address; before, the braces mean nothing.
# %{…}p: which end of the connection.
BRACED: Mapping[tuple[str, str], Directive] = {
    ("a", "mask"): PLAIN["a"],
    ("h", "mask"): PLAIN["h"],
    ("p", "canonical"): PLAIN["p"],
    ("p", "local"): PLAIN["p"],
    ("p", "remote"): Directive(_int, "client_port", pattern=NUMBER),
}

# Without a name there is nothing to log. Up to 1.4.69, %e and %n write a dash for it.
NAMELESS: Mapping[str, Directive] = dict.fromkeys("en", Directive(_text, None, pattern="-?"))

# What lighttpd takes, and writes nothing for.
SILENT = frozenset({"%P", "%i", "%o", "%C"})
SILENT_BRACED = frozenset({"P", "l", "%"})  # whatever the name

EPOCH_UNITS: Mapping[str, str] = {"sec": "s", "msec": "ms", "usec": "us", "nsec": "ns"}
DURATION_UNITS: Mapping[str, str] = {**EPOCH_UNITS, "s": "s", "ms": "ms", "us": "us", "ns": "ns"}
FRACTION_UNITS: Mapping[str, str] = {"msec_frac": "ms", "usec_frac": "us", "nsec_frac": "ns"}

# Directives with a name in braces → column. The others go to the map column.
NAMED: Mapping[str, Mapping[str, str]] = {
    "i": {  # FORMAT_HEADER: request headers, by name in lower case
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
    },
    "o": {"location": "http_response_location"},  # FORMAT_RESPONSE_HEADER
    "e": {  # FORMAT_ENV
        "remote_user": "user_name",
        "ssl_protocol": "tls_protocol",
        "ssl_cipher": "tls_cipher",
    },
    "n": {},  # FORMAT_NOTE: the same environment
    "C": {},  # FORMAT_COOKIE
}

# An absent cookie is written as nothing at all; the others as "-".
NAMED_DASH: Mapping[str, bool] = {"i": True, "o": True, "e": True, "n": True, "C": False}

# What other servers log, by what stands behind the percent sign or the braces.
_APACHES = "is Apache's; lighttpd does not write it"
REFUSED: Mapping[str, str] = {
    **{letter: f"%{letter} {_APACHES}" for letter in "LRS"},
    **{letter: f"%{{…}}{letter} is mod_ssl's; lighttpd logs its environment with %{{…}}e" for letter in "cx"},
    "^": f"what begins with ^ (trailers, %^FB) {_APACHES}",
    **dict.fromkeys("!0123456789", f"a condition on the status {_APACHES}"),
}
# lighttpd up to 1.4.69 ignores the name and writes %a; newer ones refuse it.
REFUSED_NAMES: Mapping[tuple[str, str], str] = {
    (letter, "c"): f"%{{c}}{letter} is Apache's; lighttpd knows the connection's peer only as %{letter}"
    for letter in "ah"
}


def named(letter: str, name: str) -> Directive | None:
    """Return the directive ``%{name}letter`` for headers, environment and cookies; None if there is none."""
    columns = NAMED.get(letter)
    if columns is None:
        return None
    return Directive(Kind.TEXT, columns.get(name.lower()), escaped=True, dash=NAMED_DASH[letter], spaces=True)
