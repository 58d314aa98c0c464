"""Error log lines without what looks like a secret in them: what lpaudit keeps, hashes and reads.

lighttpd quotes credentials that it could not use, and programs say too much. What lighttpd itself
says (who, from where, when) is never touched: it must not vanish because a client asked for a
URL that looks like a secret.
"""

import re
from collections.abc import Iterator

from lpaudit.errorlog.messages import HEADER, find
from lpaudit.redaction import SIGNS, disguised, mask_from, secret_spans

_OF_LIGHTTPD = ("client", "status")
_OF_CLIENT = ("url", "user")

# No secret is on a line without one of these: what the expressions need, and the messages that have
# a group ``secret``. To search for each is far quicker than one expression for all.
_SIGNS = (*SIGNS, b"missing ':' in ", b"decoding base64", b"decoding gssapi", b"trying to get tgt")
_NO_SIGN = b"password doesn't match for "  # the commonest message
# A full line of a private key (PEM), in any of the usual widths, shows no other sign; a digest in
# hexadecimal digits is none.
_KEY = (
    rb"(?=[A-Za-z0-9+/]{64})(?=\S{0,75}?[0-9])(?=\S{0,75}?[A-Z])(?=\S{0,75}?[g-z])"
    rb"([A-Za-z0-9+/]{64}(?:[A-Za-z0-9+/]{6}|[A-Za-z0-9+/]{12})?={0,2})\r?(?=\n|\Z)"
)
_KEY_LINE = re.compile(_KEY)
_KEY_LINES = re.compile(rb"[ \n]" + _KEY)


def redact(data: bytes, key: bytes | None = None) -> bytes:
    """Return whole lines with their secrets disguised; redacted lines stay as they are.

    ``key`` is what fingerprints are made with; without one there are none.
    """
    suspects = _suspects(data)
    return disguised(data, (span for start, end in suspects for span in spans(data, start, end)), key)


def _suspects(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the lines begin and end that may hold a secret. The first one always may."""
    starts = {0}
    lower = data.lower().replace(_NO_SIGN, bytes(len(_NO_SIGN)))
    for sign in _SIGNS:
        at = lower.find(sign)
        while at >= 0:
            starts.add(data.rfind(b"\n", 0, at) + 1)
            end = data.find(b"\n", at)
            at = lower.find(sign, end) if end >= 0 else -1
    starts.update(data.rfind(b"\n", 0, match.start(1)) + 1 for match in _KEY_LINES.finditer(data))
    for start in starts:
        end = data.find(b"\n", start)
        yield start, len(data) if end < 0 else end


def spans(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the secrets of a line are that begins at ``start`` and ends before ``end``."""
    end -= data.endswith(b"\r", start, end)
    header = HEADER.match(data, start, end)
    if header is None:
        yield from _prose(data, start, end)
        return
    _, found = find(data, header, end)
    if found:
        for name in found.re.groupindex:
            begin, until = found.span(name)
            if begin == until or name in _OF_LIGHTTPD:
                continue
            if name == "secret":
                yield mask_from(data, begin, until), until
            else:
                yield from secret_spans(data, begin, until, prose=name not in _OF_CLIENT)
    yield from _prose(data, found.end() if found else header.end(), end)


def _prose(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    yield from secret_spans(data, start, end, prose=True)
    if key := _KEY_LINE.match(data, max(start, data.rfind(b" ", start, end) + 1)):
        yield key.span(1)
