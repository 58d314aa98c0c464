r"""What looks like a secret, by a field's name or a value's look; and how it is kept from being stored.

A secret becomes as many bytes that begin and end with ``MASK``: offsets and lengths stay those of the log.
Between them is its fingerprint, if there is a key: the same secret has the same one wherever it was.
lighttpd writes no control character into its logs, so a ``MASK`` or a ``VEIL`` there is ours.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Iterable, Iterator, Mapping

from lpaudit.core.copies import put_in

MASK = b"\x1a"
"""What stands for a byte that was redacted: ASCII's SUBSTITUTE."""

VEIL = b"\x1d"
"""What stands for a byte of an address or a name that has a pseudonym: ASCII's GROUP SEPARATOR."""

ADDRESSES, USERS = "addresses", "users"
"""What of people there may be pseudonyms of."""

_FEW = 1000  # spans beside which a MASK is found sooner than anywhere

DISGUISED = re.compile(MASK + rb"(?:[a-z2-7]{4,16}" + MASK + b")?" + MASK + b"*")
"""What stands for a secret."""

_VEILED = re.compile(VEIL + b"+")

# The addresses that a text holds. A time is none, and a version of three numbers.
_H = rb"[0-9A-Fa-f]{1,4}"
_ADDRESS = re.compile(
    rb"(?<![0-9A-Za-z.])(?:\d{1,3}\.){3}\d{1,3}(?![0-9A-Za-z])"
    rb"|(?<![0-9A-Za-z:.])(?:(?:%(h)s:){7}%(h)s"
    rb"|(?:(?:%(h)s:){1,7}:(?:%(h)s(?::%(h)s){0,6})?|::%(h)s(?::%(h)s){0,6})(?:\.\d{1,3}){0,3})(?![0-9A-Za-z:])"
    % {b"h": _H}
)

_LETTERS, _BYTES = 16, 10  # of a fingerprint: 80 bits
_FEWEST = 4  # fewer tell nothing
_LONGEST = 1 << 14  # characters of a line that are looked at, where it is shown

# What the name of a header, a cookie, a variable or a setting says that holds a secret.
# Each alternative begins with a letter: so a search skips what begins with another.
WORDS = (
    r"(?:authori[sz]ation|auth[-_]?(?:key|string)|access[-_]?key|api[-_]?key|cookie|credential|passw|passphrase"
    r"|pass(?<![a-z]pass)(?![a-z_-])|private[-_]?key|pwd|secret|session(?<!ssl_session)[-_]?(?:id|key)|token)"
)
# The same without looking around: wherever that finds something, this does.
NEAR_WORDS = re.sub(r"\(\?<?!.*?\)", "", WORDS)
# Nobody is let in by the values of these: what is said of a token, and where a list goes on.
NO_WORDS = (
    r"tokens(?![\w-])|token[-_]?(?:type|id|fail)|auth_(?:jti|fail)"
    r"|(?:(?<=page)|(?<=page[-_])|(?<=next)|(?<=next[-_])|(?<=continuation)|(?<=continuation[-_]))token"
)
# A parameter of one of these names is a secret; one that only has it in its name is none.
KEYS = r"(?:key|sig|signature|x-amz-signature)"
# What a parameter is switched on and off with: that there was `include_secrets=true` must be seen.
SWITCH = r"(?:true|false|yes|no|on|off|none|null)(?![^&;#\s\"])"
_NAMES = re.compile(rf"{WORDS}|\bjwt\b", re.IGNORECASE)
_NAMES_OF_NO_SECRET = re.compile(NO_WORDS, re.IGNORECASE)


def _behind(before: str) -> str:
    r"""Behind something else than ``before``, or behind a character that a log escapes: ``\t``, ``\xc3``."""
    return rf"(?:(?<!{before})|(?<=\\[abefnrtv])|(?<=\\x[0-9A-Fa-f]{{2}}))"


_AT_WORD = _behind(r"\w")
_GAP = r"(?: |%20|\+)"  # between what kind of credentials follow and these

