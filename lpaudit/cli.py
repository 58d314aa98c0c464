"""The command line: arguments → pipeline → console → exit status.

What is heavy (polars, pyarrow, duckdb, deltalake) is imported inside the commands, so that
help and completion answer at once.
"""

import re
import signal
import sys
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import STORE_VERSION, __version__, config, console
from lpaudit.errors import ConfigError, Exit
from lpaudit.visible import instant
from lpaudit.watch.options import (
    LogStyleOption,
    MetricsFileOption,
    MetricsPortOption,
    VerboseOption,
    WatchOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lpaudit.model import IngestResult, Period

app = typer.Typer(
    name="lpaudit",
    help="lighttpd access logs and Prefect's records as evidence you can query.",
    epilog="Exit status: 0 done; 1 done, and the answer is no; 2 asked for something impossible; "
    "3 could not finish; 4 a bug in lpaudit; 130 interrupted.",
    invoke_without_command=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


SHOWN_ERRORS = 5


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"


class StatusFormat(StrEnum):
    """How status is written."""

    TABLE = "table"
    JSON = "json"


StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="STORE", help="A directory, or s3://BUCKET/PREFIX. [default: ./lpaudit-store]"
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="Configuration file instead of lpaudit.toml; `none` for none."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How rows are written.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def _version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 -- start-up time

        libraries = ", ".join(
            f"{name} {version(name)}" for name in ("polars", "pyarrow", "duckdb", "deltalake")
        )
        python = sys.version.split()[0]
        sys.stdout.write(
            f"lpaudit {__version__} (store version {STORE_VERSION}, Python {python}, {libraries})\n"
        )
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """lighttpd access logs and Prefect's records as evidence you can query."""
    del version
    if context.invoked_subcommand is None:
        console.say(context.get_help())
        raise typer.Exit(Exit.USAGE)


def _now() -> datetime:
    return datetime.now(UTC)


def _unique() -> str:
    return uuid.uuid4().hex


def _config(file: str | None, **options: str | None) -> config.Config:
    return config.load(options, config.environment(), file=file)


@app.command()
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
            "--timezone", metavar="ZONE", help="Zone of times logged without an offset. [default: UTC]"
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
    """Read access logs into the store: plain, gzip, zstd, bzip2 or xz.

    Running it again adds what is new, and nothing twice. With --follow it goes on for months: files
    may be rotated, cut, compressed or deleted meanwhile, and new ones appear. `{host}` in a PATH
    stands for the host that a log is of.

    Examples:

      lpaudit ingest /var/log/lighttpd/access.log

      lpaudit ingest --host gw1 --log-format audit '/logs/gw1/access.log*'

      zcat old.gz | lpaudit ingest --log-format '%h %V %u %t "%r" %>s %b' -

      lpaudit ingest --follow '/logs/{host}/access.log'
    """
    settings = _config(
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

    zone = config.zone(settings)
    told = told_formats.choose(settings["log_format"].value, settings["escaping"].value, zone)
    for note in told.notes:
        console.say(f"lpaudit: {note}")
    options = run.IngestOptions(
        host=settings["host"].value or None,
        format_of=told.format_of,
        timezone=zone,
        segment_bytes=config.integer(settings, "segment_bytes"),
        flush_interval=config.seconds(settings, "flush_interval"),
        final=final,
        dry_run=dry_run,
        leave=follow_symlinks,
    )
    root = settings["store"].value
    if follow:
        from lpaudit import following  # noqa: PLC0415 -- start-up time

        watch = WatchOptions(log_style, verbose, quiet, metrics_file, metrics_port)
        return following.follow(root, paths, options, now=_now, unique=_unique, compact=compact, watch=watch)
    if "-" in paths:
        from lpaudit import following  # noqa: PLC0415 -- start-up time

        # lighttpd's piped log: what has come is stored, also when lighttpd is told to stop.
        stopped = following.on_signal(lambda: None, signal.SIGTERM)
        options = replace(options, stopping=lambda: bool(stopped))
        if compact:
            options = replace(options, compact=following.compaction(root, AlarmObserver()))
        if sys.stdin.isatty():
            console.say("reading from the terminal: end with Ctrl-D")
    if progress and not quiet and sys.stderr.isatty():
        from lpaudit.progress import ProgressObserver  # noqa: PLC0415

        with ProgressObserver() as observer:
            result = run.ingest(root, paths, options, observer, now=_now, unique=_unique)
    else:
        result = run.ingest(root, paths, options, AlarmObserver(), now=_now, unique=_unique)
    return _ingested(result, root, dry_run=dry_run, max_rejects=max_rejects, quiet=quiet)


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
        console.say(f"lpaudit: {rejected} rejected, more than {max_rejects}; they are stored, in quarantine")
        return Exit.NO
    return Exit.OK


@app.command()
def sync(
    *,
    from_dump: Annotated[
        Path, typer.Option("--from-dump", metavar="DIR", help="Recorded API answers: flow_runs.json[.gz], ….")
    ],
    store: StoreOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Take Prefect's records into the store, beside the access log.

    Records are kept as they were at each snapshot; a snapshot that is already there is not
    taken twice.

    Example:

      lpaudit sync --from-dump sample_logs/prefect
    """
    settings = _config(config_file, store=store)
    from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

    results = pipeline.sync_dump(settings["store"].value, from_dump, now=_now, unique=_unique)
    if not quiet:
        new = [r for r in results if r.new]
        for result in new:
            console.print_line(f"{result.table}: {result.records:,} records")
        if not new:
            console.print_line(
                f"nothing new: {sum(r.records for r in results):,} records were already stored"
            )
    return Exit.OK


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="One SELECT, or - for stdin.")] = None,
    *,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to FILE instead of stdout.")
    ] = None,
    config_file: ConfigOption = None,
) -> int:
    """Ask the store with SQL (DuckDB). Read-only: a query is one SELECT.

    Without a query, on a terminal, it prompts. `lpaudit tables` lists what there is.

    Examples:

      lpaudit sql 'select user, count(*) from access group by all order by 2 desc'

      lpaudit sql --format csv -o denied.csv 'select * from access where status in (401, 403)'
    """
    settings = _config(config_file, store=store)
    from lpaudit import pipeline, shell  # noqa: PLC0415 -- start-up time

    write = console.WRITERS[row_format]
    if query is None and sys.stdin.isatty():
        with pipeline.opened(settings["store"].value) as (connection, _):
            return shell.prompt(connection, write, tables)
    # Not UTF-8 is said of a query in one place, wherever it comes from.
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if query in (None, "-") else query
    with pipeline.opened(settings["store"].value) as (connection, _):
        shell.answer(connection, text or "", write, output)
    return Exit.OK


@app.command()
def tables(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One table or view: its columns.")
    ] = None,
    *,
    row_format: FormatOption = Format.TABLE,
    files: Annotated[
        bool, typer.Option("--files", help="List the data files of the store's tables: the true list.")
    ] = False,
    store: StoreOption = None,
    config_file: ConfigOption = None,
) -> int:
    """List tables and views, or the columns of one, with what they mean.

    Examples:

      lpaudit tables

      lpaudit tables access
    """
    if files:
        from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

        settings = _config(config_file, store=store)
        listed = (row for row in pipeline.data_files(settings["store"].value) if name in (None, row[0]))
        console.WRITERS[row_format](["table", "file"], listed, sys.stdout)
        return Exit.OK
    from lpaudit import catalog, pipeline  # noqa: PLC0415

    names, rows = catalog.describe(name, pipeline.column_types)
    console.WRITERS[row_format](names, console.of_dicts(names, rows), sys.stdout)
    return Exit.OK


@app.command()
def report(
    framework: Annotated[str, typer.Argument(metavar="NAME", help="Which report: access.")],
    *,
    from_: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="Start of the period: 2026-11-01, 2026-11-01T06:00Z."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TIME",
            help="End of the period. A date means to its end; a time itself is not included.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory for the files.")],
    store: StoreOption = None,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Write a report over a period: Markdown, and one HTML page that needs no network and no script.

    Times without an offset are UTC. The same store and period give the same bytes.

    Example:

      lpaudit report access --from 2026-11-01 --to 2026-11-30 --out reports-2026-11
    """
    settings = _config(config_file, store=store)
    period = _period(from_, to)
    from lpaudit import pipeline  # noqa: PLC0415 -- start-up time

    for path in pipeline.access_report(settings["store"].value, framework, period, out):
        if not quiet:
            console.print_line(f"wrote {path}")
    return Exit.OK


def _period(from_: str, to: str) -> "Period":
    """Return the period that two texts mean. Raises ConfigError."""
    from lpaudit.model import Period  # noqa: PLC0415 -- start-up time

    start = _instant("--from", from_, lambda day: day)
    end = _instant("--to", to, lambda day: day + timedelta(days=1))
    if end <= start:
        raise ConfigError(
            f"the period from {instant(start)} to {instant(end)} holds no time",
            hint="--to comes after --from",
        )
    return Period(start, end)


def _instant(option: str, text: str, of_day: "Callable[[date], date]") -> datetime:
    """A date is a whole day, so that `--to 2026-09-30` never drops the last day of a quarter."""
    try:
        if len(text) <= len("2026-11-23"):
            return datetime.combine(of_day(date.fromisoformat(text)), time(), UTC)
        told = datetime.fromisoformat(text)
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} {text!r} is not a time", hint="write it like 2026-11-23 or 2026-11-23T06:00Z"
        ) from None


@app.command()
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
    settings = _config(config_file, store=store)
    if check and watch:
        raise ConfigError("--check answers once, --watch never ends", hint="give one of them")
    if check:
        return _check(settings["store"].value, status_format, max_lag, max_gaps, max_rejects, since)
    if watch:
        return _watch(settings["store"].value, status_format, interval)
    from lpaudit import pipeline, summary  # noqa: PLC0415 -- start-up time

    found = pipeline.status(settings["store"].value)
    if status_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(summary.status_json(found), indent=1) + "\n")
    else:
        summary.print_status(found)
    return Exit.OK


@app.command()
def compact(
    *,
    store: StoreOption = None,
    keep_replaced: Annotated[
        int,
        typer.Option(
            "--keep-replaced",
            metavar="HOURS",
            min=0,
            help="Keep replaced files this long: whoever reads the store may still need them.",
        ),
    ] = 24,
    quiet: QuietOption = False,
    config_file: ConfigOption = None,
) -> int:
    """Make few files of many: small commits make many small files, and those make a store slow.

    No row and no byte of evidence changes. Others may read and write the store meanwhile.

    Example:

      lpaudit compact --store /var/lib/lpaudit
    """
    settings = _config(config_file, store=store)
    from lpaudit import pipeline, summary  # noqa: PLC0415 -- start-up time

    result = pipeline.compact(settings["store"].value, keep_replaced=keep_replaced, unique=_unique)
    if not quiet:
        summary.print_compact(result)
    return Exit.OK


def _check(
    root: str, status_format: StatusFormat, lag: float, gaps: int, rejects: int | None, since: str | None
) -> int:
    from lpaudit import health  # noqa: PLC0415 -- start-up time

    limits = health.Limits(lag, gaps, rejects, None if since is None else _since(since))
    findings = health.check(root, limits, clock=monotonic, sleep=sleep)
    if status_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json(health.as_json(findings), indent=1) + "\n")
    else:
        for found in findings:
            console.print_line(f"{found.check:<8} {found.state:<9} {found.text}")
    return health.exit_status(findings)


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _since(text: str) -> datetime:
    """Return the time that a text means: so long ago, or itself. Raises ConfigError."""
    ago = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    try:
        if ago:
            return _now().replace(microsecond=0) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    except OverflowError:
        raise ConfigError(f"--since {text!r} is before all time", hint="write it like 24h or 7d") from None
    return _instant("--since", text, lambda day: day)


