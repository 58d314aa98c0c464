"""What others can read that they should not, or change: passwords, tokens, keys, scripts."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from lpaudit.doctor.findings import Finding
from lpaudit.doctor.gateway.admission import USERFILES
from lpaudit.doctor.gateway.complaints import finding
from lpaudit.doctor.gateway.facts import denies, items, loopback, scripted, scripts, where
from lpaudit.lighttpd.effective import Settings, inherited
from lpaudit.lighttpd.reader import Source

Mode = Mapping[str, int | None]
"""A file's permission bits; None where there is none, or it cannot be asked."""

_KEYFILES = ("ssl.pemfile", "ssl.privkey")


def modes(source: Source) -> Mode:
    """Look at the files that a configuration keeps secrets or rules in."""
    found: dict[str, int | None] = {}
    for path in sorted({path for _, path in _secret_files(source)} | set(scripts(source))):
        try:
            found[path] = stat.S_IMODE(Path(path).stat().st_mode)
        except OSError:
            found[path] = None
    return found


def sockets(source: Source) -> Iterator[Finding]:
    """Yield where passwords and tokens come in clear text."""
    main = source.blocks[0].settings
    found: list[tuple[str, Settings]] = [
        (f"{main.get('server.bind', '')}:{main.get('server.port', 80)}", main)
    ]
    found += [
        (block.operand, inherited(block))
        for block in source.blocks
        if block.subject == '$SERVER["socket"]' and block.operator == "=="
    ]
    # Clear text that only leads to HTTPS asks for nothing.
    if any(
        (block.subject, block.operator, block.operand) == ('$HTTP["scheme"]', "==", "http")
        and (items(block.settings.get("url.redirect")) or denies(block.settings))
        for block in source.blocks
    ):
        return
    logins = any(items(block.settings.get("auth.require")) for block in source.blocks)
    for name, settings in found:
        if items(settings.get("url.redirect")):
            continue
        forwarded = items(settings.get("extforward.forwarder"))
        secrets = logins or (scripted(settings) and not forwarded)
        clear = settings.get("ssl.engine") != "enable" and not loopback(name)
        if secrets and clear and not denies(settings):
            yield finding("no-tls", name=name)


def files(source: Source, mode: Mode) -> Iterator[Finding]:
    """Yield files that others on this machine, or on the web, can read or change."""
    roots = {str(b.settings.get("server.document-root", "")).rstrip("/") for b in source.blocks} - {""}
    for path in scripts(source):
        bits = mode.get(path)
        if bits is not None and bits & stat.S_IWOTH:
            yield finding("writable-script", path=path, bits=bits)
    for key, path in _secret_files(source):
        bits = mode.get(path)
        if bits is not None and bits & (stat.S_IROTH | stat.S_IWOTH):
            yield finding("readable-file", key=key, path=path, bits=bits)
        if any(PurePosixPath(path).is_relative_to(root) for root in roots):
            yield finding("served-file", key=key, path=path)


def debugging(source: Source) -> Iterator[Finding]:
    """Yield what writes headers into the error log."""
    for block in source.blocks:
        for key, value in block.settings.items():
            if key.startswith("debug.log-request-header") and value == "enable":
                yield finding("headers-logged", key=key, where=where(block))


def _secret_files(source: Source) -> Iterator[tuple[str, str]]:
    for block in source.blocks:
        for key in (*USERFILES.values(), *_KEYFILES):
            value = block.settings.get(key)
            if isinstance(value, str) and value.startswith("/"):
                yield key, value
