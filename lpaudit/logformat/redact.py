"""Access log lines without what looks like a secret in them: what lpaudit keeps, hashes and reads.

What is in a line is not known here: a format may change in the middle of a block. So secrets are looked for
by what they look like, and by the names that they are written after: in URLs, in headers that somebody logs,
in fields that a format names.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

import pyarrow.compute as pc

from lpaudit.core import secrets
from lpaudit.logformat import core
from lpaudit.redaction import (
    KEYS,
    NAME_SIGNS,
    NEAR_WORDS,
    NO_WORDS,
    SWITCH,
    WORDS,
    disguised,
    mask_from,
    secret_spans,
)

# One of these is in every line in which `spans` finds something, or a value as chance makes them. RE2
# searches for all of them at once, and in proportion to the text; it knows no looking around.
_SIGNS = "|".join(
    (
        r"pn[ub]_|eyJ|AKIA|gh[pousr]_|github_pat_|xox[abprs]-|AIza",
        r"(?:Basic|Bearer|Digest|Token)(?: |%20|\+)[A-Za-z0-9+/._~=-]{8}",
        r'://[^/\s:@"]{0,100}:[^/\s"]+@',
        rf'(?i:{NEAR_WORDS}[\w%\]-]{{0,40}}(?:=|"?:\s?"))',
        rf'(?i:[?&;#"]{KEYS}=)',
    )
)
# A value that may be made by chance has a long run without - and _, which UUIDs have; and a capital, which
# hashes do not have.
_LONG_VALUE = r'[?&"][\w.%-]{1,40}=[A-Za-z0-9+/_-]*[A-Za-z0-9+/]{20}'
_CAPITAL_IN_VALUE = r'[?&"][\w.%-]{1,40}=[a-z0-9+/_-]*[A-Z]'
# A field of that name, also a header of JSON: cookie="…", "authorization": "…".
_FIELD = re.compile(rf'(?i:(?!{NO_WORDS}){WORDS}[\w-]{{0,40}}+"?[=:]\s?"((?:[^"\\]|\\.){{3,}}+))'.encode())
_BEFORE_FIELD = re.compile(rb'[=:]\s?"')
# A parameter, where a format logs the query by itself.
_PARAMETER = re.compile(
    (
        r'(?<=["\s])(?=[\w.%[\]-]++=)'
        rf'(?i:[\w.%[\]-]{{0,40}}?(?!{NO_WORDS}){WORDS}[\w%\]-]{{0,20}}=(?!{SWITCH})([^&;#\s"]{{3,}}+))'
    ).encode()
)
# A value without a name that says anything: a long run of letters and digits as chance makes them.
_VALUE = re.compile(
    rb'[?&"](?!(?i:[\w-]{0,40}(?:cursor|(?:page|next|continuation)[-_]?token)=))'
    rb"[\w.%-]{1,40}=([A-Za-z0-9+/_-]{24,}+={0,2})"
)
_RUN = re.compile(rb"[A-Za-z0-9+/]{20,}")
_BITS = 3.7  # a character of a run; names in camel case have less, and hexadecimal digits have 4 at most


def redact(data: bytes, key: bytes | None = None) -> bytes:
    """Return whole lines with their secrets disguised; what is disguised already stays so.

    Once is enough, and once it should be: what is left beside a disguise may look like a secret by itself.
    ``key`` is what fingerprints are made with; without one there are none.
    """
    found = secrets.secret_spans(data)
    if found is None:
        found = [span for start, end in _suspects(data) for span in spans(data, start, end)]
    return disguised(data, found, key)


def _suspects(data: bytes) -> list[tuple[int, int]]:
    """Return where the lines begin and end that may hold a secret."""
    lines = core.lines(data)
    numbers = pc.indices_nonzero(pc.match_substring_regex(lines, f"{_SIGNS}|{_LONG_VALUE}"))
    numbers = numbers.filter(pc.match_substring_regex(lines.take(numbers), f"{_SIGNS}|{_CAPITAL_IN_VALUE}"))
    if not len(numbers):
        return []
    lengths = pc.binary_length(lines)
    ends = pc.cumulative_sum(lengths)
    bounds = zip(pc.subtract(ends, lengths).take(numbers), ends.take(numbers), strict=True)
    found = ((start.as_py(), end.as_py()) for start, end in bounds)
    return [(start, end - data.endswith(b"\n", start, end)) for start, end in found]


def spans(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the secrets of a line seem to be that begins at ``start`` and ends before ``end``."""
    yield from secret_spans(data, start, end, prose=False)
    if any(map(data[start:end].lower().__contains__, NAME_SIGNS)):
        for pattern in (_FIELD, _PARAMETER) if _BEFORE_FIELD.search(data, start, end) else (_PARAMETER,):
            for match in pattern.finditer(data, start, end):
                begin, until = match.span(1)
                yield mask_from(data, begin, until), until
    for match in _VALUE.finditer(data, start, end):
        if any(_random(run[0]) for run in _RUN.finditer(match[1])):
            yield mask_from(data, *match.span(1)), match.end(1)


def _random(run: bytes) -> bool:
    """Tell whether a run of characters looks as if chance had made it: capitals, small letters and digits."""
    kinds = (str.isupper, str.islower, str.isdigit)
    text = run.decode("ascii")
    if not all(any(map(kind, text)) for kind in kinds):
        return False
    repeated = sum(n * math.log2(n) for _, n in sorted(Counter(text).items()))
    return math.log2(len(text)) - repeated / len(text) >= _BITS
