"""`lpaudit report`: what happened in a period, for people to read."""

from pathlib import Path
from typing import Annotated

import typer

from lpaudit import act, config, console
from lpaudit.cli.options import ConfigOption, PrefixOption, QuietOption, ReportsOption, StoreOption
from lpaudit.cli.times import asked_period
from lpaudit.cli.world import configured, library
from lpaudit.errors import Exit


def report(  # noqa: PLR0913 -- a command's options
    frameworks: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Which reports: access, or another framework.")
    ],
    *,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Start of the period: 2026-11-01, 2026-11-01T06:00Z."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="End of the period. A date means to its end; a time itself is not included.",
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="NAME",
            help="Instead of --from and --to: 2026, 2026-Q3, 2026-11, 2026-W47 or 2026-11-23, in UTC.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory for the files.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Which files: html, md, pdf, xlsx, csv, json, oscal; with commas.",
        ),
    ] = "md,html",
    store: StoreOption = None,
    quiet: QuietOption = False,
    api_prefix: PrefixOption = None,
    reports: ReportsOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Write reports over a period, for people and for their tools.

    Times without an offset are UTC. The same store, period and parameters give the same bytes.
    Files appear when all of them are whole. Exit status 3 if a question could not be asked: the
    files say which, and are written all the same.

    Examples:

      lpaudit report access --period 2026-11 --out reports-2026-11

      lpaudit report access --from 2026-11-01 --to 2026-11-30 --format html,pdf,xlsx --out reports-2026-11
    """
    settings = configured(config_file, store=store, api_prefix=api_prefix)
    asked = asked_period(period, from_, to)
    from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

    written = pipeline.reports(
        settings["store"].value,
        frameworks,
        asked,
        out,
        formats=[name.strip() for name in format_.split(",") if name.strip()],
        api_prefixes=config.api_prefixes(settings),
        about={name: settings[name].value for name in ("entity", "system")},
        library=library(settings, config_file, reports),
        seconds=config.integer(settings, "check_seconds"),
    )
    act.current().files.extend(written.paths)
    if not quiet:
        for path in written.paths:
            console.print_line(f"wrote {path}")
    for name, errors in written.errors.items():
        for check, why in errors.items():
            console.fail(f"{name}: a question could not be asked: {check}: {why}", None)
    return Exit.FAILED if written.errors else Exit.OK