def _watch(root: str, status_format: StatusFormat, interval: float) -> int:
    from lpaudit import glance  # noqa: PLC0415 -- start-up time

    looking = glance.Watch(root, _now)
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


@app.command("config")
def show_config(
    *,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Print every setting, its effective value, and where that comes from."""
    settings = _config(config_file, store=store)
    rows = [
        {"setting": name, "value": value.value, "from": value.origin, "meaning": config.SETTINGS[name].help}
        for name, value in settings.items()
    ]
    names = ["setting", "value", "from", "meaning"]
    console.WRITERS[row_format](names, console.of_dicts(names, rows), sys.stdout)
    return Exit.OK


@app.command()
def formats(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One preset: its format and sample lines.")
    ] = None,
    *,
    row_format: FormatOption = Format.TABLE,
) -> int:
    """List the log formats that come with lpaudit, or one of them with lines that lighttpd wrote in it.

    Examples:

      lpaudit formats

      lpaudit formats lpaudit
    """
    from lpaudit import catalog  # noqa: PLC0415 -- start-up time

    if name is not None and row_format is Format.TABLE:
        for line in catalog.describe_format(name):
            console.print_line(line)
        return Exit.OK
    names, rows = catalog.formats(name)
    console.WRITERS[row_format](names, console.of_dicts(names, rows), sys.stdout)
    return Exit.OK


@app.command()
def doctor(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Log files, directories, globs, or -.")],
    *,
    log_format: Annotated[
        str | None,
        typer.Option(
            "--log-format",
            metavar="FORMAT",
            help="The format to judge: as for `lpaudit ingest`. [default: auto]",
        ),
    ] = None,
    escaping: Annotated[
        str | None, typer.Option("--escaping", metavar="NAME", help="accesslog.escaping: default or json.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone", metavar="ZONE", help="Zone of times logged without an offset. [default: UTC]"
        ),
    ] = None,
    status_format: Annotated[
        StatusFormat, typer.Option("--format", help="For people or programs.")
    ] = StatusFormat.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Look at logs without storing anything: which format, how its fields are read, what is wrong with it.

    Where no preset fits, it proposes a format string. It warns of secrets in the log, of fields that
    clients can forge, and of what the format lacks. Secrets are not shown again.

    Exit status 1: a log is in no known format, holds secrets, or can be forged.

    Examples:

      lpaudit doctor /var/log/lighttpd/access.log

      lpaudit doctor --log-format @/etc/lighttpd/lighttpd.conf '/var/log/lighttpd/access.log*'
    """
    settings = _config(config_file, log_format=log_format, escaping=escaping, timezone=timezone)
    from lpaudit import diagnosis  # noqa: PLC0415 -- start-up time
    from lpaudit import doctor as room  # noqa: PLC0415
    from lpaudit import formats as told_formats  # noqa: PLC0415

    zone = config.zone(settings)
    told = told_formats.choose(settings["log_format"].value, settings["escaping"].value, zone)
    for note in told.notes:
        console.say(f"lpaudit: {note}")
    found = []
    for one in room.examine(paths, told.format_of, zone):
        found.append(one)
        if one.error is not None:
            console.fail(one.error, one.hint)
        elif status_format is StatusFormat.TABLE:
            diagnosis.print_diagnosis(one)
    if status_format is StatusFormat.JSON:
        sys.stdout.write(console.to_json([diagnosis.as_json(one) for one in found], indent=1) + "\n")
    if any(one.error is not None for one in found):
        return Exit.FAILED
    return Exit.NO if diagnosis.exit_is_no(found) else Exit.OK


@app.command("lighttpd-config")
def lighttpd_config(
    *,
    file: Annotated[
        str, typer.Option("--file", metavar="PATH", help="The access log that lighttpd is to write.")
    ] = "/var/log/lighttpd/access.log",
) -> int:
    """Print the part of lighttpd's configuration that writes the recommended format.

    Example:

      lpaudit lighttpd-config > /etc/lighttpd/conf-available/15-lpaudit.conf
    """
    from lpaudit import formats as told_formats  # noqa: PLC0415 -- start-up time

    sys.stdout.write(told_formats.configuration(file))
    return Exit.OK
