"""Error log lines without the secrets in them: what lpaudit keeps, hashes and reads.

lighttpd quotes credentials that it could not use. Nothing else of a line is touched: what
lighttpd itself says (who, from where, when) must not vanish because a client asked for a
URL that looks like a secret.
"""

from collections.abc import Iterator

from lpaudit.errorlog.messages import HEADER, find
from lpaudit.redaction import MASK, mask_from, secret_spans

_OF_CLIENT = ("url", "user")


def redact(data: bytes) -> bytes:
    """Return whole lines with each byte of a secret replaced by ``MASK``; redacted lines stay as they are."""
    redacted = bytearray(data)
    start = 0
    for line in data.decode("latin-1").split("\n"):  # one character for one byte
        for begin, end in _spans(line):
            redacted[start + begin : start + end] = MASK * (end - begin)
        start += len(line) + 1
    return bytes(redacted)


def _spans(line: str) -> Iterator[tuple[int, int]]:
    header = HEADER.match(line)
    if header is None:
        yield from secret_spans(line, 0, len(line), prose=True)
        return
    _, found = find(line, header.end(), header["file"])
    groups = {name for name, value in found.groupdict().items() if value} if found else set()
    if found and "secret" in groups:
        begin, end = found.span("secret")
        end -= line.endswith("\r")
        yield mask_from(line, begin, end), end
    for name in groups.intersection(_OF_CLIENT) if found else ():
        yield from secret_spans(line, *found.span(name), prose=False) if found else ()
    if not groups:
        yield from secret_spans(line, header.end(), len(line), prose=True)
