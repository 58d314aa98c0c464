"""Paths, directories, globs and `-` → inputs, each file once."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpaudit.errors import SourceError
from lpaudit.visible import visible


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to read.

    ``label`` is what rows call it: an absolute path, or ``stdin``. ``path`` is None for
    standard input. ``named`` tells a file that the user named from one found in a directory.
    ``host`` is what stood for ``{host}`` in its path, if that was asked for.
    """

    label: str
    path: Path | None
    named: bool = True
    host: str | None = None


STDIN = Input("stdin", None)


def discover(arguments: Sequence[str]) -> Iterator[Input | SourceError]:
    """Yield the inputs that ``arguments`` mean, in order; an error takes the place of what is not there.

    A file is yielded once, however many names lead to it. In a directory, files are taken
    recursively in the order of their names; hidden files, and symbolic links that lead out
    of the directory, are not.
    """
    seen: set[tuple[int, int]] = set()
    for argument in arguments:
        for found in _expand(argument):
            if isinstance(found, SourceError) or found.path is None:
                yield found
                continue
            try:
                status = found.path.stat()
            except OSError as error:
                yield unreadable(found.path, error)
                continue
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield found


def label_of(path: Path) -> str:
    r"""Return the absolute path as text; a byte of it that is not UTF-8 as \xhh."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def shown(path: Path) -> str:
    """Return a path as messages show it: a line end in a name must not forge a line."""
    return visible(os.fsencode(path).decode("utf-8", "backslashreplace"))


def unreadable(path: Path, error: OSError) -> SourceError:
    """Say why ``path`` cannot be read, and what may help."""
    reason = (error.strerror or str(error)).lower()
    hint = {
        FileNotFoundError: "check the name; quote globs so that lpaudit expands them",
        PermissionError: "read access is enough: add your user to the log's group (adm, www-data)",
    }.get(type(error))
    return SourceError(f"cannot read {shown(path)}: {reason}", hint=hint)


def _expand(argument: str) -> Iterator[Input | SourceError]:
    if argument == "-":
        yield STDIN
        return
    path = Path(argument)
    if not os.path.lexists(argument) and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 -- Path.glob takes no absolute pattern
        if not matches:
            yield SourceError(
                f"no file matches {visible(argument)}", hint="** matches any number of directories"
            )
        for match in matches:
            yield from _expand_path(Path(match))
    else:
        yield from _expand_path(path)


def _expand_path(path: Path) -> Iterator[Input | SourceError]:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield unreadable(path, error)
        return
    if stat.S_ISDIR(mode):
        found = False
        for item in _directory(path):
            found = True
            yield item
        if not found:
            yield SourceError(
                f"{shown(path)} holds no files", hint="name the directory that lighttpd logs to"
            )
    elif stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        yield Input(label_of(path), path)
    else:
        yield SourceError(f"{shown(path)} is neither a file nor a directory", hint="name a log file")


def _directory(root: Path) -> Iterator[Input | SourceError]:
    errors: list[OSError] = []
    real_root = root.resolve()
    for folder, folders, files in os.walk(root, onerror=errors.append):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith("."):
                continue
            # Not Path.resolve(), which raises where links go round in a circle.
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_root):
                continue
            if path.is_file():
                yield Input(label_of(path), path, named=False)
    for error in errors:
        yield unreadable(Path(error.filename), error)
