"""What commands take from the world around them and hand on: the time, random names, the settings.

Whoever they call is told these, and does not ask.
"""

import getpass
import os
import socket
import uuid
from datetime import UTC, datetime

from lpaudit import config


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
