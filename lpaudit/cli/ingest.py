"""`lpaudit ingest`: logs into the store, once or for as long as they grow."""

import os
import signal
import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, QuietOption, StoreOption
from lpaudit.cli.world import configured, now, pseudonyms, unique
from lpaudit.errors import ConfigError, Exit, LpauditError
from lpaudit.watch.options import (
    LogStyleOption,
    MetricsFileOption,
    MetricsPortOption,
    VerboseOption,
    WatchOptions,
)

if TYPE_CHECKING:
    from lpaudit.model import IngestResult

SHOWN_ERRORS = 5


class Kind(StrEnum):
    """Which of lighttpd's logs a file is: as the model's LogKind, which is heavy to import."""

    AUTO = "auto"
    ACCESS = "access"
    ERROR = "error"


def ingest(  # noqa: PLR0913 -- options of a command
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Log files, directories, globs, or -.")],
    *,
    store: StoreOption = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            "--log-format",
            metavar="FORMAT",
            help="A preset (`lpaudit formats` lists them), an accesslog.format string, "
            "@FILE for lighttpd's configuration, or auto. [default: auto]",
        ),
    ] = None,
    former_format: Annotated[
        list[str] | None,
        typer.Option(
            "--former-format",
            metavar="FORMAT",
            help="A preset or a format string that older lines of the same logs may be in; once for each.",
        ),
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option("--kind", help="Which of lighttpd's logs the files are; auto: their first lines tell."),
    ] = Kind.AUTO,
    escaping: Annotated[
        str | None, typer.Option("--escaping", metavar="NAME", help="accesslog.escaping: default or json.")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="Host whose lighttpd wrote the logs: part of a source's identity. "
            "[default: this machine's name]",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone",
            metavar="ZONE",
            help="Zone of times logged without an offset: of error logs always. [default: UTC]",
        ),
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="The files will not grow: take a last line that has no end, too.")
    ] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Go on reading as the logs grow and rotate, until SIGTERM or Ctrl-C."
        ),
    ] = False,
    flush_interval: Annotated[
        str | None,
        typer.Option(
            "--flush-interval",
            metavar="SECONDS",
            help="With --follow or a pipe: store lines at the latest so long after they came. [default: 1]",
        ),
    ] = None,
    follow_symlinks: Annotated[
        bool,
        typer.Option("--follow-symlinks", help="Also where a link in a directory leads out of it."),
    ] = False,
    compact: Annotated[
        bool,
        typer.Option(help="With --follow or a pipe: run `lpaudit compact` on the side from time to time."),
    ] = True,
    correlate: Annotated[
        bool,
        typer.Option(
            help="With --follow: run `lpaudit correlate` on the side, each minute that has brought lines."
        ),
    ] = True,
    metrics_file: MetricsFileOption = None,
    metrics_port: MetricsPortOption = None,
    log_style: LogStyleOption = None,
    verbose: VerboseOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and count, but store nothing.")] = False,
    max_rejects: Annotated[
        int | None,
        typer.Option(
            "--max-rejects", metavar="N", min=0, help="Exit with 1 if more new lines than this are rejected."
        ),
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on a terminal.")] = True,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Read lighttpd's access and error logs into the store: plain, gzip, zstd, bzip2 or xz.

    Running it again adds what is new, and nothing twice. With --follow it goes on for months: files
    may be rotated, cut, compressed or deleted meanwhile, and new ones appear. `{host}` in a PATH
    stands for the host that a log is of. What looks like
    a secret is redacted before anything is stored.

    Examples:

      lpaudit ingest /var/log/lighttpd/access.log

      lpaudit ingest --host gw1 --log-format audit '/logs/gw1/access.log*'

      zcat old.gz | lpaudit ingest --log-format '%h %V %u %t "%r" %>s %b' -

      lpaudit ingest --follow '/logs/{host}/access.log'
    """
    settings = configured(
        config_file,
        store=store,
        log_format=log_format,
        escaping=escaping,
        host=host,
        timezone=timezone,
        flush_interval=flush_interval,
    )
    if follow and (final or dry_run or max_rejects is not None):
        raise ConfigError(
            "--follow has no end, so --final, --dry-run and --max-rejects mean nothing with it",
            hint="`lpaudit status --check --max-rejects N` looks at a store that is being followed into",
        )
    from lpaudit import formats as told_formats  # noqa: PLC0415 -- start-up time
    from lpaudit import ingest as run  # noqa: PLC0415
    from lpaudit.alarms import AlarmObserver  # noqa: PLC0415
    from lpaudit.model import LogKind  # noqa: PLC0415

    zone = config.zone(settings)
    told = told_formats.choose(settings["log_format"].value, settings["escaping"].value, zone)
    for note in told.notes:
        console.say(f"lpaudit: {note}")
    options = run.IngestOptions(
        host=settings["host"].value or None,
        format_of=told.format_of,
        kind=None if kind is Kind.AUTO else LogKind(kind),
        timezone=zone,
        segment_bytes=config.integer(settings, "segment_bytes"),
        flush_interval=config.seconds(settings, "flush_interval"),
        final=final,
        dry_run=dry_run,
        leave=follow_symlinks,
        fingerprint_key=_fingerprint_key(settings, dry_run=dry_run),
        pseudonyms=pseudonyms(settings, dry_run=dry_run),
        former=told_formats.former(former_format or (), settings["escaping"].value, zone),
        format_now=told.now,
    )
    root = settings["store"].value
    if follow:
        from lpaudit import following  # noqa: PLC0415 -- start-up time

        watch = WatchOptions(log_style, verbose, quiet, metrics_file, metrics_port)
        sides = {"correlate": correlate, "sign": _has_key(settings)}
        beside_ = [command for command, does in sides.items() if does]
        return following.follow(
            root, paths, options, now=now, unique=unique, watch=watch, compact=compact, beside=beside_
        )
    if "-" in paths:
        from lpaudit import beside, following  # noqa: PLC0415 -- start-up time

        # lighttpd's piped log: what has come is stored, also when lighttpd is told to stop.
        stopped = following.on_signal(lambda: None, signal.SIGTERM)
        options = replace(options, stopping=lambda: bool(stopped))
        if compact:
            options = replace(options, compact=beside.Starter("compact", root, AlarmObserver()))
        if sys.stdin.isatty():
            console.say("reading from the terminal: end with Ctrl-D")
    else:
        from lpaudit import memory  # noqa: PLC0415 -- start-up time

        memory.keep()
    if progress and not quiet and sys.stderr.isatty():
        from lpaudit.progress import ProgressObserver  # noqa: PLC0415

        with ProgressObserver() as observer:
            result = run.ingest(root, paths, options, observer, now=now, unique=unique)
    else:
        result = run.ingest(root, paths, options, AlarmObserver(), now=now, unique=unique)
    if not dry_run:
        _sign(settings)
    return _ingested(result, root, dry_run=dry_run, max_rejects=max_rejects, quiet=quiet)


def _fingerprint_key(settings: config.Config, *, dry_run: bool) -> bytes | None:
    """Return the key of fingerprints. A default one that cannot be used holds up no line: that is said."""
    from lpaudit import fingerprints  # noqa: PLC0415 -- start-up time

    setting = settings["fingerprint_key"].value
    path = fingerprints.path_of(setting, os.environ)
    try:
        return fingerprints.key(path, settings["store"].value, None if dry_run else os.urandom)
    except ConfigError as error:
        if setting:
            raise
        console.say(f"lpaudit: secrets get no fingerprints: {error.message}")
        return None


def _has_key(settings: config.Config) -> bool:
    """Tell whether this user has a key that the store is signed with."""
    return config.key_path(settings, os.environ).is_file()


def _sign(settings: config.Config) -> None:
    """Sign what was stored, if there is a key. What goes wrong with it is said, and undoes nothing."""
    if not _has_key(settings):
        return
    from lpaudit import anchors, keys  # noqa: PLC0415 -- start-up time
    from lpaudit.store import open_store  # noqa: PLC0415

    try:
        wanted = anchors.parse(settings["anchors"].value)
        target = open_store(settings["store"].value)
        signer = keys.signer(target, config.key_path(settings, os.environ))
        _, failed = anchors.sign(target, signer, wanted, now=now, unique=unique, environ=os.environ)
    except LpauditError as error:
        console.fail(f"not signed: {error.message}", error.hint)
        return
    for sentence in failed:
        console.say(f"lpaudit: {sentence}")


def _ingested(
    result: "IngestResult", root: str, *, dry_run: bool, max_rejects: int | None, quiet: bool
) -> int:
    """Say what an ingest did; return the exit status."""
    if not quiet:
        from lpaudit import summary  # noqa: PLC0415 -- it needs what the command has imported by now

        summary.print_ingest(result, root, dry_run=dry_run)
    for failed in result.errors[:SHOWN_ERRORS]:
        console.fail(failed.error or "", failed.hint)
    if len(result.errors) > SHOWN_ERRORS:
        console.say(f"lpaudit: … and {len(result.errors) - SHOWN_ERRORS} more inputs that could not be read")
    if result.errors:
        return Exit.FAILED
    if max_rejects is not None and result.rejected > max_rejects:
        rejected = console.counted(result.rejected, "line")
        kept = "" if dry_run else "; they are stored, in quarantine"
        hint = "`lpaudit doctor` says why" if dry_run else "the view quarantine has them, and why"
        console.fail(f"{rejected} rejected, more than {max_rejects}{kept}", hint)
        return Exit.NO
    return Exit.OK
