"""The exact source bytes of a commit, kept once, compressed with zstd.

The file's name holds the SHA-256 of the bytes, so two writers of the same piece write the
same file, and a file left behind by a crash is either right or never looked at.
"""

import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from lpaudit.errors import StoreError
from lpaudit.model import Segment
from lpaudit.store.durable import make_directory, write_durable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OPTIONS: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}


def write_segment(root: Path, segment: Segment, data: bytes, unique: str) -> None:
    """Write a segment's file, durably. Raises OSError."""
    path = root / segment.name
    make_directory(path.parent)
    write_durable(path, lambda file: _compress(file, data), unique)


def _compress(file: Path, data: bytes) -> None:
    file.write_bytes(zstd.compress(data, options=_OPTIONS))


def read_segment(root: Path, segment: Segment) -> bytes:
    """Return a segment's bytes. Raises StoreError if they are gone or not what was committed."""
    hint = "restore the store from a copy"
    try:
        data = zstd.decompress((root / segment.name).read_bytes())
    except (OSError, zstd.ZstdError) as error:
        raise StoreError(f"cannot read {root / segment.name}: {error}", hint=hint) from error
    if sha256(data).hexdigest() != segment.sha256:
        raise StoreError(f"{root / segment.name} has been changed: its hash is another", hint=hint)
    return data
