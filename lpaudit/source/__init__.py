"""Where bytes come from: paths → inputs → decompressed bytes → pieces of whole lines."""

from lpaudit.source.discover import Input, discover
from lpaudit.source.framing import Framing, blocks
from lpaudit.source.identity import first_line, holds, source_id
from lpaudit.source.reader import Damage, Reader, open_reader

__all__ = [
    "Damage",
    "Framing",
    "Input",
    "Reader",
    "blocks",
    "discover",
    "first_line",
    "holds",
    "open_reader",
    "source_id",
]
