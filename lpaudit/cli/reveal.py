"""`lpaudit reveal`: who is behind a pseudonym, on record."""

import os
import sys
from typing import Annotated

import typer

from lpaudit import act, console
from lpaudit.canonical import canonical
from lpaudit.cli import acts
from lpaudit.cli.options import ConfigOption, Format, FormatOption, StoreOption
from lpaudit.cli.world import configured
from lpaudit.errors import ConfigError, Exit


def reveal(
    values: Annotated[
        list[str], typer.Argument(metavar="VALUE…", help="Pseudonyms; with --find logins or addresses.")
    ],
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it must be known: a ticket, a request.")
    ],
    find: Annotated[
        bool, typer.Option("--find", help="The other way: print the pseudonym of each login or address.")
    ] = False,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Print who or which address a pseudonym stands for; it takes the key that made it.

    Who asks, when, for what and why is in the table audit_trail before anything is printed; where that
    cannot be written, nothing is. A name that was revealed is not written there.

    Examples:

      lpaudit reveal u~mfzs… --reason 'incident 4711: who deleted the deployment'

      lpaudit reveal --find alice 192.0.2.7 --reason 'request of a data subject, 2026-12-01'
    """
    from lpaudit import pseudonyms as made  # noqa: PLC0415 -- start-up time

    settings = configured(config_file, store=store)
    if not reason.strip():
        raise ConfigError("--reason is empty", hint="say why it must be known: it is recorded")
    people = made.load(
        frozenset(made.KINDS),
        settings["pseudonym_key"].value,
        settings["store"].value,
        os.environ,
        None,
    )
    found = [(people.of(made.kind_of(value), value), value) for value in values] if find else []
    asked = [pseudonym for pseudonym, _ in found] or [value.strip() for value in values]
    text = canonical({"find": find, "reason": reason, "values": asked}).decode()
    with acts.recording(settings, "reveal", text, first=True, must=True) as status:
        act.current().unhashed = True
        rows = found or [(value, people.name_of(value)) for value in asked]
        console.WRITERS[row_format](["pseudonym", "name"], iter(rows), sys.stdout)
        status.append(Exit.OK)
    return Exit.OK
