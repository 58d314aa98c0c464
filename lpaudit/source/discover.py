"""Paths, directories, globs and `-` → inputs, each file once."""

import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lpaudit.errors import SourceError
from lpaudit.visible import visible


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to read.

    ``label`` is what rows call it: an absolute path, or ``stdin``. ``path`` is None for
    standard input. ``named`` tells a file that the user named from one found in a directory.
    ``host`` is what stood for ``{host}`` in its path, if that was asked for. ``within`` is the
    directory that it was found in and must not lead out of, if there is one.
    """

    label: str
    path: Path | None
    named: bool = True
    host: str | None = None
    within: Path | None = None


STDIN = Input("stdin", None)


HOST = "{host}"
"""Stands in an argument for the name of a host: `/logs/{host}/access.log`."""


def discover(arguments: Sequence[str], *, leave: bool = False) -> Iterator[Input | SourceError]:
    """Yield the inputs that ``arguments`` mean, in order; an error takes the place of what is not there.

    A file is yielded once, however many names lead to it. In a directory, files are taken
    recursively in the order of their names; hidden files are not, and symbolic links that
    lead out of the directory only with ``leave``.
    """
    seen: set[tuple[int, int]] = set()
    for argument in arguments:
        for found in _of_hosts(argument, leave) if HOST in argument else _expand(argument, leave):
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


def _of_hosts(argument: str, leave: bool) -> Iterator[Input | SourceError]:  # noqa: FBT001 -- handed through
    """Yield the inputs of every host that there is, each with its host."""
    parts = Path(argument).parts
    place, part = next((i, part) for i, part in enumerate(parts) if HOST in part)
    before, after = part.split(HOST, 1)
    above = Path(*parts[:place])
    if argument.count(HOST) > 1 or glob.has_magic(before + after) or any(map(glob.has_magic, above.parts)):
        yield SourceError(
            f"cannot tell the host of {visible(argument)}",
            hint="{host} stands once, before any other wildcard: /logs/{host}/access.log*",
        )
        return
    pattern = re.compile(re.escape(before) + "(.+)" + re.escape(after))
    try:
        names = sorted(entry.name for entry in above.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        yield unreadable(above, error)
        return
    none = True
    for match in filter(None, map(pattern.fullmatch, names)):
        host = os.fsencode(match[1]).decode("utf-8", "backslashreplace")
        wanted = Path(above, match[0], *parts[place + 1 :])
        escaped = Path(glob.escape(str(above / match[0])), *parts[place + 1 :])
        paths = [wanted] if os.path.lexists(wanted) else _matches(str(escaped))
        for path in paths:
            for found in _expand_path(path, leave):
                none = False
                yield replace(found, host=host) if isinstance(found, Input) else found
    if none:
        yield SourceError(f"no file matches {visible(argument)}", hint="{host} stands for a part of a name")


def _expand(argument: str, leave: bool) -> Iterator[Input | SourceError]:  # noqa: FBT001
    if argument == "-":
        yield STDIN
        return
    path = Path(argument)
    if not os.path.lexists(argument) and glob.has_magic(argument):
        matches = _matches(argument)
        if not matches:
            yield SourceError(
                f"no file matches {visible(argument)}", hint="** matches any number of directories"
            )
        for match in matches:
            yield from _expand_path(match, leave)
    else:
        yield from _expand_path(path, leave)


def _matches(pattern: str) -> list[Path]:
    return [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 -- Path.glob takes no absolute pattern


def _expand_path(path: Path, leave: bool) -> Iterator[Input | SourceError]:  # noqa: FBT001
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield unreadable(path, error)
        return
    if stat.S_ISDIR(mode):
        found = False
        for item in _directory(path, leave):
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


def _directory(root: Path, leave: bool) -> Iterator[Input | SourceError]:  # noqa: FBT001
    errors: list[OSError] = []
    real_root = root.resolve()
    for folder, folders, files in os.walk(root, onerror=errors.append, followlinks=leave):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith("."):
                continue
            # Not Path.resolve(), which raises where links go round in a circle.
            try:
                taken = _is_taken(path, real_root, leave=leave)
            except OSError as refused:  # a link to an endless name, say, or into where nobody may look
                yield unreadable(path, refused)
                continue
            if taken:
                yield Input(label_of(path), path, named=False, within=None if leave else real_root)
    for error in errors:
        yield unreadable(Path(error.filename), error)


def _is_taken(path: Path, root: Path, *, leave: bool) -> bool:
    """Say whether a directory's entry is a file of it. Raises OSError."""
    # Not Path.resolve(), which raises where links go round in a circle.
    inside = leave or not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(root)
    return inside and path.is_file()
