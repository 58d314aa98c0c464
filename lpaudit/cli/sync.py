"""`lpaudit sync`: Prefect's records into the store."""

from pathlib import Path
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import ConfigOption, QuietOption, StoreOption
from lpaudit.cli.world import configured, now, unique
from lpaudit.errors import Exit


def sync(
    *,
    from_dump: Annotated[
        Path, typer.Option("--from-dump", metavar="DIR", help="Recorded API answers: flow_runs.json[.gz], ….")
    ],
    store: StoreOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Take Prefect's records into the store, beside the access log.

    Records are kept as they were at each snapshot; a snapshot that is already there is not
    taken twice.

    Example:

      lpaudit sync --from-dump sample_logs/prefect
    """
    settings = configured(config_file, store=store)
    from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

    results = pipeline.sync_dump(settings["store"].value, from_dump, now=now, unique=unique)
    if not quiet:
        new = [r for r in results if r.new]
        for result in new:
            console.print_line(f"{result.table}: {result.records:,} records")
        if not new:
            console.print_line(
                f"nothing new: {sum(r.records for r in results):,} records were already stored"
            )
    return Exit.OK
