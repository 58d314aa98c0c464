"""Where a log goes when it is rotated: names beside it that may hold what it held."""

import os
import re
from pathlib import Path

# logrotate: access.log.1, access.log-20261123, access.log-20261123.gz, with `extension` access-20261123.log;
# cronolog, savelog and people: access.log_2026-11-23, access.log.old, access.log.0.
_SUFFIX = re.compile(r"[.\-_](?:\d[\d.:T_\-]*|old|bak|orig|save|prev|copy)(?:\.(?:gz|zst|xz|bz2|Z))?\Z")
_DATE = re.compile(r"[.\-_]\d[\d.:T_\-]*\Z")
_PACKED = re.compile(r"\.(?:gz|zst|xz|bz2)\Z")


def rotated(path: Path) -> list[Path]:
    """Return the plain files beside ``path`` whose names say that they were it, oldest first.

    Order is that of their last change. Symbolic links are not among them. Raises OSError if
    the directory cannot be looked at.
    """
    try:
        with os.scandir(path.parent) as entries:
            found = [
                (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
                for entry in entries
                if is_rotated_name(entry.name, path.name) and entry.is_file(follow_symlinks=False)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []  # the directory is gone: so is what was in it
    return [path.parent / name for _, name in sorted(found)]


def is_rotated_name(name: str, base: str) -> bool:
    """Say whether a file called ``base`` may have been renamed or copied to ``name`` by a rotation."""
    if name == base:
        return False
    if name.startswith(base):
        rest = name[len(base) :]
        return bool(_SUFFIX.match(rest) or _PACKED.match(rest))
    stem, dot, extension = base.rpartition(".")
    plain = _PACKED.sub("", name)
    if dot and plain.startswith(stem) and plain.endswith(dot + extension):
        return bool(_DATE.match(plain[len(stem) : -len(dot + extension)]))
    return False


def looks_rotated(name: str) -> bool:
    """Say whether a name alone says that its file was rotated away: it ends with a number or a date."""
    return bool(_PACKED.search(name)) or _base(name) != name


def was_rotated(path: Path) -> bool:
    """Say whether a file was rotated away: by its name, and as what it was called before is there again."""
    before = original(path)
    return before != path and os.path.isfile(before)  # noqa: PTH113 -- Path.is_file raises for what it may not see


def original(path: Path) -> Path:
    """Return what a rotated file was called before, by its name alone; any other path as it is."""
    return path.with_name(_base(path.name))


def _base(name: str) -> str:
    """Return what a rotated file was called before; any other name as it is."""
    plain = _SUFFIX.sub("", name)
    if plain != name:
        return plain or name  # a file called "-1" was never called nothing
    stem, dot, extension = _PACKED.sub("", name).rpartition(".")
    older = _DATE.sub("", stem)
    return older + dot + extension if dot and older and older != stem else name
