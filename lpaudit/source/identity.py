"""Which source is this, really?

A log file is renamed, compressed, copied; its content stays. So a source is known by its
first line, and recognised by its content: the bytes that are already stored must be there.
"""

from collections.abc import Callable
from hashlib import sha256

from lpaudit.model import Known, Segment
from lpaudit.source.reader import Reader

HEAD = 1 << 16  # bytes of a first line that count
_EDGE = 4 << 20  # bytes of a plain file that are compared, at each end of what is stored


def first_line(reader: Reader, *, final: bool) -> bytes:
    """Return the first line with its end, or its first 64 KiB; b"" if no whole line is there yet.

    Nothing is consumed.
    """
    return line_of(first_lines(reader, final=final))


def line_of(lines: bytes) -> bytes:
    """Return the first of some lines with its end."""
    line, newline, _ = lines.partition(b"\n")
    return line + newline


def first_lines(reader: Reader, *, final: bool) -> bytes:
    """Return the whole lines among the first 64 KiB, or all of these if they are of one line.

    b"" if no whole line is there yet. Of a pipe, what has come with the first line.
    Nothing is consumed.
    """
    head = reader.read(HEAD, patience=0)
    while b"\n" not in head and len(head) < HEAD and (more := reader.read(HEAD - len(head), patience=0)):
        head += more
    reader.push_back(head)
    if b"\n" not in head:
        return head if len(head) == HEAD or final else b""
    return head if final and len(head) < HEAD else head[: head.rfind(b"\n") + 1]


def source_id(host: str | None, line: bytes, ordinal: int) -> str:
    """Identity of a source: 16 hex digits of SHA-256 over host (if told), first line and ordinal.

    ``ordinal`` is 0, and counts on only where two different sources of a host begin with
    the same line.
    """
    host_bytes = (host or "").encode()
    return sha256(b"\0".join((b"lpaudit source 1", host_bytes, b"%d" % ordinal, line))).hexdigest()[:16]


def holds(reader: Reader, known: Known, agrees: Callable[[Segment, bytes], bool]) -> int | None:
    """Tell how far the input agrees with what is stored; None if it differs.

    ``agrees`` says whether bytes are those that a segment begins with, but for what is redacted in it.

    The reader then stands at that offset: at ``known.offset``, or before it where the input
    ends within what is stored. Of a plain file the first and the last megabytes are looked
    at; what has to be decompressed or comes from a pipe is compared from its first byte on.
    If the input differs, restart the reader.
    """
    segments = known.segments
    position = 0
    if reader.seekable:
        there = [s for s in segments if s.start < reader.end]
        edge = there[-1].end - _EDGE if there else 0
        segments = tuple(s for s in there if s.start < _EDGE or s.end > edge)
    for segment in segments:
        if reader.seekable:
            reader.seek(segment.start)
            position = segment.start
        data = reader.read(segment.end - segment.start)
        position += len(data)
        if position < segment.end:
            return position if agrees(segment, data) else None
        if sha256(data).hexdigest() != segment.sha256 and not agrees(segment, data):
            return None
    return position
