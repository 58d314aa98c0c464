"""`lpaudit exceptions list|assign|close`: the register of exceptions, in people's hands."""

import sys
from datetime import date
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, StoreOption
from lpaudit.cli.world import configured, library, now, unique, user
from lpaudit.errors import ConfigError, Exit

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Exceptions, by the ids that `list` shows.")
]
AsOption = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who says so. [default: the system's user]")
]
CommentOption = Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="What there is to say.")]


def list_(
    *,
    open_: Annotated[
        bool, typer.Option("--open/--all", help="Those that nobody has closed, or all that there ever were.")
    ] = True,
    check: Annotated[
        str | None, typer.Option("--check", metavar="ID", help="Only those of this check.")
    ] = None,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List exceptions: what nights found, who looks into it, and until when.

    The worst and the oldest come first. The tables `exception` and `exception_latest` have everything that
    is known of them, with every event.

    Example:

      lpaudit exceptions list --check bypass
    """
    settings = configured(config_file, store=store)
    from lpaudit import register  # noqa: PLC0415 -- start-up time

    root = settings["store"].value
    rows = register.listed(root, open_only=open_, check=check)
    if check is not None and not register.listed(root, open_only=False, check=check).num_rows:
        from lpaudit import report  # noqa: PLC0415

        report.load_check(check, library(settings, config_file, None))  # or it says that there is none
    console.WRITERS[row_format](rows.column_names, console.rows_of(rows.to_batches()), sys.stdout)
    return Exit.OK


def assign(
    ids: IdsArgument,
    *,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="NAME", help="Who is to look into it.")
    ] = None,
    ticket: Annotated[
        str | None, typer.Option("--ticket", metavar="TICKET", help="Where that is tracked.")
    ] = None,
    due: Annotated[
        str | None, typer.Option("--due", metavar="DATE", help="The last day on which it is in time (UTC).")
    ] = None,
    comment: CommentOption = None,
    as_: AsOption = None,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Give exceptions to somebody. What is not said stays as it was.

    Example:

      lpaudit exceptions assign 8d0c2b7a64f1e953 --owner priya --ticket SEC-1042 --due 2026-12-01
    """
    if owner is None and ticket is None and due is None and comment is None:
        raise ConfigError("nothing is said of it", hint="give --owner, --ticket, --due or --comment")
    settings = configured(config_file, store=store)
    from lpaudit import register  # noqa: PLC0415 -- start-up time

    said = register.Said(as_ or user(), comment, owner, ticket, None if due is None else _day(due))
    count = register.say(settings["store"].value, ids, said, now=now, unique=unique)
    console.print_line(f"assigned {console.counted(count, 'exception')}")
    return Exit.OK


def close(
    ids: IdsArgument,
    *,
    disposition: Annotated[
        str,
        typer.Option(
            "--disposition",
            metavar="WORD",
            help="What was found: explained, fixed, accepted, false-positive or duplicate.",
        ),
    ],
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="Why: what an auditor will read.")
    ],
    as_: AsOption = None,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Close exceptions, and say why. One that a night sees again with other rows opens again.

    Example:

      lpaudit exceptions close 8d0c2b7a64f1e953 --disposition explained --comment "restore test, SEC-1042"
    """
    settings = configured(config_file, store=store)
    from lpaudit import register  # noqa: PLC0415 -- start-up time

    if disposition not in register.DISPOSITIONS:
        raise ConfigError(
            f"unknown disposition {disposition!r}", hint=f"there are: {', '.join(register.DISPOSITIONS)}"
        )
    if not comment.strip():
        raise ConfigError("an exception is not closed without a word", hint="say why with --comment")
    said = register.Said(as_ or user(), comment, disposition=disposition)
    count = register.say(settings["store"].value, ids, said, now=now, unique=unique)
    console.print_line(f"closed {console.counted(count, 'exception')}")
    return Exit.OK


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ConfigError(f"--due {text!r} is not a date", hint="write it like 2026-12-01") from None
