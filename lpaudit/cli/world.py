"""What commands take from the world around them and hand on: the time, random names, the settings.

Whoever they call is told these, and does not ask.
"""

import getpass
import os
import socket
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lpaudit import config

if TYPE_CHECKING:
    from lpaudit.pseudonyms import Pseudonyms
    from lpaudit.report import Library


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def unique() -> str:
    """Return a name that nothing has yet."""
    return uuid.uuid4().hex


def configured(file: str | None, **options: str | None) -> config.Config:
    """Return the settings: a command's options before all others. Raises ConfigError."""
    return config.load(options, config.environment(), file=file)


def user() -> str:
    """Return the system's user who asks; its number, if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def library(settings: config.Config, file: str | None, folders: Sequence[str] | None) -> "Library":
    """Return which checks and frameworks there are: those of ``folders``, else of the setting ``reports``.

    Raises ConfigError for a parameter of a check that does not exist.
    """
    from lpaudit.library import library as made  # noqa: PLC0415 -- start-up time

    return made(settings, config.environment(), file, folders)


def pseudonyms(settings: config.Config, *, dry_run: bool = False) -> "Pseudonyms | None":
    """Return who makes pseudonyms, if the settings ask for some; a key is made if there is none.

    Raises ConfigError: nobody is to be stored by name because a key cannot be read.
    """
    wanted = settings["pseudonyms"]
    if not wanted.value.strip():
        return None
    from lpaudit import pseudonyms as made  # noqa: PLC0415 -- start-up time

    kinds = made.kinds(wanted.value, wanted.origin)
    key, root = settings["pseudonym_key"].value, settings["store"].value
    return made.load(kinds, key, root, os.environ, os.urandom, keep=not dry_run)
