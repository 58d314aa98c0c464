"""`lpaudit formats` and `lpaudit lighttpd-config`: log formats, and how to have lighttpd write one."""

import sys
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import Format, FormatOption
from lpaudit.errors import Exit


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


def lighttpd_config(
    *,
    file: Annotated[
        str, typer.Option("--file", metavar="PATH", help="The access log that lighttpd is to write.")
    ] = "/var/log/lighttpd/access.log",
) -> int:
    """Print the part of lighttpd's configuration that writes the recommended format.

    Example:

      lpaudit lighttpd-config > /etc/lighttpd/conf-available/15-lpaudit.conf
    """
    from lpaudit import formats as told_formats  # noqa: PLC0415 -- start-up time

    sys.stdout.write(told_formats.configuration(file))
    return Exit.OK
