"""`lpaudit status`: what the store holds, whether that is well, and what changes."""

import os
import sys
from time import monotonic, sleep
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import ConfigOption, StatusFormat, StoreOption
from lpaudit.cli.times import since_when
from lpaudit.cli.world import configured, now
from lpaudit.errors import ConfigError, Exit


def status(  # noqa: PLR0913 -- options of a command
    *,
    store: StoreOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the store, and this machine's logs, with limits.")
    ] = False,
    max_lag: Annotated[
        float,
        typer.Option(
            "--max-lag", metavar="SECONDS", min=0, help="With --check: a written line is stored within this."
        ),
    ] = 10,
    max_gaps: Annotated[
        int, typer.Option("--max-gaps", metavar="N", min=0, help="With --check: so many gaps may be open.")
    ] = 0,
    max_rejects: Annotated[
        int | None,
        typer.Option(
            "--max-rejects",
            metavar="N",
            min=0,
            help="With --check: so many lines may be in quarantine. [default: any number]",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="With --check: count gaps that were found, and rejects that were stored, since then: "
            "30m, 24h, 7d, 2026-11-01, 2026-11-01T06:00Z. [default: ever]",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show what changes, again and again, until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="With --watch: how often.")
    ] = 2,
    status_format: Annotated[
        StatusFormat, typer.Option("--format", help="For people or programs.")
    ] = StatusFormat.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Say what the store holds: sources, offsets, lines, rejects, gaps, time range, versions, size.

    With --check it is a health check for systemd, containers and monitoring: exit status 0 if no
    limit is exceeded, 1 if one is, 3 if it cannot tell. It looks at the logs on this machine that
    the store knows; what is unread it waits for, at most --max-lag.

    With --watch it shows what costs little to know; Ctrl-C is its regular end (exit status 0).

    Examples:

      lpaudit status

      lpaudit status --check --max-lag 30 --max-rejects 0 --since 24h

      lpaudit status --watch
    """
    settings = configured(config_file, store=store)
    if check and watch:
        raise ConfigError("--check answers once, --watch never ends", hint="give one of them")
    if check:
        return _check(settings["store"].value, status_format, max_lag, max_gaps, max_rejects, since)
    if watch:
        return _watch(settings["store"].value, status_format, interval)
    from lpaudit import anchors, pipeline, summary  # noqa: PLC0415 -- start-up time
    from lpaudit.store import open_store  # noqa: PLC0415 -- start-up time

    found = pipeline.status(settings["store"].value)
    standing = anchors.standing(
        open_store(settings["store"].value),
        found.table_versions,
        anchors.parse(settings["anchors"].value),
        os.environ,
    )
    if status_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(summary.status_json(found, standing), indent=1) + "\n")
    else:
        summary.print_status(found, standing)
    return Exit.OK


def _check(
    root: str, status_format: StatusFormat, lag: float, gaps: int, rejects: int | None, since: str | None
) -> int:
    from lpaudit import health  # noqa: PLC0415 -- start-up time

    limits = health.Limits(lag, gaps, rejects, None if since is None else since_when(since, now()))
    findings = health.check(root, limits, clock=monotonic, sleep=sleep)
    if status_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(health.as_json(findings), indent=1) + "\n")
    else:
        for found in findings:
            console.print_line(f"{found.check:<8} {found.state:<9} {found.text}")
    return health.exit_status(findings)


def _watch(root: str, status_format: StatusFormat, interval: float) -> int:
    from lpaudit import glance  # noqa: PLC0415 -- start-up time

    looking = glance.Watch(root, now)
    before = None
    try:
        while True:
            found = looking.look()
            if status_format is StatusFormat.JSON:
                sys.stdout.write(console.to_json(glance.as_json(found)) + "\n")
            else:
                lines = glance.in_words(found, before)
                sys.stdout.write(glance.screen(lines, terminal=sys.stdout.isatty()))
            sys.stdout.flush()
            before = found
            sleep(interval)
    except KeyboardInterrupt:
        return Exit.OK  # as watch(1) does