# Group 1 is what must not be shown. Quantifiers without a limit give nothing back, or end at what
# begins the next match: the time that a line takes is in proportion to its length.
_VALUES: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(pattern, re.ASCII)
    for kind, pattern in {
        "a Prefect API key": rf"{_AT_WORD}(pn[ub]_[A-Za-z0-9_-]{{4,}}+)",
        "a JSON Web Token": _behind(r"[\w-]") + r"(eyJ[\w-]{5,}+\.[\w-]*+\.[\w-]*+)",
        "credentials": (
            # Behind the last three may be a word: a flow's name is "Basic ingestion".
            rf"{_AT_WORD}(?:Bearer{_GAP}|(?:Basic|Digest|Token){_GAP}(?![A-Z]?[a-z-]*(?![\w.~+/=])))"
            r"(?!HTTP/\d)([A-Za-z0-9+/._~=-]{8,}+)"
        ),
        "a password in a URL": r'://[^/\s:@"]{0,100}:([^/\s"]+)@',
        "a secret parameter": (
            r"[?&;#](?=[\w.%[\]-]++=)"  # a name: without one it is not searched for words
            rf'(?i:[\w.%[\]-]{{0,40}}?(?!{NO_WORDS}){WORDS}[\w%\]-]{{0,20}}=(?!{SWITCH})([^&;#\s"]{{3,}}+))'
        ),
        "a key in a URL": rf'(?i:[?&;#"]{KEYS}=([^&;#\s"]{{3,}}+))',
        "an AWS key": rf"{_AT_WORD}(AKIA[0-9A-Z]{{16}})\b",
        "a GitHub token": rf"{_AT_WORD}(gh[pousr]_[A-Za-z0-9]{{20,}}+|github_pat_\w{{20,}}+)",
        "a Slack token": rf"{_AT_WORD}(xox[abprs]-[A-Za-z0-9-]{{10,}}+)",
        "a Google API key": rf"{_AT_WORD}(AIza[\w-]{{35}})",
    }.items()
}

# Of a token this part says only what it is.
_PREFIX = re.compile(
    rb"(?:(?i:Basic|Bearer|Digest|Token)" + _GAP.encode() + rb")?"
    rb"(?:pn[ub]_|eyJ|AKIA|gh[pousr]_|github_pat_|xox[abprs]-|AIza)?"
)

# A name with what may stand around it in settings, JSON, Python: `"a": `, `{\"a\": `, `d['a'] = `.
_NAMED = rf"{WORDS}[\w-]{{0,40}}+\\{{0,4}}[\"']?\]?\s*+"

# What programs say of themselves when they are asked to say much, in lower case letters: rather too
# much is redacted there.
_IN_PROSE: Mapping[str, str] = {
    "a header, or a value in JSON: all that follows": (
        rf"{_NAMED}(?::|=>)\s*+(?:[bfru]?\\{{0,4}}[\"'])?+(.+)"
    ),
    "a setting: up to its closing quote, or a space": (
        rf"{_NAMED}=(?!>)\s*+(\\+[\"'].*|[bfru]?\"(?:[^\"\\]|\\.)*+\S*|[bfru]?'(?:[^'\\]|\\.)*+\S*|\S+)"
    ),
    "a private key on one line": r"-----begin [a-z0-9 ]{0,40}private key(?: block)?-----(.+)",
}

