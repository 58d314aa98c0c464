"""A file of zstd frames → each with the hash of what is in it: a pack holds segments' files as they were."""

import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP = 1 << 16  # bytes: what is left over is copied each time


def frames(data: bytes, whole: "Hash | None" = None) -> Iterator[tuple[memoryview, int, str]]:
    """Yield each frame, how many bytes are in it, and their SHA-256; ``whole`` is to hash the bytes of all.

    They are never together in memory. Raises ValueError for what is no frame, or ends within one.
    """
    start = 0
    while start < len(data):
        decompressor, position, size, content = zstd.ZstdDecompressor(), start, 0, sha256()
        try:
            while not decompressor.eof:
                if position >= len(data):
                    raise ValueError("it ends within a frame")
                part = decompressor.decompress(data[position : position + _STEP])
                content.update(part)
                if whole is not None:
                    whole.update(part)
                size += len(part)
                position += _STEP
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
        end = min(position, len(data)) - len(decompressor.unused_data)
        yield memoryview(data)[start:end], size, content.hexdigest()
        start = end
