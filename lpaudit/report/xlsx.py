"""A document → a workpaper for Excel: a sheet a section, each with one real table.

Log text is written as text and marked as such (Excel's own apostrophe), so that it stays text
when somebody edits the cell. Columns for the auditor are empty and open; the rest is locked,
without a password: against accidents, not against anybody.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import xlsxwriter

from lpaudit.report.cells import visible
from lpaudit.report.csv_ import part_rows
from lpaudit.report.document import Document, Part
from lpaudit.report.rows import (
    EXCEPTIONS,
    HOW_SOURCES,
    MATRIX,
    QUERIES,
    SOURCES,
    exception_rows,
    matrix_rows,
    query_rows,
    source_rows,
)
from lpaudit.report.signoff import FIELDS, ROLES, STATEMENT

MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767
_MOST_EXACT = 2**53
_EPOCH = datetime(1900, 3, 1)  # noqa: DTZ001 -- Excel's own times have no zone. Before, its calendar is wrong
_AUDITOR = ("auditor_result", "auditor_comment")
_SHEET_NAME = 31
_HEAD = 3
"""Rows above a table: the heading, what the answer is worth, and an empty one."""

_IN_THIS_WORKBOOK = (
    "All times are UTC. Text from logs is text, also where it looks like a formula.",
    r"What could not be seen in it is written as \xhh or \uhhhh, and a backslash as two.",
    "Every row of a section is in its sheet, up to Excel's limits; where one is reached, the sheet says so.",
    "The columns auditor_result and auditor_comment are open. The rest is locked, without a password.",
)

_PROTECTION = {
    "autofilter": True,
    "sort": True,
    "format_columns": True,
    "format_rows": True,
    "select_locked_cells": True,
    "select_unlocked_cells": True,
}
_FORMATS: dict[str, dict[str, object]] = {
    "title": {"bold": True, "font_size": 14},
    "bold": {"bold": True, "text_wrap": True, "valign": "top"},
    "wrap": {"text_wrap": True, "valign": "top"},
    "text": {"quote_prefix": True, "num_format": "@"},
    "time": {"num_format": "yyyy-mm-dd hh:mm:ss.000"},
    "day": {"num_format": "yyyy-mm-dd"},
    "number": {"num_format": "#,##0"},
    "float": {"num_format": "#,##0.00"},
    "sql": {"font_name": "Consolas", "text_wrap": True, "valign": "top", "quote_prefix": True},
    "open": {"locked": False, "text_wrap": True, "bg_color": "#FFF8E1"},
}


@dataclass(frozen=True, slots=True)
class _Book:
    """An open workbook, and how its cells look."""

    book: Any  # xlsxwriter has no types
    looks: dict[str, Any]
    footer: str

    def sheet(self, name: str) -> Any:
        sheet = self.book.add_worksheet(name[:_SHEET_NAME])
        sheet.protect("", _PROTECTION)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(self.footer)
        return sheet


def write_xlsx(document: Document, path: Path) -> None:
    """Write the file. Raises OSError."""
    file = BytesIO()  # a disk that is full is met once, by one write
    book = xlsxwriter.Workbook(
        file, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    )
    book.set_properties(
        {
            "title": document.framework.title,
            "comments": f"Report {document.id}",
            "created": document.as_of.astimezone(UTC).replace(tzinfo=None),
        }
    )
    looks = {name: book.add_format(look) for name, look in _FORMATS.items()}
    _fill(_Book(book, looks, f"&LReport {document.id}&RPage &P of &N"), document)
    book.close()
    path.write_bytes(file.getvalue())


def _fill(book: _Book, document: Document) -> None:
    _readme(book, document)
    _summary(book, document)
    if document.matrix:
        _table(book, "Controls", "Control matrix", "", MATRIX, matrix_rows(document), auditor=True)
    for part in document.parts:
        _part(book, part)
    told = "Every exception of every control. It has the same id in every report that finds it."
    _table(book, "Exceptions", "Exceptions", told, EXCEPTIONS, exception_rows(document), auditor=True)
    _table(book, "Source files", "Source files", HOW_SOURCES, SOURCES, source_rows(document), auditor=False)
    told = "How to ask again: the query of each section, its file, the hash of the file, and its parameters."
    _table(book, "SQL", "SQL", told, QUERIES, query_rows(document), auditor=False, look="sql")
    _sign_off(book, document)


def _readme(book: _Book, document: Document) -> None:
    sheet = book.sheet("README")
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 110)
    lines: list[tuple[str, str]] = list(document.cover)
    lines += [(name, visible(value)) for name, value in document.about]
    lines.append(("Definition of this report", f"reports/{document.framework.file}"))
    lines.append(("SHA-256 of the definition", document.framework.sha256))
    lines += [
        (f"Table {name}", f"version {version}") for name, version in document.checkpoint.versions.items()
    ]
    lines += [("Method", line) for line in document.framework.method]
    lines += [("In this workbook", line) for line in _IN_THIS_WORKBOOK]
    lines += [("Not shown", line) for line in document.framework.not_shown]
    sheet.write_string(0, 0, document.framework.title, book.looks["title"])
    for row, (name, value) in enumerate(lines, 1):
        sheet.write_string(row, 0, name, book.looks["bold"])
        sheet.write_string(row, 1, _cut(value)[0], book.looks["wrap"])


def _summary(book: _Book, document: Document) -> None:
    sheet = book.sheet("Summary")
    sheet.set_column(0, 0, 44)
    sheet.set_column(1, 1, 100)
    sheet.write_string(0, 0, "Result", book.looks["title"])
    lines = [*document.numbers, *((f"Result {n}", text) for n, text in enumerate(document.sentences, 1))]
    lines.append(("Reconciliation", document.equation or "not asked"))
    lines += [(part.heading, part.outcome) for part in document.parts]
    lines.append(("What this is", "These are counts, not a judgement."))
    for row, (name, value) in enumerate(lines, 1):
        sheet.write_string(row, 0, name, book.looks["bold"])
        sheet.write_string(row, 1, _cut(value)[0], book.looks["wrap"])


def _part(book: _Book, part: Part) -> None:
    names = part.table.column_names
    told = f"{part.check.question} {part.outcome}"
    if names:
        _table(book, part.name, part.heading, told, names, part_rows(part), auditor=True)
    else:
        sheet = book.sheet(part.name)
        sheet.write_string(0, 0, part.heading, book.looks["title"])
        sheet.write_string(1, 0, _cut(visible(told))[0])


def _table(
    book: _Book,
    name: str,
    heading: str,
    told: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    auditor: bool,
    look: str = "text",
) -> None:
    """Write one sheet with one table: real, with a filter, its header always in sight."""
    sheet = book.sheet(name)
    names = [*columns, *(_AUDITOR if auditor else ())]
    widths = [max(10, len(column) + 4) for column in names]
    room = MOST_ROWS - _HEAD - 1
    rows = iter(rows)
    number, cuts = 0, 0
    for number, row in enumerate(islice(rows, room), 1):
        for column, value in enumerate(row):
            width, cut = _write(book, sheet, _HEAD + number, column, value, look)
            widths[column], cuts = max(widths[column], width), cuts + cut
        for column in range(len(columns), len(names)):
            sheet.write_blank(_HEAD + number, column, None, book.looks["open"])
    left = sum(1 for _ in rows)
    sheet.write_string(0, 0, heading, book.looks["title"])
    sheet.write_string(1, 0, _cut(visible(" ".join([told, *_limits(left, cuts)])))[0])
    last = _HEAD + max(number, 1)  # Excel takes no table without a row
    sheet.add_table(
        _HEAD,
        0,
        last,
        len(names) - 1,
        {"columns": [{"header": one} for one in names], "style": "Table Style Light 1"},
    )
    sheet.freeze_panes(_HEAD + 1, 1)
    sheet.repeat_rows(_HEAD)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, min(width, 60) if column < len(columns) else 30)


def _limits(left: int, cuts: int) -> Iterator[str]:
    if left:
        yield f"{left:,} more rows do not fit into a sheet: CSV and JSON have them."
    if cuts:
        yield f"{cuts:,} texts are cut after Excel's {MOST_CHARACTERS:,} characters: CSV and JSON have all."


def _write(book: _Book, sheet: Any, row: int, column: int, value: object, look: str) -> tuple[int, bool]:
    """Write a cell by its type; return about how wide it is, and whether it was cut."""
    looks = book.looks
    match value:
        case None:
            return 0, False
        case bool():
            sheet.write_boolean(row, column, value)
            return 6, False
        case int() if abs(value) <= _MOST_EXACT:
            sheet.write_number(row, column, value, looks["number"])
            return len(f"{value:,}") + 2, False
        case float() if math.isfinite(value):
            sheet.write_number(row, column, value, looks["float"])
            return 12, False
        case datetime() if _naive(value) >= _EPOCH:
            sheet.write_datetime(row, column, _naive(value), looks["time"])
            return 24, False
        case date() if not isinstance(value, datetime) and value >= _EPOCH.date():
            sheet.write_datetime(row, column, value, looks["day"])
            return 12, False
    text, cut = _cut(str(value) if look == "sql" else visible(str(value)))
    sheet.write_string(row, column, text, looks[look])
    return min(len(text) + 2, 60), cut


def _naive(value: datetime) -> datetime:
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _cut(text: str) -> tuple[str, bool]:
    return (text[: MOST_CHARACTERS - 1] + "…", True) if len(text) > MOST_CHARACTERS else (text, False)


def _sign_off(book: _Book, document: Document) -> None:
    sheet = book.sheet("Sign-off")
    sheet.set_column(0, 0, 16)
    sheet.set_column(1, len(ROLES), 44)
    sheet.write_string(0, 0, "Sign-off", book.looks["title"])
    sheet.write_string(1, 0, STATEMENT)
    sheet.write_string(2, 0, f"Report id: {document.id}")
    for column, role in enumerate(ROLES, 1):
        sheet.write_string(4, column, role, book.looks["bold"])
    for row, field in enumerate(FIELDS, 5):
        sheet.set_row(row, 36)
        sheet.write_string(row, 0, field, book.looks["bold"])
        for column in range(1, len(ROLES) + 1):
            sheet.write_blank(row, column, None, book.looks["open"])
