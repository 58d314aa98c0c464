"""Which source is this, really?

A log file is renamed, compressed, copied; its content stays. So a source is known by its
first line, and recognised by its content: the bytes that are already stored must be there.
"""

from collections.abc import Callable
from hashlib import sha256

from lpaudit.model import Known, Segment
from lpaudit.source.reader import Reader

HEAD = 1 << 16  # bytes of a first line that count


def first_line(reader: Reader, *, final: bool) -> bytes:
    """Return the first line with its end, or its first 64 KiB; b"" if no whole line is there yet.

    Nothing is consumed.
    """
    head = reader.read(HEAD)
    reader.push_back(head)
    line, newline, _ = head.partition(b"\n")
    if newline or len(head) == HEAD or final:
        return line + newline
    return b""


def source_id(host: str | None, line: bytes, ordinal: int) -> str:
    """Identity of a source: 16 hex digits of SHA-256 over host (if told), first line and ordinal.

    ``ordinal`` is 0, and counts on only where two different sources of a host begin with
    the same line.
    """
    host_bytes = (host or "").encode()
    return sha256(b"\0".join((b"lpaudit source 1", host_bytes, b"%d" % ordinal, line))).hexdigest()[:16]


def holds(reader: Reader, known: Known, stored: Callable[[Segment], bytes]) -> bool:
    """Tell whether the input begins with what is stored, and move the reader past it.

    Of a plain file only the last stored segment is looked at; what has to be decompressed
    or comes from a pipe is compared from its first byte on. An input that ends within what
    is stored holds it as far as it goes. If the answer is no, restart the reader.
    """
    segments = known.segments
    if reader.seekable:
        size = reader.size() or 0
        within = [s for s in segments if s.start < size]
        segments = tuple(within[-1:])
        reader.seek(segments[0].start if segments else 0)
    for segment in segments:
        data = reader.read(segment.end - segment.start)
        if len(data) == segment.end - segment.start:
            if sha256(data).hexdigest() != segment.sha256:
                return False
        else:
            return stored(segment)[: len(data)] == data
    return True
