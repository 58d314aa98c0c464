"""`lpaudit binder`: a period for an auditor, in one file that can be checked without lpaudit."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, PrefixOption, QuietOption, ReportsOption, StoreOption
from lpaudit.cli.times import asked_period
from lpaudit.cli.world import configured, library
from lpaudit.errors import Exit


def binder(  # noqa: PLR0913 -- a command's options
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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.zip",
            help="The file. [default: lpaudit-binder-FIRST-LAST.zip, with the period's days]",
        ),
    ] = None,
    framework: Annotated[
        list[str] | None,
        typer.Option(
            "--framework",
            metavar="NAME",
            help="Which report; may be repeated. [default: the setting frameworks]",
        ),
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Reports' files: html, md, pdf, xlsx, csv, json, oscal; with commas.",
        ),
    ] = "html,json,csv,md",
    with_segments: Annotated[
        bool,
        typer.Option(
            "--with-segments", help="Also the raw log lines of the period: they hold personal data."
        ),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="The private key. [default: ~/.config/lpaudit/key.pem, if it is there]",
        ),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
    api_prefix: PrefixOption = None,
    reports: ReportsOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Put reports, the rows they are about, and what proves them, into one ZIP for an auditor.

    A verify.py in it checks everything without lpaudit; docs/binder.md says how. The manifest is signed
    if this machine has a key of the store's. The same store, period and parameters give the same bytes.
    Exit status 1 if a question could not be asked: the binder says which, and is written all the same.

    Examples:

      lpaudit binder --period 2026-Q3

      lpaudit binder --from 2026-07-01 --to 2026-09-30 --framework soc2-tsc-2017 --out q3.zip
    """
    settings = configured(
        config_file, store=store, api_prefix=api_prefix, key=None if key is None else str(key)
    )
    asked = asked_period(period, from_, to)
    from lpaudit.binder import Wanted, bind  # noqa: PLC0415
    from lpaudit.progress import reading  # noqa: PLC0415

    last = asked.end - timedelta(microseconds=1)
    file = out or Path(f"lpaudit-binder-{asked.start:%Y%m%d}-{last:%Y%m%d}.zip")
    formats = tuple(name.strip() for name in format_.split(",") if name.strip())
    wanted = Wanted(asked, framework or config.names(settings, "frameworks"), formats, with_segments)
    with reading("binding", shown=not quiet and sys.stderr.isatty()) as progress:
        bound = bind(
            settings["store"].value,
            wanted,
            file,
            config.key_path(settings, os.environ),
            api_prefixes=config.api_prefixes(settings),
            about={name: settings[name].value for name in ("entity", "system")},
            library=library(settings, config_file, reports),
            seconds=config.integer(settings, "check_seconds"),
            progress=progress,
        )
    if not quiet:
        told = bound.evidence
        reported = console.counted(bound.reports, "report")
        console.print_line(f"wrote {bound.path}: {console.counted(bound.files, 'file')}, {reported}")
        if told.checkpoint:
            console.print_line(f"evidence: segments in the signed tree: {told.proven:,} of {told.segments:,}")
        else:
            console.print_line("evidence: unsigned: nothing of this store was ever signed")
        console.print_line(f"manifest: {f'signed by {bound.key}' if bound.key else 'unsigned: no key here'}")
    for error in bound.errors:
        console.fail(f"a question could not be asked: {error}", None)
    return Exit.NO if bound.errors else Exit.OK