NAME_SIGNS = (
    b"authori cookie key auth_string auth-string authstring token secret pass pwd credential session".split()
)
"""One of these is, in lower case letters, wherever a name says that a secret follows."""
# What is wherever the expression finds something; most lines have none of it, and to search for a word
# is far quicker than for an expression.
_SIGNS: Mapping[str, list[bytes]] = {
    "a Prefect API key": [b"pnu_", b"pnb_"],
    "a JSON Web Token": [b"eyJ"],
    "credentials": [b"Basic", b"Bearer", b"Digest", b"Token"],
    "a password in a URL": [b"@"],
    "an AWS key": [b"AKIA"],
    "a GitHub token": [b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"],
    "a Slack token": [b"xox"],
    "a Google API key": [b"AIza"],
}
# The same of expressions that take letters of any case for the same: they and their signs are searched
# for in lower case letters.
_LOWER_SIGNS: Mapping[str, list[bytes]] = {
    "a secret parameter": NAME_SIGNS,
    "a key in a URL": [b"key=", b"sig=", b"signature="],
    "a header, or a value in JSON: all that follows": NAME_SIGNS,
    "a setting: up to its closing quote, or a space": NAME_SIGNS,
    "a private key on one line": [b"private key"],
}
SIGNS = frozenset(sign.lower() for signs in (*_SIGNS.values(), *_LOWER_SIGNS.values()) for sign in signs)
"""One of these is, in lower case letters, in every line in which ``secret_spans`` finds something."""

_Look = tuple[list[bytes], re.Pattern[bytes]]


def _looks(patterns: Mapping[str, str], signs: Mapping[str, list[bytes]]) -> tuple[_Look, ...]:
    return tuple((signs[k], re.compile(p.encode())) for k, p in patterns.items() if k in signs)


_BY_VALUE = {kind: pattern.pattern for kind, pattern in _VALUES.items()}
_AS_IT_IS = _looks(_BY_VALUE, _SIGNS)
_IN_LOWER = _looks(_BY_VALUE, _LOWER_SIGNS)
_OF_PROSE = _looks(_IN_PROSE, _LOWER_SIGNS)
_REST = re.compile(rb"[\w.+/=~%-]*")  # of a token that is longer than what its expression knows


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
    return redacted(head) + rest


def redacted(text: str) -> str:
    """Return the same of a text of any length."""
    for pattern in _VALUES.values():
        text = pattern.sub(_mask, text)
    return text


def _mask(match: re.Match[str]) -> str:
    start, end = (position - match.start() for position in match.span(1))
    whole = match.group()
    return f"{whole[:start]}{whole[start : min(start + 3, end - 1)]}…{whole[end:]}"


def secret_spans(line: bytes, start: int, end: int, *, prose: bool) -> Iterator[tuple[int, int]]:
    """Yield where secrets seem to be between ``start`` and ``end``, but for what only says what they are.

    With ``prose`` also what follows a name such as ``Authorization:``, to the line's end.
    """
    text = line[start:end]
    lower = text.lower()
    for where, looks in ((text, _AS_IT_IS), (lower, _IN_LOWER), (lower, _OF_PROSE if prose else ())):
        for signs, pattern in looks:
            if not any(map(where.__contains__, signs)):
                continue
            until = 0
            while match := pattern.search(where, until):
                begin, until = match.span(1)
                if prose and (rest := _REST.match(text, until)):
                    until = rest.end()
                yield start + mask_from(text, begin, until), start + until


def mask_from(line: bytes, start: int, end: int) -> int:
    """Return where a secret begins to be secret: behind what says which kind of token it is."""
    prefix = _PREFIX.match(line, start, end)
    return prefix.end() if prefix and prefix.end() < end else start


def disguised(data: bytes, spans: Iterable[tuple[int, int]], key: bytes | None) -> bytes:
    """Return ``data`` with what is in ``spans`` disguised; what is disguised already stays as it is."""
    found = list(spans)
    if len(found) < _FEW or MASK in data:
        found = [_widened(data, start, end) for start, end in found]
    places = list(_united(found))
    if not places:
        return data
    secrets = [data[start:end] for start, end in places]
    disguise = _disguises(dict.fromkeys(secrets), key)
    return put_in(data, places, [disguise[secret] for secret in secrets])


def _widened(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Take in what stands beside a secret and looks like a disguise: two of them would not be told apart."""
    while data[start - 1 : start] == MASK:
        start -= 1
    while beside := DISGUISED.match(data, end):
        end = beside.end()
    return start, end


def _united(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans, those that overlap or touch as one."""
    begin, until = -1, -1
    for start, end in sorted(spans):
        if start > until:
            if begin >= 0:
                yield begin, until
            begin, until = start, end
        elif end > until:
            until = end
    if begin >= 0:
        yield begin, until


def _disguises(secrets: Iterable[bytes], key: bytes | None) -> dict[bytes, bytes]:
    """Return what stands for each of some secrets. In a hostile log every line has another one."""
    found = {
        # What was disguised before: what is new in it is not the whole of anything.
        secret: secret if MASK in secret and DISGUISED.fullmatch(secret) else MASK * len(secret)
        for secret in secrets
    }
    if key is None:
        return found
    told = [secret for secret in found if len(secret) >= _FEWEST + 2 * len(MASK) and MASK not in secret]
    begun, digests = hmac.new(key, digestmod="sha256"), []
    for secret in told:
        each = begun.copy()  # to begin anew takes longer
        each.update(secret)
        digests.append(each.digest()[:_BYTES])
    letters = b32encode(b"".join(digests)).lower()
    for at, secret in zip(range(0, len(letters), _LETTERS), told, strict=True):
        fingerprint = letters[at : at + min(_LETTERS, len(secret) - 2 * len(MASK))]
        found[secret] = (MASK + fingerprint).ljust(len(secret), MASK)
    return found


def covers(stored: bytes, data: bytes) -> bool:
    """Say whether ``data`` is what was stored, as far as nothing was redacted or has a pseudonym.

    So a log is recognised also when other things are redacted than when it was stored, or with another key.
    """
    if len(stored) != len(data):
        return False
    at = 0
    for start, length in (*disguises(stored), (len(stored), 0)):
        if not data.startswith(stored[at:start], at):
            return False
        at = max(at, start + length)
    return True


def disguises(stored: bytes) -> list[tuple[int, int]]:
    """Return where something was redacted, or has a pseudonym: (first byte, length)."""
    return sorted((*_runs(stored, MASK, DISGUISED), *_runs(stored, VEIL, _VEILED)))


def _runs(data: bytes, first: bytes, kind: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Yield where what begins with the byte ``first`` is: most bytes are skipped, by far the quickest way."""
    at = data.find(first)
    while match := kind.match(data, at) if at >= 0 else None:
        yield at, match.end() - at
        at = data.find(first, match.end())


def blank(data: bytes, places: Iterable[tuple[int, int]]) -> bytes:
    """Return ``data`` with ``MASK`` alone in these places."""
    out = bytearray(data)
    for start, length in places:
        out[start : start + length] = MASK * length
    return bytes(out)


def address_spans(line: bytes, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Return where in a line there seem to be addresses."""
    return [m.span() for m in _ADDRESS.finditer(line, start, len(line) if end is None else end)]
