"""`lpaudit hold add|list|release`: lines that are kept whatever their age."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, StoreOption
from lpaudit.cli.times import moment
from lpaudit.cli.world import configured, host, now, unique, user
from lpaudit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from lpaudit.retention import Said

AsOption = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who decides it. [default: the system's user]")
]
TicketOption = Annotated[
    str | None, typer.Option("--ticket", metavar="TICKET", help="Where that is tracked.")
]


def add(  # noqa: PLR0913 -- options of a command
    *,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Lines from then on: 2026-03-01, or with a time in UTC."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Lines until then; a date is included as a whole."),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option("--identity", metavar="NAME", help="Lines of this identity, under all of its logins."),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="ID", help="Lines about or from this flow run and its subflows."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")],
    ticket: TicketOption = None,
    as_: AsOption = None,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Keep lines whatever their age, also those that are still to come: `lpaudit retain` leaves them alone.

    What is named together must apply together. A segment of a log is kept as a whole if the hold covers
    one of its lines.

    Examples:

      lpaudit hold add --from 2026-03-01 --to 2026-03-31 --reason litigation --ticket LEGAL-7

      lpaudit hold add --identity priya --reason "leaver, see the ticket" --ticket HR-12
    """
    if not reason.strip():
        raise ConfigError("nothing is held without a word", hint="say why with --reason")
    settings = configured(config_file, store=store)
    start = None if from_ is None else moment("--from", from_, lambda day: day)
    end = None if to is None else moment("--to", to, lambda day: day + timedelta(days=1))
    from lpaudit import retention  # noqa: PLC0415 -- start-up time

    cover = retention.Cover(start, end, identity, run)
    hold_id, under_way = retention.add(
        settings["store"].value, cover, _said(as_, reason, ticket), now=now, unique=unique
    )
    console.print_line(f"hold {hold_id}")
    for purge_id in under_way:
        console.say(
            f"lpaudit: the purge {purge_id} had begun before: what its certificate names is not covered"
        )
    return Exit.OK


def list_(
    *,
    all_: Annotated[bool, typer.Option("--all", help="Also those that were released.")] = False,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List what is held, by whom and why.

    Example:

      lpaudit hold list --all
    """
    settings = configured(config_file, store=store)
    from lpaudit import retention  # noqa: PLC0415 -- start-up time

    rows = retention.listed(settings["store"].value, released=all_)
    if not all_:
        rows = rows.drop_columns([name for name in rows.column_names if name.startswith("released_")])
    console.WRITERS[row_format](rows.column_names, console.rows_of(rows.to_batches()), sys.stdout)
    return Exit.OK


def release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id, as `list` shows it.")],
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")],
    ticket: TicketOption = None,
    as_: AsOption = None,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Release a hold: what it alone has kept may be purged from then on. Both stay on record.

    Example:

      lpaudit hold release 8d0c2b7a64f1e953 --reason "settled" --ticket LEGAL-7
    """
    if not reason.strip():
        raise ConfigError("nothing is released without a word", hint="say why with --reason")
    settings = configured(config_file, store=store)
    from lpaudit import retention  # noqa: PLC0415 -- start-up time

    retention.release(
        settings["store"].value, hold_id.strip(), _said(as_, reason, ticket), now=now, unique=unique
    )
    console.print_line(f"released {hold_id.strip()}")
    return Exit.OK


def _said(as_: str | None, reason: str, ticket: str | None) -> "Said":
    from lpaudit import retention  # noqa: PLC0415 -- start-up time

    return retention.Said(as_ or user(), reason, ticket, host(), user())
