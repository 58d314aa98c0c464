"""What is wrong with lighttpd's configuration in front of Prefect: who gets in, and what the log will say.

It looks at settings, not at requests: a network that lets people pass the gateway by, and what
a Lua script does, it cannot see.
"""

import ipaddress
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lpaudit.doctor.findings import Finding, Severity, of_format
from lpaudit.errors import FormatError
from lpaudit.lighttpd.accesslogs import access_logs
from lpaudit.lighttpd.effective import Settings, effective, inherited, rewritten
from lpaudit.lighttpd.reader import Block, Other, Source, Unknown, Value

Mode = Mapping[str, int | None]
"""A file's permission bits; None where there is none, or it cannot be asked."""

_ID = "86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a"
# Requests that come to the same. Whoever may not do one of them must not be able to do another.
_ALIKE = {
    "delete": (
        ("DELETE", f"/api/flow_runs/{_ID}"),
        ("DELETE", f"/api/flow_runs/{_ID.upper()}"),
        ("POST", "/api/flow_runs/bulk_delete"),
        ("DELETE", f"/api/deployments/{_ID}"),
        ("POST", "/api/deployments/bulk_delete"),
        ("POST", "/api/flows/bulk_delete"),
    ),
    "create runs": (
        ("POST", f"/api/deployments/{_ID}/create_flow_run"),
        ("POST", f"/api/deployments/{_ID.upper()}/create_flow_run"),
        ("POST", f"/api/deployments/{_ID}/create_flow_run/bulk"),
        ("POST", "/api/flow_runs/"),
    ),
    "administer": (
        ("PUT", "/api/admin/storage"),
        ("PATCH", f"/api/automations/{_ID}"),
        ("PUT", f"/api/automations/{_ID}"),
    ),
}
_PREFECTS = ("prefect-automation-id", "prefect-automation-name")
_IDENTITIES = re.compile(
    r"%[<>]?\{((?:x-forwarded|x-auth-request)-(?:user|email|preferred-username|groups)|(?:x-)?remote-user)\}i",
    re.IGNORECASE,
)
_USERFILES = {
    "htpasswd": "auth.backend.htpasswd.userfile",
    "plain": "auth.backend.plain.userfile",
    "htdigest": "auth.backend.htdigest.userfile",
}
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


def of_gateway(source: Source, mode: Mode) -> list[Finding]:
    """Return what is wrong with a configuration, the worst first."""
    found = [
        *_logins(source),
        *_backends(source),
        *_rules(source),
        *_sockets(source),
        *_files(source, mode),
        *_headers(source),
        *_forwarders(source),
        *_proxy(source),
        *_logs(source),
        *_error_log(source),
        *_debugging(source),
    ]
    found = list(dict.fromkeys(found))
    return sorted(found, key=lambda f: list(Severity).index(f.severity))


def upstreams(source: Source) -> tuple[str, ...]:
    """Return the hosts other than this machine that are proxied to."""
    hosts = {
        str(host.get("host"))
        for block in source.blocks
        for _, group in _items(block.settings.get("proxy.server"))
        for _, host in _items(group)
        if isinstance(host, Other) and host.get("host") is not None
    }
    return tuple(sorted(host for host in hosts if not _loopback(host)))


def scripts(source: Source) -> tuple[str, ...]:
    """Return the Lua scripts that judge requests: what they do is not looked at."""
    values = {
        str(value)
        for block in source.blocks
        for _, value in _items(block.settings.get("magnet.attract-raw-url-to"))
    }
    return tuple(sorted(values))


def _items(value: Value | None) -> tuple[tuple[str | None, Value], ...]:
    return value.items if isinstance(value, Other) else ()


def _where(block: Block) -> str:
    return f" where {block.condition}" if block.condition else ""


def _modules(source: Source) -> set[str]:
    return {str(value) for _, value in _items(source.blocks[0].settings.get("server.modules"))}


def _proxying(source: Source) -> Iterator[tuple[Block, Settings]]:
    """Yield the blocks whose requests go to Prefect, and that say something of their own."""
    for block in source.blocks:
        settings = inherited(block)
        if _items(settings.get("proxy.server")):
            yield block, settings


def _denies(settings: Settings) -> bool:
    """Whether everything is denied."""
    return any(value == "" for _, value in _items(settings.get("url.access-deny")))


def _scripted(settings: Settings) -> bool:
    value = settings.get("magnet.attract-raw-url-to")
    return bool(_items(value)) or isinstance(value, Unknown)


