"""`lpaudit compact`: few files of many."""

from typing import Annotated

import typer

from lpaudit.cli.options import ConfigOption, QuietOption, StoreOption
from lpaudit.cli.world import configured, unique
from lpaudit.errors import Exit


def compact(
    *,
    store: StoreOption = None,
    keep_replaced: Annotated[
        int,
        typer.Option(
            "--keep-replaced",
            metavar="HOURS",
            min=0,
            help="Keep replaced files this long: whoever reads the store may still need them.",
        ),
    ] = 24,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Make few files of many: small commits make many small files, and those make a store slow.

    No row and no byte of evidence changes. Others may read and write the store meanwhile.

    Example:

      lpaudit compact --store /var/lib/lpaudit
    """
    settings = configured(config_file, store=store)
    from lpaudit import pipeline, summary  # noqa: PLC0415 -- start-up time

    result = pipeline.compact(settings["store"].value, keep_replaced=keep_replaced, unique=unique)
    if not quiet:
        summary.print_compact(result)
    return Exit.OK
