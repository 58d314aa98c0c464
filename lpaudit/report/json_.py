"""A document → JSON, for programs: every value exactly as it is, every other character escaped.

docs/report.schema.json says what is in it.
"""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from lpaudit.report.csv_ import part_rows
from lpaudit.report.document import Document, Part
from lpaudit.report.rows import (
    EXCEPTIONS,
    MATRIX,
    SOURCES,
    exception_rows,
    matrix_rows,
    source_rows,
)
from lpaudit.visible import instant

VERSION = 1
"""Of the schema: raised when a key changes its meaning."""


def write_json(document: Document, path: Path) -> None:
    """Write the file. Raises OSError."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for piece in json.JSONEncoder(indent=1, allow_nan=False).iterencode(as_json(document)):
            file.write(piece)
        file.write("\n")


def as_json(document: Document) -> dict[str, object]:
    """Return the document as JSON has it."""
    framework, period, made = document.framework, document.period, document.checkpoint
    return {
        "schema": VERSION,
        "id": document.id,
        "state": "draft",
        "framework": {
            "id": framework.id,
            "title": framework.title,
            "file": f"reports/{framework.file}",
            "sha256": framework.sha256,
        },
        "entity": made.entity or None,
        "system": made.system or None,
        "period": {"start": instant(period.start), "end": instant(period.end)},
        "store": {
            "as_of": plain(made.as_of),
            "tables": dict(made.versions),
            "about": dict(document.report.store),
        },
        "software": dict(made.software),
        "result": {
            "sentences": list(document.sentences),
            "numbers": [{"what": what, "value": value} for what, value in document.numbers],
        },
        "method": list(framework.method),
        "not_shown": list(framework.not_shown),
        "reconciliation": document.equation,
        "controls": _records(MATRIX, matrix_rows(document)),
        "sections": [_section(part) for part in document.parts],
        "exceptions": _records(EXCEPTIONS, exception_rows(document)),
        "sources": _records(SOURCES, source_rows(document)),
    }


def _section(part: Part) -> dict[str, object]:
    check, result = part.check, part.result
    return {
        "number": part.number,
        "check": check.id,
        "section": check.section,
        "title": check.title,
        "question": check.question,
        "kind": check.kind,
        "severity": check.severity,
        "outcome": result.outcome.value,
        "reasons": list(result.reasons),
        "population": result.population,
        "unit": check.unit,
        "limits": [line for line in check.limits.splitlines() if line],
        "file": f"reports/{check.file}",
        "sha256": check.sha256,
        "sql": check.sql,
        "population_sql": check.population,
        "parameters": {name: plain(value) for name, value in result.parameters.items()},
        "columns": part.table.column_names,
        "rows": [[plain(value) for value in row] for row in part_rows(part)],
    }


def _records(names: Sequence[str], rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def plain(value: object) -> object:
    """Return a value as JSON has it: times as UTC texts, numbers that are none as texts."""
    match value:
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple():
            return [plain(one) for one in value]
        case dict():
            return {str(key): plain(one) for key, one in value.items()}
        case None | bool() | int() | str():
            return value
    return str(value)