def _required(settings: Settings, path: str) -> str | None:
    """Return what is required of a request; None if nothing is."""
    for prefix, rule in _items(settings.get("auth.require")):
        if path.startswith(prefix or "") and isinstance(rule, Other):
            return str(rule.get("require"))
    return None


_OPEN_HINT = 'set auth.require = ( "" => … ) outside of every condition, and only narrow it inside'


def _logins(source: Source) -> Iterator[Finding]:
    proxying = list(_proxying(source))
    if not proxying:
        yield Finding(
            Severity.WARNING,
            "no-proxy",
            "nothing is proxied: it is no gateway",
            "name the configuration that has proxy.server; `lpaudit lighttpd-config --prefect` prints one",
        )
    decisive = ("proxy.server", "auth.require", "magnet.attract-raw-url-to")
    for block, settings in proxying:
        if not any(key in block.settings for key in decisive) or _scripted(settings) or _denies(settings):
            continue
        rules = settings.get("auth.require")
        if isinstance(rules, Unknown):
            continue
        if not _items(rules):
            inside = [
                b for b in source.blocks if block in b.path[:-1] and _items(b.settings.get("auth.require"))
            ]
            only = f", except{_where(inside[0])}" if inside else ""
            though = " though auth.backend is set" if "auth.backend" in settings else ""
            yield Finding(
                Severity.OPEN,
                "no-login",
                f"everybody reaches Prefect without a login{_where(block)}{only}{though}",
                _OPEN_HINT,
            )
            continue
        prefixes = [prefix or "" for prefix, _ in _items(rules)]
        for proxied, _ in _items(settings.get("proxy.server")):
            if proxied is not None and not any(proxied.startswith(prefix) for prefix in prefixes):
                yield Finding(
                    Severity.OPEN,
                    "login-on-prefix",
                    f"a login is only asked for under {', '.join(prefixes)}{_where(block)}: other paths, "
                    "and that one in another spelling, reach Prefect without",
                    _OPEN_HINT,
                )


def _backends(source: Source) -> Iterator[Finding]:
    for block in source.blocks:
        backend = inherited(block).get("auth.backend")
        asks = [rule for _, rule in _items(block.settings.get("auth.require")) if isinstance(rule, Other)]
        if backend in _USERFILES and any("group=" in str(rule.get("require")) for rule in asks):
            yield Finding(
                Severity.WARNING,
                "no-groups",
                f"auth.require asks for a group, but {backend} knows none: nobody fits",
                "list users, as in user=alice|user=bob",
            )
    if any(block.settings.get("auth.backend") == "plain" for block in source.blocks):
        yield Finding(
            Severity.WARNING,
            "plain-passwords",
            "auth.backend is plain: the file holds the passwords themselves",
            'use auth.backend = "htpasswd" and hashes: htpasswd -B, or openssl passwd -6',
        )


def _rules(source: Source) -> Iterator[Finding]:
    """Yield where a rule can be got around by another request that comes to the same."""
    main = source.blocks[0].settings
    prefixes = [""]
    for key in ("url.rewrite-once", "url.rewrite", "url.rewrite-repeat"):
        prefixes += [m[1] for p, _ in _items(main.get(key)) if (m := re.match(r"\^(/[\w-]+)", p or ""))]
    for what, requests in _ALIKE.items():
        asked: dict[tuple[str, str], frozenset[str] | None] = {}
        for prefix in dict.fromkeys(prefixes):
            for method, path in requests:
                seen = rewritten(main, prefix + path)
                settings = effective(source, method, seen)
                if _items(settings.get("proxy.server")) and not _scripted(settings):
                    asked[method, prefix + path] = _who(settings, seen)
        limited = {request: who for request, who in asked.items() if who is not None}
        if not limited:
            continue
        # Who is denied altogether is no measure of who else may.
        narrow = min(limited, key=lambda request: len(limited[request]) or 1 << 30)
        loose = [request for request, who in asked.items() if who is None or not who <= limited[narrow]]
        if loose:
            yield Finding(
                Severity.OPEN,
                "rule-with-holes",
                f"who may {what} is limited for {_short(narrow)}, but not for "
                + ", ".join(map(_short, loose)),
                "let the rule cover them too; `lpaudit lighttpd-config --prefect` prints one that does",
            )


def _who(settings: Settings, path: str) -> frozenset[str] | None:
    """Return the users and groups who may; None for everybody who can log in."""
    if _denies(settings):
        return frozenset()
    required = _required(settings, path)
    return None if required in (None, "valid-user") else frozenset(str(required).split("|"))


