"""Where a store lies: a directory, or a prefix in an object store's bucket.

Everything that differs between the two is in this protocol; the rest of the room knows
neither paths nor URLs, only names below the root (``access_event/part-….parquet``).
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lpaudit.errors import StoreError
from lpaudit.store.directory import Directory

MARKER = "lpaudit-store.json"
NIGHT = "nightly.lock"
"""Who is at work on the night, or nothing: no evidence, and not for readers."""

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]+:/+")  # s3:/bucket is a slip of the finger, and not a directory


class Storage(Protocol):
    """A root, and what can be done with the files below it. Every method raises OSError."""

    @property
    def location(self) -> str:
        """The root as messages call it; with ``/`` and a name, it is that file's."""

    @property
    def kind(self) -> str:
        """In words: what the root is where it is no store."""

    @property
    def options(self) -> Mapping[str, str] | None:
        """deltalake's storage options. No secrets: the libraries find those themselves."""

    @property
    def filesystem(self) -> Any:
        """The root as an Arrow file system, for reading Parquet files."""

    def entries(self) -> list[str] | None:
        """Return the names right below the root, without what a creation left behind; None: nothing there."""

    def prepare(self) -> None:
        """Make the root ready to become a store."""

    def write(self, name: str, write: Callable[[Path], None], unique: str) -> int:
        """Store what ``write`` makes in a local file, whole and for good; return its size in bytes."""

    def create(self, name: str, data: bytes, unique: str) -> bool:
        """Store a file, whole and for good, unless there is one of that name: then return False."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""

    def names(self, folder: str) -> list[str]:
        """Return the names right below a folder, in order; none if it is not there."""

    def remove(self, name: str) -> None:
        """Remove a file that may be there."""

    def sizes(self) -> dict[str, int]:
        """Return every file below the root with its size in bytes."""

    def create_table(self, name: str, create: Callable[..., object], unique: str) -> None:
        """Have ``create(uri, **keywords)`` make a table that begins once, whoever else creates it now."""

    def sync_commit(self, table: str, version: int) -> None:
        """Have a commit of a table survive a power cut."""

    def settle(self) -> None:
        """Have everything that was written so far survive a power cut."""


def storage_of(root: str) -> Storage:
    """Return the storage that a setting names. Raises StoreError if it cannot be used."""
    scheme = _SCHEME.match(root)
    if scheme is None:
        return Directory.of(root)
    if not root.startswith("s3://"):
        raise StoreError(
            f"cannot use a store that begins with {scheme[0]}",
            hint="name a directory, or s3://BUCKET/PREFIX, with --store",
        )
    from lpaudit.store.bucket import Bucket  # noqa: PLC0415 -- a directory needs nothing of it

    return Bucket.of(root)
