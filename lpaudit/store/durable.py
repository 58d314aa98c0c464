"""Files that are there, whole, or not at all: also after a power cut."""

import os
from collections.abc import Callable
from pathlib import Path


def write_durable(path: Path, write: Callable[[Path], object], unique: str) -> None:
    """Let ``write`` make a temporary file, sync it, and rename it to ``path``.

    A crash leaves at most ``path`` with ``.{unique}.tmp`` after its name, which nothing
    ever reads. Raises OSError, and then leaves nothing.
    """
    temporary = path.with_name(f".{path.name}.{unique}.tmp")
    try:
        write(temporary)
        sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Make a directory and its parents, so that a power cut does not take them away again."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def sync_file(path: Path) -> None:
    """Have the kernel write the file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Have the kernel write the directory's entries to the disk: a rename is one."""
    sync_file(path)
