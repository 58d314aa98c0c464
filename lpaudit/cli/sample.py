"""`lpaudit sample`: a draw that an auditor can repeat."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, PrefixOption, StoreOption
from lpaudit.cli.times import asked_period
from lpaudit.cli.world import configured, library
from lpaudit.errors import Exit


def sample(  # noqa: PLR0913 -- options of a command
    *,
    check: Annotated[str, typer.Option("--check", metavar="ID", help="From whose answer to draw.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Start of the period.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End of the period. A date means to its end.")
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="NAME",
            help="Instead of --from and --to: 2026, 2026-Q3, 2026-11, 2026-W47 or 2026-11-23, in UTC.",
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many to draw.")] = 25,
    seed: Annotated[
        str, typer.Option("--seed", metavar="SEED", help="Any text: the same one draws the same rows.")
    ],
    stratify: Annotated[
        str | None,
        typer.Option("--stratify", metavar="COLUMN", help="Draw from each value of a column in proportion."),
    ] = None,
    exceptions: Annotated[
        bool, typer.Option("--exceptions", help="Of a control: only from its exceptions.")
    ] = False,
    frame: Annotated[
        Path | None,
        typer.Option(
            "--frame", metavar="FILE", help="Also write all rows that could be drawn, as JSON lines."
        ),
    ] = None,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Draw rows from a check's answer by a published method, which is printed on stderr.

    The same store, period and seed draw the same rows. With --frame a few lines without lpaudit draw them
    again: docs/auditor.md has them.

    Example:

      lpaudit sample --check denied-requests --period 2026-Q3 --n 25 --seed 20261004
    """
    settings = configured(config_file, store=store, api_prefix=api_prefix)
    asked = asked_period(period, from_, to)
    from lpaudit import sample as samples  # noqa: PLC0415 -- start-up time

    drawn = samples.draw(
        settings["store"].value,
        check,
        asked,
        wanted=n,
        seed=seed,
        stratify=stratify,
        exceptions_only=exceptions,
        api_prefixes=config.api_prefixes(settings),
        library=library(settings, config_file, None),
    )
    if frame is not None:
        from lpaudit.outfile import write_whole  # noqa: PLC0415

        text = b"".join(item.line() for item in drawn.frame).decode("utf-8", "surrogatepass")
        write_whole(frame, lambda file: file.write(text))
    for line in drawn.method():
        console.say(line)
    names = ["sample_no", "row_id", *(drawn.frame[0].row if drawn.frame else ())]
    rows = ((number, i.row_id, *i.row.values()) for number, i in enumerate(drawn.drawn, 1))
    console.WRITERS[row_format](names, rows, sys.stdout)
    return Exit.OK
