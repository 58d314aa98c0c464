"""`lpaudit explain`, `denied`, `bypass` and `orphans`: questions with a command of their own.

Each is a check under reports/checks/questions. A finding makes the exit status 1; without one it is 3
where the store lacks what the check needs, so that nothing is proved.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, PrefixOption, StoreOption
from lpaudit.cli.times import moment, since_when
from lpaudit.cli.world import configured, library, now
from lpaudit.errors import ConfigError, Exit
from lpaudit.visible import instant

if TYPE_CHECKING:
    from lpaudit.model import Period
    from lpaudit.questions import Answer

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="So long ago (24h, 7d), or a time. [default: all]"),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="WHEN", help="Up to this time. [default: now]")
]


def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A flow run's id or name.")],
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also requests that only read, poll or report.")
    ] = False,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Tell what happened to a flow run: who created, approved, changed and stopped it, and what was refused.

    Requests and Prefect's own record of its states, in their order. `layer` says who refused a request:
    lighttpd (proxy_auth, proxy_rule, proxy), Prefect (prefect_auth, prefect_app), nobody as Prefect could
    not be reached (upstream_down), or a limit (throttle). `confidence` says how sure it is that the
    request has to do with the run. Exit status 1: something was refused or failed for good, or somebody
    claimed to be the run who cannot be.

    Example:

      lpaudit explain rousing-whale
    """
    settings = configured(config_file, store=store, api_prefix=api_prefix)
    from lpaudit import questions  # noqa: PLC0415 -- start-up time

    root, prefixes = settings["store"].value, config.api_prefixes(settings)
    parameters = {"run": questions.run_of(root, run, prefixes), "everything": everything}
    return _tell(questions.ask(root, "run-timeline", _period(None, None), parameters, prefixes), row_format)


def denied(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List who was denied what, by which layer, for what reason, and whether that is new.

    Exit status 1: somebody was, but for websockets to which Prefect's client sends no credentials.

    Example:

      lpaudit denied --since 1h
    """
    return _ask("denied-requests", since, until, store, api_prefix, row_format, config_file)


def bypass(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List runs and changes of state for which there is no request: did somebody go around the gateway?

    Looks at what Prefect recorded while there is a log. Schedules, automations, Prefect's own doing and
    gaps of the log are listed with their explanation. Exit status 1: something has none. 3: nobody can tell,
    as Prefect's records are not in the store.

    Example:

      lpaudit bypass --since 7d
    """
    return _ask("bypass", since, until, store, api_prefix, row_format, config_file)


def orphans(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    store: StoreOption = None,
    api_prefix: PrefixOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List requests that name a flow run of which there is no record: deleted, never synced, or invented.

    Exit status 1: there are some. 3: nobody can tell, as Prefect's records are not in the store.

    Example:

      lpaudit orphans
    """
    return _ask("orphan-lines", since, until, store, api_prefix, row_format, config_file)


def _ask(
    check: str,
    since: str | None,
    until: str | None,
    store: str | None,
    api_prefix: str | None,
    row_format: Format,
    config_file: str | None,
) -> int:
    settings = configured(config_file, store=store, api_prefix=api_prefix)
    period = _period(since, until)
    from lpaudit import questions  # noqa: PLC0415 -- start-up time

    prefixes = config.api_prefixes(settings)
    known = library(settings, config_file, None)
    return _tell(questions.ask(settings["store"].value, check, period, {}, prefixes, known), row_format)


def _period(since: str | None, until: str | None) -> "Period":
    from lpaudit.model import Period  # noqa: PLC0415 -- start-up time

    start = since_when(since, now()) if since else _EVER
    end = moment("--until", until, lambda day: day + timedelta(days=1)) if until else now()
    if end <= start:  # nothing would be found there, and that is no answer
        raise ConfigError(
            f"the period from {instant(start)} to {instant(end)} holds no time",
            hint="--until comes after --since",
        )
    return Period(start, end)


def _tell(answer: "Answer", row_format: Format) -> int:
    names = answer.rows.column_names
    console.WRITERS[row_format](names, console.rows_of(answer.rows.to_batches()), sys.stdout)
    if row_format is Format.TABLE:
        from lpaudit.report.counts import of_unit  # noqa: PLC0415 -- start-up time

        console.say(
            f"lpaudit: {console.counted(answer.findings, 'finding')} in "
            f"{console.counted(answer.rows.num_rows, 'row')}; "
            f"looked at: {of_unit(answer.population, answer.check.unit)}"
        )
    for why in answer.lacking:
        console.say(f"lpaudit: {why}: so this says nothing either way")
    if answer.findings:
        return Exit.NO
    return Exit.FAILED if answer.lacking else Exit.OK
