"""The program: its commands, in the order of its help.

A command is a function of its own module, in whose signature and docstring its arguments, options
and help stand; it returns the exit status, or raises.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lpaudit import STORE_VERSION, __version__, console, guard
from lpaudit.cli import (
    acts,
    binder,
    checks,
    compact,
    config,
    correlate,
    doctor,
    evidence,
    exceptions,
    formats,
    hold,
    identities,
    ingest,
    keys,
    nightly,
    prefect,
    query,
    questions,
    report,
    retain,
    reveal,
    sample,
    signoff,
    status,
    sync,
)
from lpaudit.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMANDS: "Mapping[str, Callable[..., int]]" = {
    "ingest": ingest.ingest,
    "sync": sync.sync,
    "correlate": correlate.correlate,
    "explain": questions.explain,
    "denied": questions.denied,
    "bypass": questions.bypass,
    "orphans": questions.orphans,
    "sql": query.sql,
    "tables": query.tables,
    "report": report.report,
    "binder": binder.binder,
    "nightly": nightly.nightly,
    "sample": sample.sample,
    "signoff": signoff.signoff,
    "status": status.status,
    "compact": compact.compact,
    "retain": retain.retain,
    "sign": evidence.sign,
    "verify": evidence.verify,
    "show": evidence.show,
    "reveal": reveal.reveal,
    "config": config.show_config,
    "formats": formats.formats,
    "doctor": doctor.doctor,
    "lighttpd-config": formats.lighttpd_config,
    "prefect-config": prefect.prefect_config,
    "prefect-run": prefect.prefect_run,
}
GROUPS: "Mapping[str, tuple[str, Mapping[str, Callable[..., int]]]]" = {
    "checks": (
        "Which checks there are, and whether they do as they say.",
        {"list": checks.list_checks, "test": checks.try_checks},
    ),
    "exceptions": (
        "The register of exceptions: what nights found, and what people did about it.",
        {"list": exceptions.list_, "assign": exceptions.assign, "close": exceptions.close},
    ),
    "hold": (
        "Legal holds: lines that are kept whatever their age.",
        {"add": hold.add, "list": hold.list_, "release": hold.release},
    ),
    "keys": (
        "Keys that sign: their private halves are files, their public ones are in the store.",
        {"init": keys.init, "rotate": keys.rotate, "list": keys.list_},
    ),
}
"""Commands that have commands: what they are about, and which."""

_BY_ITSELF = {"sql", "reveal"}
"""What records itself: each query of a prompt, and what is not to be recorded in the words that were said."""

_UNRECORDED = {
    "ingest",
    "sync",
    "correlate",
    "compact",
    "sign",
    "status",
    "tables",
    "config",
    "doctor",
    "keys",
}
"""What asks nothing of the evidence, or leaves other traces in the store. Everything else is recorded."""

_OF_OTHERS = dict.fromkeys(("report", "binder", "sample", "nightly"), 2 * guard.MEMORY)
"""What runs SQL of others, and how much memory it may have."""


def _recorded(name: str, command: "Callable[..., int]") -> "Callable[..., int]":
    if name.split(maxsplit=1)[0] in _UNRECORDED | _BY_ITSELF or not acts.has_store(command):
        return command
    return acts.recorded(name, command, _OF_OTHERS.get(name))


app = typer.Typer(
    name="lpaudit",
    help="lighttpd access logs and Prefect's records as evidence you can query.",
    epilog="Exit status: 0 done; 1 done, and the answer is no; 2 asked for something impossible; "
    "3 could not finish; 4 a bug in lpaudit; 5 another one is at it; 130 interrupted.",
    invoke_without_command=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_recorded(_name, _command))
app.add_typer(identities.app, name="identities")
for _name, (_about, _commands) in GROUPS.items():
    _group = typer.Typer(help=_about, rich_markup_mode=None, no_args_is_help=False)
    for _word, _command in _commands.items():
        _group.command(_word)(_recorded(f"{_name} {_word}", _command))
    app.add_typer(_group, name=_name)


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
