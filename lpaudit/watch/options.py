"""What a user can ask of the watching: the command line's options. Imports nothing heavy."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class LogStyle(StrEnum):
    """How the events of a follower are written to stderr, one a line."""

    TEXT = "text"
    LOGFMT = "logfmt"
    JSON = "json"


MetricsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        metavar="FILE",
        help="With --follow: keep Prometheus metrics in FILE, for node_exporter's textfile collector.",
    ),
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=1,
        max=65535,
        help="With --follow: serve Prometheus metrics at http://127.0.0.1:PORT/metrics.",
    ),
]
LogStyleOption = Annotated[
    LogStyle | None,
    typer.Option(
        "--log-style",
        help="With --follow: how events are written to stderr. [default: text on a terminal, else logfmt]",
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="With --follow: write an event for every commit, too.")
]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What the user asked for; ``log_style`` is None to choose by where stderr leads."""

    log_style: LogStyle | None = None
    verbose: bool = False
    quiet: bool = False
    metrics_file: Path | None = None
    metrics_port: int | None = None
