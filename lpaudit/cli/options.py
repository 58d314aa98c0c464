"""Options that several commands have. A command's own stand in its signature."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--api-prefix",
        metavar="PATHS",
        help="Where Prefect's API is in the log; */api for any prefix. [default: /api, /prefect/api]",
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
ReportsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--reports", metavar="DIR", help="Folder with checks and frameworks of your own. May be repeated."
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The private key. [default: ~/.config/lpaudit/key.pem]"),
]
