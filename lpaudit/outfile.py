"""Files that commands write for people: whole, or not at all."""

import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def together(folder: Path) -> Iterator[Path]:
    """Yield an empty directory; what is in it afterwards gets its names in ``folder``, all at the end.

    So of files that belong together none is new while another is not yet whole. A
    subdirectory replaces the one of its name with all that is in it, unless that holds what
    no file of the new one is like: then nothing is replaced. Raises OutputError, and then
    nothing but an empty ``folder`` is new, unless renaming itself failed.
    """
    draft = folder / f".{uuid.uuid4().hex}.partial"
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot make {folder}: {reason}", hint="name another directory") from error
    try:
        try:
            yield draft
            made = sorted(draft.iterdir())
            for path in made:
                _only_alike(folder / path.name, path)
            for path in made:
                _replace(folder / path.name, path, draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot write {folder}: {reason}", hint="name another directory") from error


def _only_alike(old: Path, new: Path) -> None:
    """Refuse to replace a directory by a file, or one that holds what was not written by us."""
    kinds = {path.suffix for path in new.iterdir()} if new.is_dir() else set()
    strange = [path for path in old.iterdir() if path.suffix not in kinds] if old.is_dir() else []
    if strange or (old.exists() and old.is_dir() != new.is_dir()):
        raise OutputError(
            f"{strange[0] if strange else old} is in the way", hint="move it, or name another directory"
        )


def _replace(old: Path, new: Path, draft: Path) -> None:
    if old.is_dir():
        old.rename(draft / f"{old.name}.old")
    new.replace(old)
