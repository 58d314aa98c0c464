"""`lpaudit identities import` and `list`: who is behind the logins of the access log."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli import acts
from lpaudit.cli.options import ConfigOption, Format, FormatOption, QuietOption, StoreOption
from lpaudit.cli.times import moment
from lpaudit.cli.world import configured, now, pseudonyms, unique
from lpaudit.errors import Exit


class Form(StrEnum):
    """How a file says who there is."""

    TOML = "toml"
    CSV = "csv"
    SCIM = "scim"
    OKTA = "okta"


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that say who there is.")],
    *,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="When the files were true. [default: now]"),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="Form of the files. [default: recognised by their content]"),
    ] = None,
    directory: Annotated[
        str | None,
        typer.Option(
            "--directory",
            metavar="NAME",
            help="What the files are a version of. [default: as they say, okta, scim, or the file's name]",
        ),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Take lists of people, services, workers and AI agents into the store, with their groups.

    A file is lpaudit's own TOML or CSV, an export of SCIM 2.0 (Users, Groups), or one of Okta. All files
    of a directory in one command are one version of it: whoever is in the version before and not in this one
    is gone. Nothing is imported of files that contradict each other, or a directory that is in the store.
    The same files again add nothing.

    Examples:

      lpaudit identities import identities.toml

      lpaudit identities import --as-of 2026-10-31T22:00Z okta-users.json
    """
    settings = configured(config_file, store=store)
    root = settings["store"].value
    at = moment("--as-of", as_of, lambda day: day) if as_of else None
    from lpaudit import identities, roster  # noqa: PLC0415 -- start-up time

    results = identities.import_files(
        root,
        files,
        as_of=at,
        form=roster.Form(form) if form else None,
        directory=directory,
        now=now,
        unique=unique,
        pseudonyms=pseudonyms(settings),
    )
    for result in results:
        if not quiet:
            console.print_line(
                f"{result.directory}: {'' if result.new else 'nothing new: '}"
                f"{result.identities:,} {'identity' if result.identities == 1 else 'identities'}, "
                f"{console.counted(result.entitlements, 'entitlement')}, "
                f"{console.counted(result.tokens, 'token')}"
            )
    return Exit.OK


def list_(
    *,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="As of this time. [default: now]")
    ] = None,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List who there was at a time, and whether they might log in.

    Example:

      lpaudit identities list --as-of 2026-06-30T12:00Z
    """
    root = configured(config_file, store=store)["store"].value
    at = moment("--as-of", as_of, lambda day: day) if as_of else now()
    from lpaudit import identities  # noqa: PLC0415 -- start-up time

    rows = identities.listed(root, at)
    if row_format is Format.TABLE:  # where each stands is for those who look closer
        rows = rows.drop_columns(["display_name", "aliases", "source", "line", "as_of"])
    console.WRITERS[row_format](rows.column_names, console.rows_of(rows.to_batches()), sys.stdout)
    return Exit.OK


app = typer.Typer(
    help="Say who is behind the logins of the access log.",
    rich_markup_mode=None,
)
app.command("import")(acts.recorded("identities import", import_))
app.command("list")(acts.recorded("identities list", list_))
