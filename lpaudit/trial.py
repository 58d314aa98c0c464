"""Checks and their examples → what is wrong with a check, in sentences.

No store is needed: an example's lines are read as a log's are, and asked as rows of a store.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import partial

import pyarrow as pa

from lpaudit import logformat, query, report, source
from lpaudit.errors import CheckError, LpauditError
from lpaudit.model import Check, Escaping, LogFormat, Outcome, Provenance, Result, Section, Segment
from lpaudit.reading import AccessReading
from lpaudit.report import Example
from lpaudit.schema import Field, tables

_SECONDS = 60.0
"""What a check may take for a handful of lines, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A check, how many examples it has, and what is wrong with it."""

    check: Check
    examples: int
    problems: tuple[str, ...]


def try_checks(ids: list[str], library: report.Library) -> Iterator[Tried]:
    """Try checks with their examples, one by one. Raises CheckError if one of lpaudit's is broken."""
    connection = query.connect({})
    try:
        for check_id in ids:
            yield try_check(check_id, library, connection)
    finally:
        connection.close()


def try_check(check_id: str, library: report.Library, connection: query.Connection) -> Tried:
    """Try one check; the connection's tables are replaced. Raises CheckError as ``try_checks``."""
    check = report.load_any(check_id, library)
    if check.fault:
        return Tried(check, 0, (check.fault,))
    examples = report.load_examples(check, library)
    return Tried(check, len(examples), tuple(_problems(check, examples, connection)))


def _problems(check: Check, examples: tuple[Example, ...], connection: query.Connection) -> Iterator[str]:
    for sql in (check.population, check.sql):
        yield from report.slips(sql)
    kinds = {example.fires for example in examples}
    wanted = (True, False) if check.kind == "control" else (True,)
    for fires in wanted:
        if fires not in kinds:
            yield f"it has no example that {'fires' if fires else 'is silent'}"
    for example in examples:
        for problem in _tried(check, example, connection):
            yield f"{example.name}: {problem}"


def _tried(check: Check, example: Example, connection: query.Connection) -> Iterator[str]:
    try:
        given = datasets(example)
        answer = _answer(check, example, given, connection)
        turned = {name: table.take(list(reversed(range(table.num_rows)))) for name, table in given.items()}
        again = _answer(check, example, turned, connection) if answer.rows.num_rows > 1 else answer
    except LpauditError as error:
        yield error.message
        return
    absent = [name for name in check.key if name not in answer.rows.column_names]
    if absent:
        yield f"the key {absent[0]} is no column of it"
        return
    if not answer.rows.equals(again.rows):
        yield "the same rows in another order give another answer: its order by leaves something to chance"
    found = report.exceptions(answer) if check.kind == "control" else answer.rows
    if answer.population == 0 and example.fires:
        yield "its population is 0"
    if (example.rows is None and not found.num_rows) or example.rows not in (None, found.num_rows):
        wanted = "any" if example.rows is None else example.rows
        yield f"found {found.num_rows}, not {wanted}"
    ids = report.exception_ids(check, found) if check.key else []
    if len(set(ids)) != len(ids):
        yield "two exceptions have the same key"
    yield from _unexpected(example, found)


def _unexpected(example: Example, found: pa.Table) -> Iterator[str]:
    for number, (expected, row) in enumerate(zip(example.expect, found.to_pylist(), strict=False), 1):
        for column, value in expected.items():
            if column not in row or row[column] != value:
                yield f"row {number}: {column} is {row.get(column)!r}, not {value!r}"
    if len(example.expect) > found.num_rows:
        yield f"found {found.num_rows} rows, of which {len(example.expect)} are expected"


def _answer(
    check: Check, example: Example, given: Mapping[str, pa.Table], connection: query.Connection
) -> Result:
    connection.replace(given)
    select = partial(connection.select, seconds=_SECONDS)
    population, rows, parameters = report.ask(check, example.period, select, example.parameters)
    return Result(check, Section(check.id), parameters, Outcome.ROWS, (), population, rows)


def datasets(example: Example) -> dict[str, pa.Table]:
    """Return the tables that an example describes. Raises LpauditError."""
    found = {name: _rows_of(name, rows, example) for name, rows in example.records.items()}
    read = [_lines(host, text, example) for host, text in sorted(example.log.items())]
    given = [found["access_event"]] if "access_event" in found else []
    return found | {"access_event": pa.concat_tables([*read, *given])} if read else found


def _lines(host: str, text: str, example: Example) -> pa.Table:
    preset = logformat.PRESETS.get(example.format)
    chosen = (
        preset.log_format(UTC) if preset else logformat.log_format_of(example.format, Escaping.DEFAULT, UTC)
    )
    data = "".join(f"{line.strip()}\n" for line in text.strip().splitlines()).encode()
    where = _provenance(host, data, chosen, example)
    rows = AccessReading((logformat.compile_layout(chosen),)).rows(data, where)
    return rows.cast(tables()["access_event"].arrow)


def _provenance(host: str, data: bytes, chosen: LogFormat, example: Example) -> Provenance:
    return Provenance(
        source=f"/var/log/lighttpd/{host}.log",
        segment=Segment.of(source.source_id(host, source.line_of(data), 0), 0, data),
        host_name=host,
        ingest_time=example.period.end,
        log_format=chosen.name,
        byte_offset=0,
        line_number=1,
    )


def _rows_of(name: str, rows: list[dict[str, object]], example: Example) -> pa.Table:
    table = tables()[name]
    known = [field.name for field in table.fields]
    for row in rows:
        report.only(row, known, f"an example's {name}")
    filled = [
        {f.name: row.get(f.name, None if f.nullable else _filling(f, number, example)) for f in table.fields}
        for number, row in enumerate(rows, 1)
    ]
    try:
        return pa.Table.from_pylist(filled, schema=table.arrow)
    except (pa.ArrowException, TypeError) as error:
        raise CheckError(f"its {name} is not one: {error}", hint=f"`lpaudit tables {name}`") from error


def _filling(field: Field, number: int, example: Example) -> object:
    """Return something for a column that must hold something, and that an example says nothing of."""
    match field.type:
        case "instant":
            return example.period.end
        case "string":
            return "{}" if field.name == "document" else f"{field.name}-{number}"
        case "boolean":
            return False
    return 0
