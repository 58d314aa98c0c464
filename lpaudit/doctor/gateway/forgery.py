"""What a client can pretend: headers that Prefect or the log believes, whoever sent them."""

import re
from collections.abc import Iterator

from lpaudit.doctor.findings import Finding
from lpaudit.doctor.gateway.complaints import finding
from lpaudit.doctor.gateway.facts import denies, items, modules, proxying, scripts, where
from lpaudit.lighttpd.accesslogs import access_logs
from lpaudit.lighttpd.reader import Source

_PREFECTS = ("prefect-automation-id", "prefect-automation-name")
_IDENTITIES = re.compile(
    r"%[<>]?\{((?:x-forwarded|x-auth-request)-(?:user|email|preferred-username|groups)|(?:x-)?remote-user)\}i",
    re.IGNORECASE,
)


def headers(source: Source) -> Iterator[Finding]:
    """Yield headers that are believed behind the gateway, and not removed."""
    loaded = "mod_setenv" in modules(source)
    for block, settings in proxying(source):
        if not {"proxy.server", "setenv.set-request-header"} & block.settings.keys() or denies(settings):
            continue
        listed = items(settings.get("setenv.set-request-header")) if loaded else ()
        removed = {(name or "").lower() for name, value in listed if value == ""}
        missing = [name.title() for name in _PREFECTS if name not in removed]
        if missing:
            yield finding("automation-headers", where=where(block), names=" and ".join(missing))
        trusted = items(settings.get("extforward.forwarder"))
        if "x-forwarded-for" not in removed and not trusted:
            yield finding("forwarded-for", where=where(block))


def forwarders(source: Source) -> Iterator[Finding]:
    """Yield forwarders that are trusted too far, and identities that anybody can claim."""
    for block in source.blocks:
        for address, value in items(block.settings.get("extforward.forwarder")):
            everybody = address == "all" or (address or "").endswith("/0")
            if everybody and str(value) not in ("", "0", "untrusted"):
                yield finding("everybody-trusted", where=where(block))
    # mod_extforward has replaced the peer's address before any condition looks at it.
    replaced = any(items(block.settings.get("extforward.forwarder")) for block in source.blocks)
    limited = any(
        block.subject.lower() in ('$http["remote-ip"]', '$http["remoteip"]')
        and block.operator in ("!=", "!~")
        and denies(block.settings)
        for block in source.blocks
    )
    if (limited and not replaced) or any(scripts(source)):
        return
    for log in access_logs(source):
        for name in dict.fromkeys(_IDENTITIES.findall(log.format_string)):
            yield finding("identity-header", name=name)
