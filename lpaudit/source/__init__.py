"""Where bytes come from: paths → inputs → decompressed bytes → pieces of whole lines."""

from lpaudit.source.discover import Input, discover, label_of, unreadable
from lpaudit.source.framing import Framing, ahead, blocks
from lpaudit.source.identity import HEAD, first_line, first_lines, holds, line_of, source_id
from lpaudit.source.linebuffer import LineBuffer
from lpaudit.source.reader import Damage, Reader, is_compressed, open_reader
from lpaudit.source.rotation import is_rotated_name, looks_rotated, original, rotated, was_rotated
from lpaudit.source.tail import FileId, Look, Stream, Tail, open_tail

__all__ = [
    "HEAD",
    "Damage",
    "FileId",
    "Framing",
    "Input",
    "LineBuffer",
    "Look",
    "Reader",
    "Stream",
    "Tail",
    "ahead",
    "blocks",
    "discover",
    "first_line",
    "first_lines",
    "holds",
    "is_compressed",
    "is_rotated_name",
    "label_of",
    "line_of",
    "looks_rotated",
    "open_reader",
    "open_tail",
    "original",
    "rotated",
    "source_id",
    "unreadable",
    "was_rotated",
]
