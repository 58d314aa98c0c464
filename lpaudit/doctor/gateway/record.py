"""What comes through, and what is written down of it."""

from collections.abc import Iterator
from dataclasses import replace

from lpaudit.doctor.findings import Finding, of_format
from lpaudit.doctor.gateway.complaints import finding
from lpaudit.doctor.gateway.facts import modules, proxying, where
from lpaudit.errors import FormatError
from lpaudit.lighttpd.accesslogs import access_logs
from lpaudit.lighttpd.reader import Other, Source


def websockets(source: Source) -> Iterator[Finding]:
    """Yield where websockets do not come through."""
    for block, settings in proxying(source):
        if not {"proxy.server", "proxy.header"} & block.settings.keys():
            continue
        header = settings.get("proxy.header")
        upgrade = header.get("upgrade") if isinstance(header, Other) else None
        if str(upgrade) not in ("enable", "1"):
            yield finding("no-websockets", where=where(block))


def access_log(source: Source) -> Iterator[Finding]:
    """Yield what the access log leaves out, and what is wrong with its format."""
    logs = [log for log in access_logs(source) if log.filename or log.condition]
    syslog = any(b.settings.get("accesslog.use-syslog") == "enable" for b in source.blocks)
    named = any(log.filename for log in logs)
    if "mod_accesslog" not in modules(source) or not (named or syslog):
        yield finding("no-access-log")
    for block in source.blocks:
        if block.settings.get("accesslog.filename") == "" and block.condition:
            yield finding("unlogged", where=where(block))
    for log in logs:
        if log.unknown:
            continue
        try:
            found = list(of_format(log.format_string))
        except FormatError as error:
            found = [finding("format", reason=error.reason)]
        place = f" ({log.filename or 'access log'}{f', where {log.condition}' if log.condition else ''})"
        for one in found:
            yield replace(one, message=one.message + place)


def error_log(source: Source) -> Iterator[Finding]:
    """Yield that there is no error log."""
    main = source.blocks[0].settings
    if not main.get("server.errorlog") and main.get("server.errorlog-use-syslog") != "enable":
        yield finding("no-error-log")
