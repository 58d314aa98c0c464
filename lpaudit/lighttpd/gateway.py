"""Where Prefect is and who may come in → lighttpd's whole configuration, and the script it calls."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from lpaudit.errors import ConfigError
from lpaudit.lighttpd.rules import ROLES, RULES, conditions
from lpaudit.lighttpd.snippet import check_filename, quoted
from lpaudit.model import LogFormat

FORGEABLE = (
    "Prefect-Automation-Id",
    "Prefect-Automation-Name",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Preferred-Username",
    "X-Auth-Request-Access-Token",
    "X-Remote-User",
    "Remote-User",
    "X-Real-IP",
    "X-Client-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
)
"""Headers that say who or what a request is, and that any client can send.

The first two Prefect believes (get_created_by in its server/api/dependencies.py); the others
are what servers and frameworks between here and there may believe one day.
"""


_STRANGER = "/not-the-forwarder"
"""Path that requests get which do not come from the forwarder: the configuration's word to the script."""


class Auth(StrEnum):
    """How clients prove who they are."""

    BASIC = "basic"
    OIDC = "oidc"
    FORWARDER = "forwarder"


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the operator decides. ``roles`` are users (Basic) or groups that have a role.

    An empty text is what was not said.
    """

    prefect: str
    auth: Auth
    filename: str
    prefix: str = "/prefect"
    listen: str = ""
    tls_pem: str = ""
    script: str = "/etc/lighttpd/lpaudit-gateway.lua"
    htpasswd: str = "/etc/lighttpd/htpasswd"
    issuer: str = ""
    audience: str = ""
    jwks: str = "/etc/lighttpd/jwks.json"
    groups_claim: str = "groups"
    forwarder: str = "127.0.0.1"
    identity_header: str = "X-Forwarded-Email"
    groups_header: str = "X-Forwarded-Groups"
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)


def gateway_configuration(gateway: Gateway, log_format: LogFormat) -> str:
    """Return lighttpd's configuration. Raises ConfigError for what cannot work."""
    check_filename(gateway.filename)
    host, port = _upstream(gateway.prefect)
    listen_host, listen_port = _listen(gateway)
    prefix = _prefix(gateway.prefix)
    for option, path in (
        ("--htpasswd", gateway.htpasswd),
        ("--script", gateway.script),
        ("--tls-pem", gateway.tls_pem or "/"),
    ):
        _absolute(option, path)
    scheme = "https" if gateway.tls_pem else "http"
    shown = listen_host if listen_host not in ("0.0.0.0", "::") else "GATEWAY"  # noqa: S104 -- what to print
    kept = {gateway.identity_header.lower(), gateway.groups_header.lower(), "x-forwarded-for"}
    kept |= {"x-forwarded-proto"}
    return _render(
        "gateway.conf.jinja",
        **_common(gateway),
        url=f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{listen_port}{prefix}/api",
        listen_host=listen_host,
        bind=f"[{listen_host}]" if ":" in listen_host else listen_host,
        listen_port=listen_port,
        upstream_host=host,
        upstream_port=port,
        tls_pem=gateway.tls_pem,
        prefix=prefix,
        prefix_regex=re.escape(prefix),
        filename=gateway.filename,
        errorlog=_errorlog(gateway.filename),
        htpasswd=gateway.htpasswd,
        script=gateway.script,
        forwarder=_forwarder(gateway.forwarder),
        stranger=_STRANGER,
        users={
            role: "|".join(f"user={name}" for name in names)
            for role, names in _named(gateway.roles, r"[^\s,|=:]+").items()
        },
        conditions=list(conditions()),
        stripped=[h for h in FORGEABLE if gateway.auth is not Auth.FORWARDER or h.lower() not in kept],
        log_format=log_format,
    )


def gateway_script(gateway: Gateway) -> str:
    """Return the Lua script that the configuration calls. Raises ConfigError for what cannot work."""
    if gateway.auth is Auth.BASIC:
        raise ConfigError(
            "Basic authentication needs no Lua script", hint="--lua goes with --auth oidc or forwarder"
        )
    _absolute("--jwks", gateway.jwks)
    for option, header in (
        ("--identity-header", gateway.identity_header),
        ("--groups-header", gateway.groups_header),
    ):
        if not re.fullmatch(r"[A-Za-z0-9-]+", header):
            raise ConfigError(
                f"{option} is no header's name: {header}", hint="as in --identity-header X-Forwarded-Email"
            )
    return _render(
        "gateway.lua.jinja",
        **_common(gateway),
        issuer=gateway.issuer,
        audience=gateway.audience,
        jwks=gateway.jwks,
        jwks_raw=gateway.jwks,
        groups_claim=gateway.groups_claim,
        forwarder=_forwarder(gateway.forwarder),
        stranger=_STRANGER,
        identity_header=gateway.identity_header,
        groups_header=gateway.groups_header,
        groups=_named(gateway.roles, r"[^,\x00-\x1f]+"),
        rules=RULES,
    )


