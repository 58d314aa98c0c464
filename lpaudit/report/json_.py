"""A document → JSON, for programs: every value exactly as it is, every other character escaped.

docs/report.schema.json says what is in it.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from json.encoder import encode_basestring_ascii
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.report.csv_ import BATCH
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


_ROW = 3
"""How far a row of a section is indented."""


_flat = json.JSONEncoder(allow_nan=False).encode
"""Writes what has no parts, quickly: with an indent, Python itself would do it."""


def write_json(document: Document, path: Path) -> None:
    """Write the file. Raises OSError."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(_pieces(document))


def _pieces(document: Document) -> Iterator[str]:
    """Yield the document as `json.dumps` writes it with an indent of one, without having it as a whole."""
    before = "{\n"
    for name, value in _head(document).items():
        yield f'{before} "{name}": {_text(value, 1)}'
        before = ",\n"
    yield f'{before} "sections": '
    yield from _listed((_section(part) for part in document.parts), 2)
    yield ',\n "exceptions": '
    yield from _listed((_text(one, 2) for one in _records(EXCEPTIONS, exception_rows(document))), 2)
    yield f',\n "sources": {_text(list(_records(SOURCES, source_rows(document))), 1)}\n}}\n'


def _head(document: Document) -> dict[str, object]:
    """Return all but the lists that may be long."""
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
        "controls": list(_records(MATRIX, matrix_rows(document))),
    }


def _section(part: Part) -> Iterator[str]:
    check, result = part.check, part.result
    head = {
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
        "limits": list(part.limits),
        "file": f"reports/{check.file}",
        "sha256": check.sha256,
        "sql": check.sql,
        "population_sql": check.population,
        "parameters": {name: plain(value) for name, value in result.parameters.items()},
        "columns": part.table.column_names,
    }
    yield _text(head, 2).removesuffix("\n  }") + ',\n   "rows": '
    yield from _listed(_rows(part), _ROW + 1)
    yield "\n  }"


def _rows(part: Part) -> Iterator[str]:
    """Yield the rows of a section, a batch at a time: there may be millions."""
    end = "\n" + " " * (_ROW + 1)
    for batch in part.table.to_batches(max_chunksize=BATCH):
        for cells in zip(*map(_cells, batch.columns), strict=True):
            yield f"[{end} {f',{end} '.join(cells)}{end}]"


def _cells(column: pa.Array) -> list[str]:
    """Return the values of a column as JSON."""
    if pa.types.is_timestamp(column.type) and column.type.tz and column.type.unit == "us":
        # As `instant` writes it, but all at once: there may be a million.
        texts = pc.cast(column.cast(pa.timestamp("us", "UTC")), pa.string())
        texts = pc.replace_substring(texts, ".000000Z", "Z")
        return ["null" if text is None else f'"{text}"' for text in texts.to_pylist()]
    values = column.to_pylist()
    if pa.types.is_string(column.type):
        return ["null" if value is None else encode_basestring_ascii(value) for value in values]
    if pa.types.is_integer(column.type):
        return ["null" if value is None else str(value) for value in values]
    if pa.types.is_timestamp(column.type):
        return ["null" if value is None else f'"{instant(value)}"' for value in values]
    return [_text(plain(value), _ROW + 2) for value in values]


def _listed(items: Iterable[str | Iterator[str]], depth: int) -> Iterator[str]:
    """Yield a list of what is JSON already, as a text or in pieces."""
    before = "["
    for item in items:
        yield f"{before}\n{' ' * depth}"
        yield from (item,) if isinstance(item, str) else item
        before = ","
    yield "[]" if before == "[" else f"\n{' ' * (depth - 1)}]"


def _text(value: object, depth: int) -> str:
    """Return a value as `json.dumps` writes it with an indent of one, further lines indented."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    end = "\n" + " " * depth
    if isinstance(value, dict) and value:
        items = (f"{encode_basestring_ascii(name)}: {_text(one, depth + 1)}" for name, one in value.items())
        return f"{{{end} {f',{end} '.join(items)}{end}}}"
    if isinstance(value, list) and value:
        return f"[{end} {f',{end} '.join(_text(one, depth + 1) for one in value)}{end}]"
    return _flat(value)


def _records(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[dict[str, object]]:
    return (dict(zip(names, map(plain, row), strict=True)) for row in rows)


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
