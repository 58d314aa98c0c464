"""lighttpd's configuration: read to learn how its access logs are written, and written for it."""

from lpaudit.lighttpd.accesslogs import AccessLog, access_logs, choose
from lpaudit.lighttpd.load import Configuration, find_lighttpd, load
from lpaudit.lighttpd.snippet import snippet

__all__ = ["AccessLog", "Configuration", "access_logs", "choose", "find_lighttpd", "load", "snippet"]
