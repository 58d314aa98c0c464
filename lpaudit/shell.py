"""Answering queries: one from the command line, or many at a prompt."""

import readline  # noqa: F401 -- gives input() its line editing
import sys
from collections.abc import Callable
from pathlib import Path

from lpaudit import console
from lpaudit.console import Writer
from lpaudit.errors import Exit, LpauditError
from lpaudit.outfile import write_whole
from lpaudit.query import Connection


def answer(
    connection: Connection, query: str, write: Writer, output: Path | None, seconds: float | None
) -> None:
    """Write a query's rows to stdout or, whole or not at all, to a file. Raises LpauditError."""
    schema, batches = connection.stream(query, seconds=seconds)
    names, rows = schema.names, console.rows_of(batches)
    if output is None:
        write(names, rows, sys.stdout)
    else:
        count = write_whole(output, lambda file: write(names, rows, file))
        console.say(f"{console.counted(count, 'row')} in {output}")


def prompt(ask: Callable[[str], None], list_tables: Callable[[], object]) -> int:
    """Read queries from a person until the end of input; return the exit status."""
    console.say("SQL over access, quarantine, source, segment, …; end a query with ; and leave with Ctrl-D")
    query = ""
    while True:
        try:
            line = input("lpaudit> " if not query else "    ...> ")
        except EOFError:
            sys.stdout.write("\n")
            return Exit.OK
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            query = ""
            continue
        if not query and line.strip().lower().rstrip(";") in {"exit", "quit", ".exit", ".quit"}:
            return Exit.OK
        if not query and line.strip() in {".tables", "help", ".help"}:
            list_tables()
            continue
        query += line + "\n"
        if not query.strip():
            query = ""
        elif query.rstrip().endswith(";"):
            try:
                ask(query)
            except LpauditError as error:
                console.fail(error.message, error.hint)
            except KeyboardInterrupt:
                console.say("interrupted")
            query = ""
