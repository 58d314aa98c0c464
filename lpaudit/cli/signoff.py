"""`lpaudit signoff`: a reviewer's decision about a report."""

from pathlib import Path
from typing import Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, StoreOption
from lpaudit.cli.times import period_of
from lpaudit.cli.world import configured, host, now, unique, user
from lpaudit.errors import ConfigError, Exit
from lpaudit.visible import instant


def signoff(  # noqa: PLR0913 -- options of a command
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report's file.")],
    *,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who reviewed it: whose key signs.")
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option("--decision", metavar="WORD", help="accepted, accepted-with-exceptions or rejected."),
    ] = None,
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="TEXT", help="What was reviewed, and what came of it.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the report's sign-offs instead of adding one.")
    ] = False,
    prepared_by: Annotated[
        str | None,
        typer.Option(
            "--prepared-by",
            metavar="NAME",
            help="Who made the report, if no night did: never its reviewer. [default: the file's owner]",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Start of the report's period, if no night made it."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End of it. A date means to its end.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The private key. [default: ~/.config/lpaudit/key.pem]"),
    ] = None,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Sign a decision about a report, for good: who reviewed these very bytes, and what he decided.

    Nobody reviews what he made himself. A later decision stands beside the earlier ones. With --verify it
    checks the signatures of all of them; exit status 1 if there is none, or one is not good.

    Examples:

      lpaudit signoff access.html --as hans --decision accepted --comment "three denials, see SEC-1042"

      lpaudit signoff --verify access.html
    """
    settings = configured(config_file, store=store, key=None if key is None else str(key))
    root = settings["store"].value
    from lpaudit import signoff as signoffs  # noqa: PLC0415

    if verify:
        return _verify(root, report)
    if as_ is None or decision is None or not (comment or "").strip():
        raise ConfigError("a sign-off says who, what and why", hint="give --as, --decision and --comment")
    if decision not in signoffs.DECISIONS:
        raise ConfigError(
            f"unknown decision {decision!r}", hint=f"there are: {', '.join(signoffs.DECISIONS)}"
        )
    if (from_ is None) is not (to is None):
        raise ConfigError("a period has two ends", hint="give --from and --to, or neither")
    period = period_of(from_, to) if from_ is not None and to is not None else None
    said = signoffs.Said(as_, decision, comment or "", prepared_by, period)
    file = config.key_path(settings, config.environment())
    row = signoffs.sign_off(root, report, said, file, host=host(), user=user(), now=now(), unique=unique)
    console.print_line(f"{row['reviewer']} {row['decision']} {row['report']}, SHA-256 {row['report_sha256']}")
    console.print_line(f"made by {row['preparer']} ({row['preparer_from']}); sign-off {row['signoff_id']}")
    return Exit.OK


def _verify(root: str, report: Path) -> int:
    from lpaudit import signoff as signoffs  # noqa: PLC0415 -- start-up time

    found = signoffs.verify(root, report)
    for one in found:
        row = one.row
        good = "signature good" if not one.problems else f"NOT GOOD: {'; '.join(one.problems)}"
        when = instant(row["signed_at"])
        console.print_line(f"{when} {row['reviewer']} {row['decision']}: {row['comment']}")
        console.print_line(
            f"  made by {row['preparer']} ({row['preparer_from']}); key {row['key_id']}: {good}"
        )
    if not found:
        console.print_line(f"nobody has signed off these bytes of {report.name}")
    return Exit.OK if found and not any(one.problems for one in found) else Exit.NO