def _short(request: tuple[str, str]) -> str:
    return " ".join(request).replace(_ID, "{id}").replace(_ID.upper(), "{ID}")


def _sockets(source: Source) -> Iterator[Finding]:
    main = source.blocks[0].settings
    sockets: list[tuple[str, Settings]] = [
        (f"{main.get('server.bind', '')}:{main.get('server.port', 80)}", main)
    ]
    sockets += [
        (block.operand, inherited(block))
        for block in source.blocks
        if block.subject == '$SERVER["socket"]' and block.operator == "=="
    ]
    # Clear text that only leads to HTTPS asks for nothing.
    if any(
        (block.subject, block.operator, block.operand) == ('$HTTP["scheme"]', "==", "http")
        and (_items(block.settings.get("url.redirect")) or _denies(block.settings))
        for block in source.blocks
    ):
        return
    logins = any(_items(block.settings.get("auth.require")) for block in source.blocks)
    for name, settings in sockets:
        if _items(settings.get("url.redirect")):
            continue
        forwarded = _items(settings.get("extforward.forwarder"))
        secrets = logins or (_scripted(settings) and not forwarded)
        if (
            secrets
            and settings.get("ssl.engine") != "enable"
            and not _loopback(name)
            and not _denies(settings)
        ):
            yield Finding(
                Severity.SECRET,
                "no-tls",
                f"passwords and tokens come to {name} in clear text",
                'set ssl.engine = "enable" and ssl.pemfile, or listen on 127.0.0.1',
            )


def _loopback(name: str) -> bool:
    if name.startswith("/"):
        return True
    host = re.sub(r":\d*$", "", name) if name.count(":") == 1 or "]" in name else name
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _secret_files(source: Source) -> Iterator[tuple[str, str]]:
    for block in source.blocks:
        for key in (*_USERFILES.values(), *_KEYFILES):
            value = block.settings.get(key)
            if isinstance(value, str) and value.startswith("/"):
                yield key, value


def _files(source: Source, mode: Mode) -> Iterator[Finding]:
    roots = {str(b.settings.get("server.document-root", "")).rstrip("/") for b in source.blocks} - {""}
    for path in scripts(source):
        bits = mode.get(path)
        if bits is not None and bits & stat.S_IWOTH:
            yield Finding(
                Severity.OPEN,
                "writable-script",
                f"everybody on this machine can change {path}, which decides who comes in (mode {bits:04o})",
                f"chmod o-w {path}, and print it again",
            )
    for key, path in _secret_files(source):
        bits = mode.get(path)
        if bits is not None and bits & (stat.S_IROTH | stat.S_IWOTH):
            yield Finding(
                Severity.SECRET,
                "readable-file",
                f"{key} {path} can be read or written by everybody on this machine (mode {bits:04o})",
                f"chmod o= {path}, and change the passwords or keys in it",
            )
        if any(PurePosixPath(path).is_relative_to(root) for root in roots):
            yield Finding(
                Severity.SECRET,
                "served-file",
                f"{key} {path} is below server.document-root: it may be downloaded",
                "move it out of there",
            )


def _headers(source: Source) -> Iterator[Finding]:
    loaded = "mod_setenv" in _modules(source)
    for block, settings in _proxying(source):
        if not {"proxy.server", "setenv.set-request-header"} & block.settings.keys() or _denies(settings):
            continue
        listed = _items(settings.get("setenv.set-request-header")) if loaded else ()
        removed = {(name or "").lower() for name, value in listed if value == ""}
        missing = [name for name in _PREFECTS if name not in removed]
        if missing:
            yield Finding(
                Severity.FORGEABLE,
                "automation-headers",
                f"a client can have Prefect believe that an automation created a run{_where(block)}: "
                + " and ".join(name.title() for name in missing)
                + " come through",
                'remove both: setenv.set-request-header = ( "Prefect-Automation-Id" => "", … ); '
                "a condition that sets it replaces the whole list",
            )
        trusted = _items(settings.get("extforward.forwarder"))
        if "x-forwarded-for" not in removed and not trusted:
            yield Finding(
                Severity.FORGEABLE,
                "forwarded-for",
                f"a client chooses the beginning of X-Forwarded-For{_where(block)} in the log",
                'remove it: setenv.set-request-header = ( "X-Forwarded-For" => "" ); '
                "or name the proxy in front in extforward.forwarder",
            )


