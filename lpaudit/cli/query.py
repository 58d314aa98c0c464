"""`lpaudit sql` and `lpaudit tables`: ask the store, and learn what can be asked."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import act, config, console, guard
from lpaudit.cli import acts
from lpaudit.cli.options import ConfigOption, Format, FormatOption, PrefixOption, StoreOption
from lpaudit.cli.world import configured
from lpaudit.errors import Exit


def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="One SELECT, or - for stdin.")] = None,
    *,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to FILE instead of stdout.")
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0,
            help="Seconds that a query may take, to its last row; 0 for any. [default: 300]",
        ),
    ] = None,
    api_prefix: PrefixOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Ask the store with SQL (DuckDB). Read-only: a query is one SELECT.

    Without a query, on a terminal, it prompts. `lpaudit tables` lists what there is. A query that takes too
    long, or too much memory, ends with exit status 3.

    Examples:

      lpaudit sql 'select user, count(*) from access group by all order by 2 desc'

      lpaudit sql --format csv -o denied.csv 'select * from access where status in (401, 403)'
    """
    settings = configured(
        config_file,
        store=store,
        api_prefix=api_prefix,
        sql_timeout=None if timeout is None else str(timeout),
    )
    seconds = config.integer(settings, "sql_timeout", least=0) or None
    root, prefixes, write = (
        settings["store"].value,
        config.api_prefixes(settings),
        console.WRITERS[row_format],
    )
    if query is None and sys.stdin.isatty():
        with acts.recording(settings, "shell", "", memory=guard.MEMORY) as status:
            from lpaudit import pipeline, shell  # noqa: PLC0415 -- start-up time

            with pipeline.opened(root, prefixes) as (connection, versions):

                def answer(text: str) -> None:
                    # Recorded before: if it has to be ended with its process, nobody else knows of it.
                    with acts.recording(settings, "shell", text, first=True):
                        act.opened(versions)
                        shell.answer(connection, text, write, None, seconds)

                status.append(shell.prompt(answer, tables))
                return status[-1]
    # Not UTF-8 is said of a query in one place, wherever it comes from.
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if query in (None, "-") else query
    with acts.recording(settings, "sql", text or "", memory=guard.MEMORY):
        from lpaudit import pipeline, shell  # noqa: PLC0415

        with pipeline.opened(root, prefixes) as (connection, _):
            shell.answer(connection, text or "", write, output, seconds)
    return Exit.OK


def tables(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One table or view: its columns.")
    ] = None,
    *,
    row_format: FormatOption = Format.TABLE,
    files: Annotated[
        bool, typer.Option("--files", help="List the data files of the store's tables: the true list.")
    ] = False,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """List tables and views, or the columns of one, with what they mean.

    Examples:

      lpaudit tables

      lpaudit tables access
    """
    if files:
        from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

        settings = configured(config_file, store=store)
        listed = (row for row in pipeline.data_files(settings["store"].value) if name in (None, row[0]))
        console.WRITERS[row_format](["table", "file"], listed, sys.stdout)
        return Exit.OK
    from lpaudit import catalog, pipeline  # noqa: PLC0415

    names, rows = catalog.describe(name, pipeline.column_types)
    console.WRITERS[row_format](names, console.of_dicts(names, rows), sys.stdout)
    return Exit.OK
