"""`lpaudit nightly`: everything that is done once a night."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, PrefixOption, QuietOption, StoreOption
from lpaudit.cli.times import moment
from lpaudit.cli.world import configured, host, now, unique, user
from lpaudit.errors import ConfigError

if TYPE_CHECKING:
    from lpaudit.nightly import Taken


def nightly(
    *,
    date_: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The day to look at, in UTC. [default: yesterday]"),
    ] = None,
    framework: Annotated[
        list[str] | None,
        typer.Option(
            "--framework", metavar="NAME", help="A report to write, once or more often. [default: access]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Directory for the reports, in which each night has one. [default: ./lpaudit-reports]",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="STEP", help="Leave out sync or compact; the record says so."),
    ] = None,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Sync, correlate, compact, ask every control, write reports, verify, and alert: once a night.

    A step that fails stops only those that need it, and what each did is a row of `control_run`. The same
    command again goes on with a run that was interrupted, or in which a step failed. Never runs twice at
    once on a store. Exit status 0: nothing new. 1: new or reopened exceptions, or the day is not wholly
    known. 3: a step failed. 5: another one is at work.

    Example:

      lpaudit nightly --framework access --out /var/lib/lpaudit/reports
    """
    settings = configured(
        config_file,
        store=store,
        api_prefix=api_prefix,
        frameworks=",".join(framework) if framework else None,
        report_dir=None if out is None else str(out),
    )
    begun = now()
    night = _night(date_, begun)
    from lpaudit import nightly as nights  # noqa: PLC0415 -- start-up time

    setup = nights.prepare(
        settings, config.environment(), frozenset(skip or ()), file=config_file, now=now, unique=unique
    )
    fresh = nights.fresh(
        night,
        config.names(settings, "frameworks"),
        begun,
        run_id=unique(),
        host=host(),
        user=user(),
        known=setup.library,
    )

    def told(taken: "Taken") -> None:
        if not quiet:
            console.print_line(f"{taken.step:<10} {taken.outcome:<9} {taken.detail}")

    run = nights.begin_and_run(setup, fresh, process=os.getpid(), told=told)
    for taken in run.failed:
        console.say(f"lpaudit: {taken.step} {taken.outcome}: {taken.detail}")
    if untold := run.facts("alert").get("untold"):
        console.say(f"lpaudit: {console.counted(untold, 'alert')} could not be sent: see the table alert")
    if not quiet:
        console.print_line(nights.in_a_line(run))
    return run.status


def _night(text: str | None, begun: datetime) -> date:
    if text is None:
        return begun.date() - timedelta(days=1)
    if len(text) > len("2026-11-23"):
        raise ConfigError(f"--date {text!r} is not a date", hint="write it like 2026-11-23")
    start = moment("--date", text, lambda day: day)
    if start + timedelta(days=1) > begun:
        raise ConfigError(
            f"the day {start:%Y-%m-%d} is not over",
            hint=f"it is {begun.astimezone(UTC):%Y-%m-%d %H:%M} in UTC",
        )
    return start.date()