def _forwarders(source: Source) -> Iterator[Finding]:
    for block in source.blocks:
        for address, value in _items(block.settings.get("extforward.forwarder")):
            everybody = address == "all" or (address or "").endswith("/0")
            if everybody and str(value) not in ("", "0", "untrusted"):
                yield Finding(
                    Severity.FORGEABLE,
                    "everybody-trusted",
                    f"extforward.forwarder trusts everybody{_where(block)}: any client chooses the address "
                    "that it is logged with",
                    "name the addresses of the proxies in front",
                )
    # mod_extforward has replaced the peer's address before any condition looks at it.
    replaced = any(_items(block.settings.get("extforward.forwarder")) for block in source.blocks)
    limited = any(
        block.subject.lower() in ('$http["remote-ip"]', '$http["remoteip"]')
        and block.operator in ("!=", "!~")
        and _denies(block.settings)
        for block in source.blocks
    )
    if (limited and not replaced) or any(scripts(source)):
        return
    for log in access_logs(source):
        for name in dict.fromkeys(_IDENTITIES.findall(log.format_string)):
            yield Finding(
                Severity.FORGEABLE,
                "identity-header",
                f"the access log takes {name} for who it was, and any client can send it",
                "let only the forwarder in, and remember that mod_extforward hides who that is; "
                "`lpaudit lighttpd-config --auth forwarder` prints how",
            )


def _proxy(source: Source) -> Iterator[Finding]:
    for block, settings in _proxying(source):
        if not {"proxy.server", "proxy.header"} & block.settings.keys():
            continue
        header = settings.get("proxy.header")
        upgrade = header.get("upgrade") if isinstance(header, Other) else None
        if str(upgrade) not in ("enable", "1"):
            yield Finding(
                Severity.WARNING,
                "no-websockets",
                f"websockets do not come through{_where(block)}: no events from flows, no live logs",
                'set proxy.header = ( "upgrade" => "enable" )',
            )
    parsing = source.blocks[0].settings.get("server.http-parseopts")
    for option in ("url-normalize", "url-normalize-unreserved", "url-path-dotseg-remove", "url-ctrls-reject"):
        if isinstance(parsing, Other) and parsing.get(option) == "disable":
            yield Finding(
                Severity.OPEN,
                "not-normalised",
                f"server.http-parseopts has {option} disabled: a path can be one thing to a rule and another "
                "to Prefect",
                "enable it, with url-path-2f-decode",
            )


def _logs(source: Source) -> Iterator[Finding]:
    logs = [log for log in access_logs(source) if log.filename or log.condition]
    syslog = any(b.settings.get("accesslog.use-syslog") == "enable" for b in source.blocks)
    named = any(log.filename for log in logs)
    if "mod_accesslog" not in _modules(source) or not (named or syslog):
        yield Finding(
            Severity.WARNING,
            "no-access-log",
            "no access log is written: nobody will know who did what",
            "`lpaudit lighttpd-config` prints what writes one",
        )
    for block in source.blocks:
        if block.settings.get("accesslog.filename") == "" and block.condition:
            yield Finding(
                Severity.WARNING,
                "unlogged",
                f"requests are not logged{_where(block)}",
                "log them: a report cannot tell what was left out from what did not happen",
            )
    for log in logs:
        if log.unknown:
            continue
        try:
            found = list(of_format(log.format_string))
        except FormatError as error:
            found = [Finding(Severity.WARNING, "format", error.reason, "`lighttpd -tt` checks it")]
        where = f" ({log.filename or 'access log'}{f', where {log.condition}' if log.condition else ''})"
        for finding in found:
            yield replace(finding, message=finding.message + where)


def _error_log(source: Source) -> Iterator[Finding]:
    main = source.blocks[0].settings
    if not main.get("server.errorlog") and main.get("server.errorlog-use-syslog") != "enable":
        yield Finding(
            Severity.WARNING,
            "no-error-log",
            "server.errorlog is not set: who failed to log in is nowhere else",
            'set server.errorlog = "/var/log/lighttpd/error.log"',
        )


def _debugging(source: Source) -> Iterator[Finding]:
    for block in source.blocks:
        for key, value in block.settings.items():
            if key.startswith("debug.log-request-header") and value == "enable":
                yield Finding(
                    Severity.SECRET,
                    "headers-logged",
                    f"{key} writes passwords and tokens into the error log{_where(block)}",
                    "take it out",
                )
