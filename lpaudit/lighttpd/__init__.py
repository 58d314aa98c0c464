"""lighttpd's configuration: read to learn how its access logs are written, and written for it."""

from lpaudit.lighttpd.accesslogs import AccessLog, access_logs, choose
from lpaudit.lighttpd.gateway import Auth, Gateway, gateway_configuration, gateway_script
from lpaudit.lighttpd.load import Configuration, find_lighttpd, load
from lpaudit.lighttpd.reader import read_file
from lpaudit.lighttpd.snippet import snippet

__all__ = [
    "AccessLog",
    "Auth",
    "Configuration",
    "Gateway",
    "access_logs",
    "choose",
    "find_lighttpd",
    "gateway_configuration",
    "gateway_script",
    "load",
    "read_file",
    "snippet",
]
