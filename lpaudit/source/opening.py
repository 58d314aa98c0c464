"""An input → an open file, and no other one than was meant."""

import os
from pathlib import Path

from lpaudit.errors import SourceError
from lpaudit.source.discover import Input, shown, unreadable


def open_input(found: Input, *, wait: bool) -> int:
    """Open an input's file for reading and return its descriptor; ``wait`` for who writes to a FIFO.

    What was found in a directory is never waited for. Raises SourceError if it cannot be
    opened, or if it was found in a directory and lies outside of it: who may write there may
    have put a link in its place since.
    """
    path = found.path
    if path is None:
        return os.dup(0)
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_CLOEXEC | (0 if wait and found.named else os.O_NONBLOCK)
        )
    except OSError as error:
        raise unreadable(path, error) from error
    # Only what is open can be asked where it is: names may change while they are looked at.
    if found.within is not None and not _where(descriptor, path).is_relative_to(found.within):
        os.close(descriptor)
        raise SourceError(
            f"{shown(path)} leads out of the directory that it was found in",
            hint="--follow-symlinks reads it nevertheless",
        )
    return descriptor


def _where(descriptor: int, path: Path) -> Path:
    """Return where an open file is; where the system does not tell, where its name leads."""
    there = Path(f"/proc/self/fd/{descriptor}")
    return Path(os.path.realpath(there if there.exists() else path))
