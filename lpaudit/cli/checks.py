"""`lpaudit checks list` and `lpaudit checks test`: which checks there are, and whether they hold."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpaudit import console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, ReportsOption
from lpaudit.cli.world import configured, library
from lpaudit.errors import Exit

_COLUMNS = ("id", "section", "kind", "title", "severity", "tags", "file")


def list_checks(
    *,
    reports: ReportsOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """List the checks of all reports, lpaudit's own and yours.

    Example:

      lpaudit checks list --format csv
    """
    chosen = library(configured(config_file), config_file, reports)
    from lpaudit import report  # noqa: PLC0415 -- start-up time

    found = [report.load_any(check_id, chosen) for check_id in report.checks(chosen)]
    rows = [
        (c.id, c.section, c.kind, c.title, c.severity, " ".join(c.tags), c.file)
        for c in sorted(found, key=lambda c: (int((c.section or "S99")[1:]), c.id))
    ]
    console.WRITERS[row_format](_COLUMNS, iter(rows), sys.stdout)
    faults = [check.fault for check in found if check.fault]
    for fault in faults:
        console.fail(fault, "`lpaudit checks test` says what else is wrong")
    return Exit.FAILED if faults else Exit.OK


def try_checks(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder with checks of your own. [default: all checks]"),
    ] = None,
    *,
    reports: ReportsOption = None,
    config_file: ConfigOption = None,
) -> int:
    """Try checks with the examples beside them, and look for words and columns that cannot be there.

    A check `x.sql` has its examples in `x.examples.toml`: small logs and records in which it finds
    something (`fires`), and others in which it does not (`silent`). No store is needed.
    Exit status 1: something is wrong with a check.

    Example:

      lpaudit checks test our-reports
    """
    folders = [*(reports or []), *([str(folder)] if folder else [])]
    chosen = library(configured(config_file), config_file, folders)
    from lpaudit import report, trial  # noqa: PLC0415 -- start-up time

    ids = [i for i, found in report.checks(chosen).items() if not folder or folder in found.path.parents]
    problems = examples = 0
    for tried in trial.try_checks(ids, chosen):
        examples += tried.examples
        for problem in tried.problems:
            problems += 1
            console.print_line(f"{tried.check.file}: {problem}")
    console.say(f"lpaudit: {problems:,} problems in {len(ids):,} checks with {examples:,} examples")
    return Exit.NO if problems else Exit.OK
