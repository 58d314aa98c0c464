"""The keys that secrets' fingerprints and people's pseudonyms are made with: 32 random bytes in a file each.

They are outside the store. The same secret has the same fingerprint wherever the same key is used, and
without the key nobody can try out which secret it may be. A key is made when it is first needed; hosts that
share a store may share it.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from lpaudit.errors import ConfigError
from lpaudit.reason import reason_of

_BYTES = 32


def path_of(setting: str, environ: Mapping[str, str], name: str = "fingerprint.key") -> Path:
    """Return the key's file: what the setting says, or the user's."""
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state")
    return Path(setting) if setting else home / "lpaudit" / name


def key(
    path: Path, location: str, random: Callable[[int], bytes] | None, what: str = "fingerprints"
) -> bytes | None:
    """Return the key at ``path``; make it with ``random`` bytes if there is none, or None without them.

    Raises ConfigError for a file that is no key, cannot be read or written, or would be in the store that is
    at ``location``.
    """
    if "://" not in location and path.resolve().is_relative_to(Path(location).resolve()):
        raise ConfigError(
            f"the key of {what} would be in the store, at {path}",
            hint=f"name a file elsewhere with `{what[:-1]}_key`",
        )
    try:
        with suppress(FileNotFoundError):
            return _read(path, what)
        if random is None:
            return None
        with suppress(FileExistsError):  # another one has just made it
            _write(path, random(_BYTES).hex())
        return _read(path, what)
    except OSError as error:
        raise ConfigError(
            f"cannot use the key of {what} {path}: {reason_of(error)}",
            hint=f"name another file with `{what[:-1]}_key`",
        ) from error


def _read(path: Path, what: str) -> bytes:
    try:
        found = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        found = b""
    if len(found) != _BYTES:
        raise ConfigError(f"{path} is no key of {what}", hint=f"it is {2 * _BYTES} hexadecimal digits")
    return found


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, that nobody but its owner may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    finally:
        beside.unlink()
