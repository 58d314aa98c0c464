"""What the settings of a gateway say: questions that its checks have in common."""

import ipaddress
import re
from collections.abc import Iterator

from lpaudit.lighttpd.effective import Settings, inherited
from lpaudit.lighttpd.reader import Block, Other, Source, Unknown, Value


def items(value: Value | None) -> tuple[tuple[str | None, Value], ...]:
    """Return what is in a list or map; of anything else nothing."""
    return value.items if isinstance(value, Other) else ()


def where(block: Block) -> str:
    """Return a block's condition as a part of a sentence; nothing for what is outside of all."""
    return f" where {block.condition}" if block.condition else ""


def modules(source: Source) -> set[str]:
    """Return the modules that are loaded."""
    return {str(value) for _, value in items(source.blocks[0].settings.get("server.modules"))}


def proxying(source: Source) -> Iterator[tuple[Block, Settings]]:
    """Yield the blocks whose requests go to Prefect, with all that holds there."""
    for block in source.blocks:
        settings = inherited(block)
        if items(settings.get("proxy.server")):
            yield block, settings


def denies(settings: Settings) -> bool:
    """Whether everything is denied."""
    return any(value == "" for _, value in items(settings.get("url.access-deny")))


def scripted(settings: Settings) -> bool:
    """Whether a Lua script judges requests, or may."""
    value = settings.get("magnet.attract-raw-url-to")
    return bool(items(value)) or isinstance(value, Unknown)


def scripts(source: Source) -> tuple[str, ...]:
    """Return the Lua scripts that judge requests: what they do is not looked at."""
    values = {
        str(value)
        for block in source.blocks
        for _, value in items(block.settings.get("magnet.attract-raw-url-to"))
    }
    return tuple(sorted(values))


def upstreams(source: Source) -> tuple[str, ...]:
    """Return the hosts other than this machine that are proxied to."""
    hosts = {
        str(host.get("host"))
        for block in source.blocks
        for _, group in items(block.settings.get("proxy.server"))
        for _, host in items(group)
        if isinstance(host, Other) and host.get("host") is not None
    }
    return tuple(sorted(host for host in hosts if not loopback(host)))


def required(settings: Settings, path: str) -> str | None:
    """Return what is required of a request; None if nothing is."""
    for prefix, rule in items(settings.get("auth.require")):
        if path.startswith(prefix or "") and isinstance(rule, Other):
            return str(rule.get("require"))
    return None


def loopback(name: str) -> bool:
    """Whether a host, or an address with a port, or a socket's path, is on this machine alone."""
    if name.startswith("/"):
        return True
    host = re.sub(r":\d*$", "", name) if name.count(":") == 1 or "]" in name else name
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
