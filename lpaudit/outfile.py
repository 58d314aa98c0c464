"""Files that commands write for people: whole, or not at all."""

import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

from lpaudit.errors import OutputError

T = TypeVar("T")


def write_whole(path: Path, write: Callable[[TextIO], T]) -> T:
    """Let ``write`` fill the file ``path``, and return what it returns; ``-`` is stdout.

    A file gets its name only when it is whole; a symbolic link's target is written, not the
    link. What is no file (a device, a pipe) is written as it is. Raises OutputError, and
    then ``path`` is what it was.
    """
    if str(path) == "-":
        return write(sys.stdout)
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8", newline="") as special:
                return write(special)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        try:
            with partial.open("x", encoding="utf-8", newline="") as file:
                result = write(file)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise OutputError(f"cannot write {path}: {reason}", hint="name another file or directory") from error
    return result
