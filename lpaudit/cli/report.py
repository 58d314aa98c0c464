"""`lpaudit report`: what happened in a period, for people to read."""

from pathlib import Path
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, PrefixOption, QuietOption, ReportsOption, StoreOption
from lpaudit.cli.times import period_of
from lpaudit.cli.world import configured, library
from lpaudit.errors import Exit


def report(  # noqa: PLR0913 -- each is an option of its own
    framework: Annotated[str, typer.Argument(metavar="NAME", help="Which report: access, soc2-tsc-2017, …")],
    *,
    from_: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="Start of the period: 2026-11-01, 2026-11-01T06:00Z."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TIME",
            help="End of the period. A date means to its end; a time itself is not included.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory for the files.")],
    store: StoreOption = None,
    quiet: QuietOption = False,
    api_prefix: PrefixOption = None,
    reports: ReportsOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Write a report over a period: Markdown, and one HTML page that needs no network and no script.

    Times without an offset are UTC. The same store and period give the same bytes.

    Example:

      lpaudit report access --from 2026-11-01 --to 2026-11-30 --out reports-2026-11
    """
    settings = configured(config_file, store=store, api_prefix=api_prefix)
    period = period_of(from_, to)
    from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

    for path in pipeline.access_report(
        settings["store"].value,
        framework,
        period,
        out,
        config.api_prefixes(settings),
        library=library(settings, config_file, reports),
        seconds=config.integer(settings, "check_seconds"),
    ):
        if not quiet:
            console.print_line(f"wrote {path}")
    return Exit.OK
