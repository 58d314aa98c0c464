"""A document → a folder of CSV: a file a section, the exceptions, and a manifest with hashes.

A spreadsheet that opens them calculates nothing: a text that begins like a formula has an
apostrophe before it, and what cannot be seen is spelled out. Nothing is cut.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pyarrow as pa

from lpaudit.report.cells import guarded
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

MANIFEST = (
    *("report_id", "file", "sha256", "rows"),
    *("section", "check", "check_sha256", "outcome", "population", "unit", "reasons"),
)
BATCH = 10_000


def write_csv(document: Document, path: Path) -> None:
    """Write the folder. Raises OSError."""
    path.mkdir()
    about: list[tuple[object, ...]] = []
    for part in document.parts:
        file = f"{part.name}.csv"
        digest = _write(path / file, part.table.column_names, part_rows(part))
        result = part.result
        told = (part.number, part.check.id, part.check.sha256, result.outcome.value)
        asked = (result.population, part.check.unit, "; ".join(result.reasons))
        about.append((document.id, file, digest, part.table.num_rows, *told, *asked))
    for file, names, rows in (
        ("exceptions.csv", EXCEPTIONS, list(exception_rows(document))),
        ("controls.csv", MATRIX, list(matrix_rows(document))),
        ("source-files.csv", SOURCES, list(source_rows(document))),
    ):
        about.append((document.id, file, _write(path / file, names, rows), len(rows), *[None] * 7))
    _write(path / "manifest.csv", MANIFEST, about)


def part_sha256(part: Part) -> str:
    """Return the SHA-256 of the section's file, whether it is written or not."""
    digest = sha256()
    for piece in csv_pieces(part.table.column_names, part_rows(part)):
        digest.update(piece)
    return digest.hexdigest()


def part_rows(part: Part) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a section, a batch at a time: there may be millions."""
    for batch in part.table.to_batches(max_chunksize=BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    digest = sha256()
    with path.open("wb") as file:
        for piece in csv_pieces(names, rows):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def csv_pieces(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield the bytes of a file, about a megabyte at a time."""
    return text_pieces(names, (map(_text, row) for row in rows))


def table_texts(table: pa.Table) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table as they are written, quickly: the texts of a column are few or short."""
    for batch in table.to_batches(max_chunksize=BATCH):
        yield from zip(*map(_column_texts, batch.columns), strict=True)


def _column_texts(column: pa.Array) -> list[str]:
    if pa.types.is_nested(column.type):
        return [_text(value) for value in column.to_pylist()]
    encoded = column.dictionary_encode()
    texts = [_text(value) for value in encoded.dictionary.to_pylist()]
    return ["" if place is None else texts[place] for place in encoded.indices.to_pylist()]


def text_pieces(names: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[bytes]:
    """Yield the bytes of a file whose texts are guarded already."""
    out = StringIO()
    writer = csv.writer(out)  # RFC 4180: lines end with CR LF
    writer.writerow(names)
    for row in rows:
        writer.writerow(row)
        if out.tell() > 1 << 20:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
    return guarded(str(value))
