"""lighttpd's error log: who tried to log in, what was refused, when the server ran."""

from lpaudit.errorlog.identity import identity
from lpaudit.errorlog.messages import is_error_log
from lpaudit.errorlog.parse import parse
from lpaudit.errorlog.people import people
from lpaudit.errorlog.redact import redact

__all__ = ["identity", "is_error_log", "parse", "people", "redact"]
