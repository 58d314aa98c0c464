"""`lpaudit correlate`: lines and flow runs, tied together."""

import sys
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, PrefixOption, QuietOption, StoreOption
from lpaudit.cli.world import configured, now, unique
from lpaudit.errors import Exit


def correlate(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Look at all lines again, not only at what is new.")
    ] = False,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    row_format: FormatOption = Format.TABLE,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Tie requests to flow runs: which one each acted on, and which one's process made it.

    Every link says how it was found out and how sure it is (view `access_run`). Only what is new is
    looked at: lines that were ingested, and records that `lpaudit sync` has brought, since the last time.

    Example:

      lpaudit correlate
    """
    settings = configured(config_file, store=store, api_prefix=api_prefix)
    from lpaudit.correlate import correlate as run  # noqa: PLC0415 -- start-up time

    prefixes = config.api_prefixes(settings)
    root = settings["store"].value
    result = run(root, everything=everything, now=now, unique=unique, api_prefixes=prefixes)
    if result.again:
        console.say(f"lpaudit: everything was looked at again: {result.again}")
    if quiet:
        return Exit.OK
    if row_format is Format.TABLE:
        console.print_line(
            f"{result.lines:,} lines, {result.links:,} links, of which {result.added:,} are new or changed"
            if result.lines
            else "nothing new"
        )
    if result.by or row_format is not Format.TABLE:
        names = ["relation", "method", "confidence", "links"]
        console.WRITERS[row_format](names, iter(result.by), sys.stdout)
    return Exit.OK
