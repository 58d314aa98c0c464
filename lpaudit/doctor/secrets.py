"""What looks like a secret: by the name of a field, and by the look of a value."""

import re
from collections.abc import Mapping

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
    "a JSON Web Token": re.compile(r"\b(eyJ[\w-]{5,2000}\.[\w-]{5,2000}\.[\w-]{0,2000})"),
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
