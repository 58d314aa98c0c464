"""`lpaudit formats` and `lpaudit lighttpd-config`: log formats, and how to have lighttpd write one."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import Format, FormatOption
from lpaudit.errors import ConfigError, Exit


def formats(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One preset: its format and sample lines.")
    ] = None,
    *,
    row_format: FormatOption = Format.TABLE,
) -> int:
    """List the log formats that come with lpaudit, or one of them with lines that lighttpd wrote in it.

    Examples:

      lpaudit formats

      lpaudit formats lpaudit
    """
    from lpaudit import catalog  # noqa: PLC0415 -- start-up time

    if name is not None and row_format is Format.TABLE:
        for line in catalog.describe_format(name):
            console.print_line(line)
        return Exit.OK
    names, rows = catalog.formats(name)
    console.WRITERS[row_format](names, console.of_dicts(names, rows), sys.stdout)
    return Exit.OK


class Auth(StrEnum):
    """How clients prove who they are: as lighttpd's Auth, which is heavy to import."""

    BASIC = "basic"
    OIDC = "oidc"
    FORWARDER = "forwarder"


def lighttpd_config(  # noqa: PLR0913 -- options of a command
    *,
    file: Annotated[
        str, typer.Option("--file", metavar="PATH", help="The access log that lighttpd is to write.")
    ] = "/var/log/lighttpd/access.log",
    prefect: Annotated[
        str | None,
        typer.Option(
            "--prefect",
            metavar="URL",
            help="Print a whole gateway in front of this Prefect server; the options below are about it.",
        ),
    ] = None,
    auth: Annotated[
        Auth,
        typer.Option(
            "--auth",
            help="How clients prove who they are: HTTP Basic, bearer tokens of an OpenID provider, "
            "or by a header of a trusted forwarder such as oauth2-proxy.",
        ),
    ] = Auth.BASIC,
    lua: Annotated[
        bool, typer.Option("--lua", help="Print the Lua script that oidc and forwarder need instead.")
    ] = False,
    script: Annotated[
        str, typer.Option("--script", metavar="PATH", help="Where that script will be.")
    ] = "/etc/lighttpd/lpaudit-gateway.lua",
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="PATH", help="Path that Prefect is under; empty for none.")
    ] = "/prefect",
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="ADDRESS:PORT",
            help="Where clients connect. [default: 0.0.0.0:443 with TLS, else 127.0.0.1:8080]",
        ),
    ] = None,
    tls_pem: Annotated[
        str | None, typer.Option("--tls-pem", metavar="PATH", help="Certificate chain and private key.")
    ] = None,
    may_run: Annotated[
        str | None,
        typer.Option(
            "--may-run",
            metavar="NAMES",
            help="Users (basic) or groups, with commas between, who create and steer runs; workers, too. "
            "[default: prefect-run]",
        ),
    ] = None,
    may_delete: Annotated[
        str | None,
        typer.Option("--may-delete", metavar="NAMES", help="Who deletes. [default: prefect-delete]"),
    ] = None,
    may_administer: Annotated[
        str | None,
        typer.Option(
            "--may-administer",
            metavar="NAMES",
            help="Who changes deployments, schedules, work pools, automations, blocks, settings. "
            "[default: prefect-administer]",
        ),
    ] = None,
    htpasswd: Annotated[
        str, typer.Option("--htpasswd", metavar="PATH", help="basic: users and hashes of their passwords.")
    ] = "/etc/lighttpd/htpasswd",
    issuer: Annotated[
        str | None,
        typer.Option("--issuer", metavar="URL", help="oidc: the provider, as in `iss` of its tokens."),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option("--audience", metavar="NAME", help="oidc: what `aud` says in tokens for Prefect."),
    ] = None,
    jwks: Annotated[
        str, typer.Option("--jwks", metavar="PATH", help="oidc: a file with the provider's public keys.")
    ] = "/etc/lighttpd/jwks.json",
    groups_claim: Annotated[
        str, typer.Option("--groups-claim", metavar="NAME", help="oidc: the claim that holds groups.")
    ] = "groups",
    forwarder: Annotated[
        str,
        typer.Option("--forwarder", metavar="ADDRESS", help="forwarder: the only address that may connect."),
    ] = "127.0.0.1",
    identity_header: Annotated[
        str, typer.Option("--identity-header", metavar="NAME", help="forwarder: its header with the user.")
    ] = "X-Forwarded-Email",
    groups_header: Annotated[
        str, typer.Option("--groups-header", metavar="NAME", help="forwarder: its header with the groups.")
    ] = "X-Forwarded-Groups",
) -> int:
    """Print the part of lighttpd's configuration that writes the recommended format.

    With --prefect, print a whole configuration instead: a gateway in front of a Prefect server that knows
    who comes, lets them do what they may, and logs it. See docs/gateway.md.

    Examples:

      lpaudit lighttpd-config > /etc/lighttpd/conf-available/15-lpaudit.conf

      lpaudit lighttpd-config --prefect http://127.0.0.1:4200 --tls-pem /etc/lighttpd/gateway.pem
    """
    from lpaudit import formats as told_formats  # noqa: PLC0415 -- start-up time

    if prefect is None:
        if lua:
            raise ConfigError("--lua needs --prefect", hint="as in --prefect http://127.0.0.1:4200")
        sys.stdout.write(told_formats.configuration(file))
        return Exit.OK
    from lpaudit import lighttpd  # noqa: PLC0415 -- start-up time

    gateway = lighttpd.Gateway(
        prefect,
        lighttpd.Auth(auth),
        file,
        prefix=prefix,
        listen=listen or "",
        tls_pem=tls_pem or "",
        script=script,
        htpasswd=htpasswd,
        issuer=issuer or "",
        audience=audience or "",
        jwks=jwks,
        groups_claim=groups_claim,
        forwarder=forwarder,
        identity_header=identity_header,
        groups_header=groups_header,
        roles={
            role: [name.strip() for name in names.split(",")]
            for role, names in (("run", may_run), ("delete", may_delete), ("administer", may_administer))
            if names is not None
        },
    )
    sys.stdout.write(lighttpd.gateway_script(gateway) if lua else told_formats.gateway(gateway))
    return Exit.OK
