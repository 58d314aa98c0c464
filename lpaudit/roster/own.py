"""lpaudit's own forms: TOML, and CSV with the same keys as columns."""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from io import StringIO

from lpaudit.errors import SourceError
from lpaudit.roster.records import KEYS, Place, Roster

# Columns that hold several values, with ; between them; and the keys that they are.
_LISTS = ("groups", "aliases", "actions", "resource_types")
_HINT = "docs/identities.md shows one"


def read_toml(text: str, roster: Roster) -> None:
    """Read `[[identity]]`, `[[entitlement]]` and `[[token]]`. Raises SourceError."""
    try:
        told = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SourceError(f"{roster.path} is not TOML: {error}", hint=_HINT) from None
    top = Place(roster.path, 1)
    name = told.pop("directory", None)
    if name is not None and not isinstance(name, str):
        top.refuse(f"directory is {name!r}, not a text", 'write directory = "staff"')
    roster.directory = name
    for table, records in told.items():
        if table not in KEYS or not isinstance(records, list):
            top.refuse(f"unknown key {table!r}", f"there are [[{']], [['.join(KEYS)}]], and directory")
        lines = _headers(text, table)
        for number, record in enumerate(records):
            place = Place(roster.path, lines[number] if len(lines) == len(records) else 1)
            if not isinstance(record, dict):
                place.refuse(f"{table} holds {record!r}", f"write [[{table}]]")
            roster.add(table, record, place)


def _headers(text: str, table: str) -> list[int]:
    """Return the lines of the headers ``[[table]]``, from 1."""
    header = re.compile(rf"\s*\[\[\s*(['\"]?){table}\1\s*\]\]")
    return [number for number, line in enumerate(text.split("\n"), start=1) if header.match(line)]


def table_of(columns: list[str]) -> str | None:
    """Return which table the columns of a CSV file are of, None if of none."""
    named = set(columns)
    if {"name", "kind"} <= named:
        return "identity"
    if "actions" in named:
        return "entitlement"
    return "token" if {"id", "identity"} <= named else None


def header_of(text: str) -> list[str]:
    """Return the columns of a CSV file; none if it has no first line."""
    try:
        return next(csv.reader(StringIO(text.partition("\n")[0]), delimiter=_delimiter(text)), [])
    except csv.Error:
        return []


def _delimiter(text: str) -> str:
    """Return what is between values: Excel writes semicolons where commas are in numbers."""
    header = text.partition("\n")[0]
    return ";" if ";" in header and "," not in header else ","


def read_csv(text: str, roster: Roster) -> None:
    """Read a CSV file of identities, of entitlements or of tokens: its columns say which.

    Raises SourceError.
    """
    table = table_of(header_of(text))
    if table is None:
        columns = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in KEYS.items())
        Place(roster.path, 1).refuse("the columns are of no table", f"there are {columns}")
    for place, record in rows_of(text, roster):
        given = {
            key: [part.strip() for part in value.split(";") if part.strip()] if key in _LISTS else value
            for key, value in record.items()
        }
        roster.add(table, given, place)


def rows_of(text: str, roster: Roster) -> Iterator[tuple[Place, Mapping[str, str]]]:
    """Yield the rows of a CSV file with their places. Raises SourceError."""
    delimiter = _delimiter(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    line = 1
    try:
        for number, row in enumerate(reader):
            place, line = Place(roster.path, line), reader.line_num + 1
            if number == 0:
                columns = row
                if len(set(columns)) != len(columns):
                    place.refuse("a column is there twice", "remove one")
            elif row:
                if len(row) != len(columns):
                    hint = f"quote a value that has a {delimiter}"
                    place.refuse(f"{len(row)} values for {len(columns)} columns", hint)
                yield place, dict(zip(columns, row, strict=True))
    except csv.Error as error:
        Place(roster.path, line).refuse(f"this is not CSV: {error}", _HINT)
