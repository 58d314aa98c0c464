"""`lpaudit sync`: Prefect's records into the store."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, QuietOption, StoreOption
from lpaudit.cli.world import configured, now, unique
from lpaudit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from lpaudit.sync import Synced, SyncResult


def sync(  # noqa: PLR0913 -- options of a command
    *,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Prefect's API. [default: as PREFECT_API_URL says]"),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Prefect's profile. [default: the active one]"),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Ask for everything, not only for what may have changed.")
    ] = False,
    dump: Annotated[
        Path | None,
        typer.Option(
            "--dump", metavar="DIR", help="Also write the answers to a new directory, for --from-dump."
        ),
    ] = None,
    from_dump: Annotated[
        Path | None,
        typer.Option(
            "--from-dump",
            metavar="DIR",
            help="Ask nobody: take recorded API answers, flow_runs.json[.gz], ….",
        ),
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show progress on a terminal.")] = True,
    store: StoreOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Take Prefect's records into the store, beside the access log.

    Asks Prefect's API for runs, deployments, flows, work pools and what belongs to them, and for
    events; where and how is set as for the prefect command: PREFECT_API_URL, PREFECT_API_KEY,
    PREFECT_API_AUTH_STRING, profiles. Records are kept as they were at each snapshot; values
    that may be secrets are dropped before. A table is stored whole or not at all, and the same
    command again goes on with what is missing.

    Examples:

      lpaudit sync

      lpaudit sync --url https://prefect.example.com/api --dump /media/usb/prefect

      lpaudit sync --from-dump sample_logs/prefect
    """
    if from_dump is not None and (url is not None or profile is not None or full or dump is not None):
        raise ConfigError(
            "--from-dump asks nobody, so --url, --profile, --full and --dump mean nothing with it",
            hint="leave them out, or leave --from-dump out",
        )
    root = configured(config_file, store=store)["store"].value
    from lpaudit import sync as run  # noqa: PLC0415 -- start-up time

    if from_dump is not None:
        _say(run.from_dump(root, from_dump, now=now, unique=unique), quiet=quiet)
        return Exit.OK
    from lpaudit import prefect  # noqa: PLC0415 -- start-up time

    if dump is not None:
        prefect.check_dump(dump)
    settings = prefect.load(config.environment(), Path(), url=url, profile=profile)
    with prefect.Client(settings, sleep=time.sleep, now=now, name=unique()) as client:
        if progress and not quiet and sys.stderr.isatty():
            from lpaudit.progress import SyncProgress  # noqa: PLC0415

            with SyncProgress() as shown:
                synced = run.from_api(
                    root, client, full=full, dump=dump, now=now, unique=unique, progress=shown
                )
        else:
            synced = run.from_api(
                root, client, full=full, dump=dump, now=now, unique=unique, progress=run.Silent()
            )
    return _synced(synced, quiet=quiet)


def _say(results: "list[SyncResult]", *, quiet: bool) -> None:
    """Say what became of a dump."""
    if quiet:
        return
    new = [r for r in results if r.new]
    for result in new:
        console.print_line(f"{result.table}: {result.records:,} records")
    if not new:
        console.print_line(f"nothing new: {sum(r.records for r in results):,} records were already stored")


def _synced(synced: "Synced", *, quiet: bool) -> int:
    """Say what a sync from the API did; return the exit status."""
    if not quiet:
        if synced.resumed:
            console.print_line(f"going on: {synced.resumed} tables were stored by the sync before")
        for result in synced.results:
            if result.error is None:
                unchanged = ", unchanged" if result.records and not result.new else ""
                missing = f", {result.missing:,} missing" if result.missing else ""
                console.print_line(f"{result.table}: {result.records:,} records{unchanged}{missing}")
    failed = synced.failed
    if not failed:
        return Exit.OK
    for error in dict.fromkeys(r.error for r in failed if r.error is not None):
        console.fail(error.message, error.hint)
    names = ", ".join(result.table for result in failed)
    stored = len(synced.results) - len(failed) + synced.resumed
    console.say(
        f"lpaudit: {stored} tables are stored whole; nothing of {names}: the same command goes on there"
    )
    return Exit.FAILED
