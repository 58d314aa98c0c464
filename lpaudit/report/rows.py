"""Rows of a document as programs take them: the same names and order in CSV, JSON and XLSX."""

from collections.abc import Iterator

from lpaudit.report.document import Document

EXCEPTIONS = ("exception_id", "check", "section", "severity", "key")
MATRIX = ("control", "intent", "section", "check", "population", "exceptions", "outcome", "not_shown")
SOURCES = ("source", "source_id", "segments", "bytes", "lines", "sha256_of_segments")
HOW_SOURCES = (
    "The last column is the SHA-256 of the hashes of all segments of the source, in order, a line each."
)
QUERIES = ("section", "check", "file", "sha256", "parameters", "sql", "population_sql")


def exception_rows(document: Document) -> Iterator[tuple[object, ...]]:
    """Yield every exception of every control."""
    for one in document.exceptions:
        yield one.id, one.check, one.part, one.severity, one.key


def matrix_rows(document: Document) -> Iterator[tuple[object, ...]]:
    """Yield the control matrix: a row a question that bears on a control."""
    for line in document.matrix:
        control = line.control
        asked = (line.part, line.check, line.population, line.exceptions, line.outcome)
        yield control.id, control.intent, *asked, control.not_shown


def source_rows(document: Document) -> Iterator[tuple[object, ...]]:
    """Yield every source, if they were asked for."""
    for one in document.sources or ():
        yield one.source, one.source_id, one.segments, one.bytes, one.lines, one.sha256


def query_rows(document: Document) -> Iterator[tuple[object, ...]]:
    """Yield every query with its parameters."""
    for part in document.parts:
        given = "; ".join(f"${name} = {value.text}" for name, value, _ in part.parameters)
        check = part.check
        file = f"reports/{check.file}"
        yield part.number, check.id, file, check.sha256, given, check.sql, check.population
