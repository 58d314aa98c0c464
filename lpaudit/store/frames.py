"""A file of several zstd frames → each with what is in it: a pack holds segments' files as they were."""

import sys
from collections.abc import Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP = 1 << 16  # bytes: what is left over is copied each time


def frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each frame and its content. Raises ValueError for what is no frame, or ends within one."""
    start = 0
    while start < len(data):
        decompressor, position, content = zstd.ZstdDecompressor(), start, []
        try:
            while not decompressor.eof:
                if position >= len(data):
                    raise ValueError("it ends within a frame")
                content.append(decompressor.decompress(data[position : position + _STEP]))
                position += _STEP
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
        end = min(position, len(data)) - len(decompressor.unused_data)
        yield data[start:end], b"".join(content)
        start = end
