"""`lpaudit doctor`: what is wrong with logs, before they are stored."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, StatusFormat
from lpaudit.cli.world import configured
from lpaudit.errors import ConfigError, Exit


def doctor(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH…", help="Log files, directories, globs, or -.")
    ] = None,
    *,
    lighttpd_config: Annotated[
        str | None,
        typer.Option(
            "--lighttpd-config",
            metavar="FILE",
            help="Look at lighttpd's configuration in front of Prefect instead of at logs.",
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            "--log-format",
            metavar="FORMAT",
            help="The format to judge: as for `lpaudit ingest`. [default: auto]",
        ),
    ] = None,
    escaping: Annotated[
        str | None, typer.Option("--escaping", metavar="NAME", help="accesslog.escaping: default or json.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone", metavar="ZONE", help="Zone of times logged without an offset. [default: UTC]"
        ),
    ] = None,
    status_format: Annotated[
        StatusFormat, typer.Option("--format", help="For people or programs.")
    ] = StatusFormat.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Look at logs without storing anything: which format, how its fields are read, what is wrong with it.

    Where no preset fits, it proposes a format string. It warns of secrets in the log, of fields that
    clients can forge, and of what the format lacks. Secrets are not shown again.

    With --lighttpd-config it looks for what lets people in, lets them do more than they may, or lets
    them hide it: who need not log in, rules with holes, headers that can be forged, what is not logged.

    Exit status 1: a log is in no known format, holds secrets, or can be forged; or something is wrong
    with the configuration.

    Examples:

      lpaudit doctor /var/log/lighttpd/access.log

      lpaudit doctor --log-format @/etc/lighttpd/lighttpd.conf '/var/log/lighttpd/access.log*'

      lpaudit doctor --lighttpd-config /etc/lighttpd/lighttpd.conf
    """
    if lighttpd_config is not None:
        if paths:
            raise ConfigError("it is either logs or --lighttpd-config", hint="run it twice")
        return _configuration(Path(lighttpd_config), status_format)
    if not paths:
        raise ConfigError("Missing argument 'PATH…'.", hint="see `lpaudit doctor --help`")
    settings = configured(config_file, log_format=log_format, escaping=escaping, timezone=timezone)
    from lpaudit import diagnosis  # noqa: PLC0415 -- start-up time
    from lpaudit import doctor as room  # noqa: PLC0415
    from lpaudit import formats as told_formats  # noqa: PLC0415

    zone = config.zone(settings)
    told = told_formats.choose(settings["log_format"].value, settings["escaping"].value, zone)
    for note in told.notes:
        console.say(f"lpaudit: {note}")
    found = []
    for one in room.examine(paths, told.format_of, zone):
        found.append(one)
        if one.error is not None:
            console.fail(one.error, one.hint)
        elif status_format is StatusFormat.TABLE:
            diagnosis.print_diagnosis(one)
    if status_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json([diagnosis.as_json(one) for one in found], indent=1) + "\n")
    if any(one.error is not None for one in found):
        return Exit.FAILED
    return Exit.NO if diagnosis.exit_is_no(found) else Exit.OK


def _configuration(path: Path, status_format: StatusFormat) -> int:
    """Judge lighttpd's configuration."""
    from lpaudit import diagnosis, lighttpd  # noqa: PLC0415 -- start-up time
    from lpaudit.doctor import gateway  # noqa: PLC0415

    source = lighttpd.read_file(path)
    for note in source.notes:
        console.say(f"lpaudit: {note}")
    for host in gateway.upstreams(source):
        console.say(f"lpaudit: Prefect is on {host}: whoever reaches it there goes past the gateway, unseen")
    for script in gateway.scripts(source):
        console.say(f"lpaudit: {script} decides who comes in, which is not looked at")
    found = gateway.of_gateway(source, gateway.modes(source))
    if status_format is StatusFormat.JSON:
        answer = {"configuration": str(path), "good": not found, "notes": list(source.notes)}
        findings = diagnosis.findings_as_json(found)
        sys.stdout.write(console.to_json({**answer, "findings": findings}, indent=1) + "\n")
    else:
        diagnosis.print_findings(str(path), found)
    return Exit.NO if found else Exit.OK
