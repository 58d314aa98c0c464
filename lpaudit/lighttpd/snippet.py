"""A format → the part of lighttpd's configuration that writes it."""

import re

from lpaudit.errors import ConfigError
from lpaudit.model import LogFormat

_TEXT = """\
# How lighttpd writes the access log that lpaudit reads best: preset {name}.
# Printed by `lpaudit lighttpd-config`. Check it with `lighttpd -tt -f FILE`, then restart lighttpd.

server.modules += ( "mod_accesslog" )

# Rotate it by renaming and SIGHUP, never by copying and truncating: that loses lines.
accesslog.filename = {filename}

# Times are microseconds since the epoch, begin and end. Whatever a client can choose stands
# between quotes, where it cannot pretend to be another field. No Authorization, no cookies.
# Do not change a part of it: lpaudit=1 in front is how the format is recognised.
accesslog.format = {format}

# Other bytes than printable ASCII are written as \\xHH, so that one line is one request.
accesslog.escaping = {escaping}
"""


def snippet(log_format: LogFormat, filename: str) -> str:
    """Return a piece of lighttpd.conf. Raises ConfigError for a file name that cannot be written there."""
    check_filename(filename)
    return _TEXT.format(
        name=log_format.name,
        filename=quoted(filename),
        format=quoted(log_format.format_string),
        escaping=quoted(str(log_format.escaping)),
    )


def check_filename(filename: str) -> None:
    """Raise ConfigError for an access log's name that lighttpd would look for somewhere else."""
    if not filename.startswith(("/", "|")):
        raise ConfigError(
            f"the access log's name is not absolute: {filename}",
            hint="as in --file /var/log/lighttpd/access.log",
        )


def quoted(text: str) -> str:
    r"""Quote as lighttpd reads it: it knows \" and nothing else."""
    if re.search(r"[\x00-\x1f\x7f]|\\$", text):
        raise ConfigError(
            f"lighttpd's configuration cannot hold {text!r}", hint="leave out control characters"
        )
    return '"' + text.replace('"', '\\"') + '"'