def _common(gateway: Gateway) -> dict[str, object]:
    """Check what both need, and return it."""
    if gateway.auth is Auth.OIDC:
        issuer = urlsplit(gateway.issuer)
        if issuer.scheme not in ("https", "http") or not issuer.netloc:
            raise ConfigError(
                f"--issuer is no URL: {gateway.issuer or 'nothing'}",
                hint="it is `issuer` in the provider's /.well-known/openid-configuration, letter by letter",
            )
        if not gateway.audience:
            raise ConfigError(
                "--audience is missing: without it any token of the provider would be let in",
                hint="it is the `aud` of access tokens for Prefect, as in --audience prefect-api",
            )
    return {"auth": str(gateway.auth), "roles": ROLES}


def _upstream(url: str) -> tuple[str, int]:
    hint = "where Prefect's server listens, as in --prefect http://127.0.0.1:4200"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"--prefect is no URL: {url}", hint=hint) from error
    if parts.scheme == "https":
        raise ConfigError(
            "lighttpd's mod_proxy speaks plain HTTP to Prefect, not HTTPS",
            hint="have Prefect listen on 127.0.0.1 beside the gateway, or put a TLS tunnel between them",
        )
    if parts.username or parts.password:
        raise ConfigError(
            "--prefect holds a password, which a configuration is no place for",
            hint="what is printed says how Prefect's auth string is kept",
        )
    strange = parts.query or parts.fragment or parts.path.rstrip("/") not in ("", "/api")
    if parts.scheme != "http" or not host or strange or not re.fullmatch(r"[A-Za-z0-9.:-]+", host):
        raise ConfigError(f"--prefect is not the URL of a Prefect server: {url}", hint=hint)
    return host, port or 80


def _listen(gateway: Gateway) -> tuple[str, int]:
    text = gateway.listen or ("0.0.0.0:443" if gateway.tls_pem else "127.0.0.1:8080")
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+)):(\d{1,5})", text)
    try:
        address = ipaddress.ip_address((match[1] or match[2]) if match else "")
    except ValueError as error:
        raise ConfigError(
            f"--listen is no address with a port: {text}", hint="as in --listen 0.0.0.0:443 or [::]:443"
        ) from error
    port = int(match[3]) if match else 0
    if not 0 < port < 1 << 16:
        raise ConfigError(f"there is no port {port}", hint="as in --listen 0.0.0.0:443")
    if not (gateway.tls_pem or address.is_loopback or gateway.auth is Auth.FORWARDER):
        raise ConfigError(
            f"passwords and tokens would come to {text} in clear text",
            hint="give the certificate with its key, --tls-pem FILE, or listen on 127.0.0.1",
        )
    return str(address), port


def _prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if (prefix and not re.fullmatch(r"(?:/[A-Za-z0-9_-]+)+", prefix)) or prefix == "/api":
        raise ConfigError(
            f"--prefix is no path that Prefect could be under: {text}",
            hint="as in --prefix /prefect; an empty one leaves paths as they are",
        )
    return prefix


def _forwarder(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise ConfigError(
            f"--forwarder is no address: {text}", hint="the one address that oauth2-proxy connects from"
        ) from error


def _absolute(option: str, path: str) -> None:
    if not path.startswith("/"):
        raise ConfigError(f"{option} is not absolute: {path}", hint="lighttpd runs in another directory")


def _named(roles: Mapping[str, Sequence[str]], pattern: str) -> dict[str, list[str]]:
    """Return who has which role; a role that nobody was named for gets a name that nobody has yet."""
    found = {}
    for role in ROLES:
        found[role] = list(roles.get(role) or [f"prefect-{role}"])
        for name in found[role]:
            if not re.fullmatch(pattern, name) or name == "-":
                raise ConfigError(
                    f"--may-{role} cannot be {name!r}", hint=f"names with commas between: --may-{role} a,b"
                )
    return found


def _errorlog(filename: str) -> str:
    folder = (
        PurePosixPath(filename).parent if filename.startswith("/") else PurePosixPath("/var/log/lighttpd")
    )
    return str(folder / "error.log")


def _lua(value: object) -> str:
    """Write a text as Lua reads it."""
    text = str(value)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ConfigError(f"a script cannot hold {text!r}", hint="leave out control characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _render(name: str, **values: object) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 -- start-up time

    environment = Environment(  # noqa: S701 -- not HTML: what is inserted goes through conf and lua
        loader=PackageLoader("lpaudit", "lighttpd"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    environment.filters |= {"conf": quoted, "lua": _lua}
    return environment.get_template(name).render(values)
