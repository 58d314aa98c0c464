"""`lpaudit retain`: lines that are too old go, and a signed certificate stays."""

import os
import sys
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, KeyOption, QuietOption, StatusFormat, StoreOption
from lpaudit.cli.times import so_long_before
from lpaudit.cli.world import configured, host, now, unique, user
from lpaudit.errors import ConfigError, Exit


def retain(  # noqa: PLR0913 -- options of a command
    *,
    keep: Annotated[
        str,
        typer.Option("--keep", metavar="TIME", help="How long lines are kept: 400d, 57w, 13mo, 7y."),
    ],
    class_: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Only this class of evidence; may be repeated. [default: access, error]",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and what is held, and do nothing.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the certificate.")
    ] = None,
    ticket: Annotated[
        str | None, typer.Option("--ticket", metavar="TICKET", help="Where that is tracked.")
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who decides it. [default: the system's user]")
    ] = None,
    key: KeyOption = None,
    store: StoreOption = None,
    retain_format: Annotated[
        StatusFormat, typer.Option("--format", help="For people or programs.")
    ] = StatusFormat.TABLE,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Purge lines that are older than --keep, with their raw bytes, unless a hold covers them.

    A segment of a log goes as a whole, when all of its lines are older. What stays is a certificate that
    is signed and in the tree: with it, `lpaudit verify` accepts that these bytes are gone, and no others.
    Reports over a purged time say so. Whatever interrupts it, the same command again finishes it.

    Examples:

      lpaudit retain --keep 400d --dry-run

      lpaudit retain --keep 13mo --class access --reason "policy 4.2"
    """
    settings = configured(config_file, store=store, key=None if key is None else str(key))
    at = now()
    cut = so_long_before("--keep", keep, at)
    from lpaudit import anchors, keys, retention  # noqa: PLC0415 -- start-up time
    from lpaudit.store import open_store  # noqa: PLC0415

    rule = retention.Rule(keep, cut, tuple(retention.chosen(class_ or ())))
    root, done, waiting = settings["store"].value, None, list[str]()
    if dry_run:
        found, waiting = retention.planned(root, rule)
    else:
        wanted = anchors.parse(settings["anchors"].value)
        try:
            signer = keys.signer(open_store(root), config.key_path(settings, os.environ))
        except ConfigError as error:
            raise ConfigError(
                f"nothing is purged without a key: {error.message}",
                hint="without a signed certificate, purged lines could not be told from stolen ones; "
                f"{error.hint}",
            ) from error
        said = retention.Said(as_ or user(), reason, ticket, host(), user())
        means = retention.Means(signer, wanted, os.environ, now, unique)
        done = retention.purge(root, rule, said, means)
        found = done.plan
        for sentence in done.failed:
            console.say(f"lpaudit: {sentence}")
    if retain_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(retention.as_json(found, done, waiting), indent=1) + "\n")
    elif not quiet:
        for line in retention.in_words(found, done, waiting):
            console.print_line(line)
    return Exit.OK
