r"""What looks like a secret, by a field's name or a value's look; and how it is kept from being stored.

A redacted byte becomes ``MASK``, one for one: offsets and lengths stay those of the log.
lighttpd writes no control character into its logs, so a ``MASK`` there is ours.
"""

import re
from collections.abc import Iterator, Mapping

MASK = b"\x1a"
"""What stands for a byte that was redacted: ASCII's SUBSTITUTE."""

_MASKED = re.compile(MASK + b"+")
_LONGEST = 1 << 14  # characters of a line that are looked at: expressions stay linear

_NAMES = re.compile(
    r"authori[sz]ation|cookie|api[-_]?key|token|secret|passw|credential|\bjwt\b|(?<!ssl_)session[-_]?(?:id|key)",
    re.IGNORECASE,
)
# lighttpd logs no value of these, and nobody is let in by them.
_NAMES_OF_NO_SECRET = re.compile(r"token[-_]?(?:type|id|fail)|auth_(?:jti|fail)", re.IGNORECASE)

# Group 1 is what must not be shown.
_VALUES: Mapping[str, re.Pattern[str]] = {
    "a Prefect API key": re.compile(r"\b(pn[ub]_[A-Za-z0-9_-]{6,200})"),
    "a JSON Web Token": re.compile(r"(?<![\w-])(eyJ[\w-]{5,2000}\.[\w-]{5,2000}\.[\w-]{0,2000})"),
    "credentials": re.compile(r"\b(?:Basic|Bearer|Digest|Token)(?: |%20|\+)([A-Za-z0-9+/._~=-]{8,2000})"),
    "a password in a URL": re.compile(r'://[^/\s:@"]{1,100}:([^/\s@"]{3,200})@'),
    "a secret parameter": re.compile(
        r"[?&;](?:[A-Za-z]{1,20}[-_])?(?:api_?key|token|passw(?:or)?d|passphrase|pwd|secret|private_?key|credential)"
        r'=([^&;#\s"]{3,2000})',
        re.IGNORECASE,
    ),
    "an AWS key": re.compile(r"\b(AKIA[0-9A-Z]{16})\b"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255})"),
    "a Slack token": re.compile(r"\b(xox[abprs]-[A-Za-z0-9-]{10,200})"),
    "a Google API key": re.compile(r"\b(AIza[\w-]{35})"),
}

# Of a token this part says only what it is.
_PREFIX = re.compile(r"pn[ub]_|eyJ|AKIA|gh[pousr]_|github_pat_|xox[abprs]-|AIza")

# What a program says of itself when it is asked to say much: the header, or the setting, and its value.
_IN_PROSE: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(?:authorization|cookie|api[-_]?key|token|secret|passw(?:or)?d|pwd)[\w-]{0,40}: (.+)", re.IGNORECASE
    ),
    re.compile(
        r"(?:api[-_]?key|token|secret|passw(?:or)?d|pwd)[\"']?[:=][\"']?([^\s\"'&;,]{3,2000})", re.IGNORECASE
    ),
)
_REST = re.compile(r"[\w.+/=~%-]*")  # of a token that is longer than an expression looks


def secret_name(name: str) -> bool:
    """Whether a header, a cookie or a variable of that name is there to prove who somebody is."""
    return bool(_NAMES.search(name)) and not _NAMES_OF_NO_SECRET.search(name)


def secrets_in(line: str) -> set[str]:
    """Return the kinds of secrets that a line seems to hold."""
    text = line[:_LONGEST]
    return {kind for kind, pattern in _VALUES.items() if pattern.search(text)}


def masked(text: str) -> str:
    """Return ``text`` without the secrets that it seems to hold: their first letters remain."""
    head, rest = text[:_LONGEST], "…" if len(text) > _LONGEST else ""
    for pattern in _VALUES.values():
        head = pattern.sub(_mask, head)
    return head + rest


def _mask(match: re.Match[str]) -> str:
    start, end = (position - match.start() for position in match.span(1))
    whole = match.group()
    return f"{whole[:start]}{whole[start : start + 3]}…{whole[end:]}"


def secret_spans(text: str, start: int, end: int, *, prose: bool) -> Iterator[tuple[int, int]]:
    """Yield where secrets seem to be between ``start`` and ``end``, but for what only says what they are.

    With ``prose`` also what follows a name such as ``Authorization:``, to the line's end.
    """
    for pattern in (*_VALUES.values(), *(_IN_PROSE if prose else ())):
        for match in pattern.finditer(text, start, end):
            begin, until = match.span(1)
            rest = _REST.match(text, until, end)
            yield mask_from(text, begin, end), rest.end() if rest else until


def mask_from(text: str, start: int, end: int) -> int:
    """Return where a secret begins to be secret: behind what says which kind of token it is."""
    prefix = _PREFIX.match(text, start, end)
    return prefix.end() if prefix else start


def covers(stored: bytes, data: bytes) -> bool:
    """Say whether ``data`` is what was stored, as far as it was not redacted.

    So a log is recognised also when other things are redacted than when it was stored.
    """
    if len(stored) != len(data):
        return False
    masked = bytearray(data)
    for run in _MASKED.finditer(stored):
        masked[run.start() : run.end()] = run[0]
    return masked == stored
