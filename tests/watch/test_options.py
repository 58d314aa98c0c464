"""The options as the command line takes them: declared once, for whichever command follows."""

from pathlib import Path

import pytest
import typer

from lpaudit.watch.options import (
    LogStyle,
    LogStyleOption,
    MetricsFileOption,
    MetricsPortOption,
    VerboseOption,
    WatchOptions,
)


@pytest.fixture
def told():
    """What a command with these options is given."""
    app = typer.Typer()
    heard = []

    @app.command()
    def follow(
        metrics_file: MetricsFileOption = None,
        metrics_port: MetricsPortOption = None,
        log_style: LogStyleOption = None,
        verbose: VerboseOption = False,
    ):
        heard.append(WatchOptions(log_style, verbose, False, metrics_file, metrics_port))

    command = typer.main.get_command(app)

    def tell(*arguments):
        command(list(arguments), standalone_mode=False)
        return heard[-1]

    return tell


def test_nothing_is_asked_for_by_default(told):
    assert told() == WatchOptions()


def test_all_of_them(told):
    given = told("--metrics-file", "x.prom", "--metrics-port", "9469", "--log-style", "json", "-v")
    assert given == WatchOptions(LogStyle.JSON, True, False, Path("x.prom"), 9469)


@pytest.mark.parametrize(
    "arguments", [("--metrics-port", "0"), ("--metrics-port", "65536"), ("--log-style", "xml")]
)
def test_what_cannot_be_is_a_usage_error(told, arguments):
    with pytest.raises(typer.BadParameter):
        told(*arguments)
