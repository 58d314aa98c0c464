"""`lpaudit doctor`: what is wrong with logs, before they are stored."""

import sys
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, StatusFormat
from lpaudit.cli.world import configured
from lpaudit.errors import Exit


def doctor(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Log files, directories, globs, or -.")],
    *,
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

    Exit status 1: a log is in no known format, holds secrets, or can be forged.

    Examples:

      lpaudit doctor /var/log/lighttpd/access.log

      lpaudit doctor --log-format @/etc/lighttpd/lighttpd.conf '/var/log/lighttpd/access.log*'
    """
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
