"""Where secrets are in a block of lines, by the core (``secrets.c``)."""

import ctypes
import re
import struct

import pyarrow as pa

from lpaudit.core import library

# In the order of their bits in secrets.c.
_CLASSES = (
    rb"\w",
    rb"[\w-]",
    rb"[A-Za-z0-9-]",
    rb"[A-Za-z0-9]",
    rb"[0-9A-Z]",
    rb"[\w.%[\]-]",
    rb"[\w%\]-]",
    rb"[\w.%-]",
    rb'[^&;#\s"]',
    rb"\s",
    rb'[^/\s:@"]',
    rb'[^/\s"]',
    rb"[A-Za-z0-9+/._~=-]",
    rb"[A-Za-z0-9+/]",
    rb"[A-Za-z0-9+/_-]",
)
_MEMBERS = [{found.start() for found in re.finditer(each, bytes(range(256)))} for each in _CLASSES]
_OF_BYTES = [sum((byte in has) << bit for bit, has in enumerate(_MEMBERS)) for byte in range(256)]
_TABLE = struct.pack("=256H", *_OF_BYTES)
_SPAN = 16  # bytes


def secret_spans(data: bytes) -> list[tuple[int, int]] | None:
    """Return where secrets begin and end in lines."""
    core = library()
    if core is None:
        return None
    block, table = pa.py_buffer(data), pa.py_buffer(_TABLE)
    found: list[tuple[int, int]] = []
    at, room, count = 0, 1 << 12, ctypes.c_int64()
    while at < len(data):
        spans = pa.allocate_buffer(room * _SPAN)
        at = core.lpaudit_secrets(
            block.address, len(data), at, table.address, spans.address, room, ctypes.byref(count)
        )
        found += struct.iter_unpack("=qq", memoryview(spans)[: count.value * _SPAN])
        room *= 2
    return found
