"""A framework's checks, asked of a store for a period."""

from collections.abc import Mapping
from functools import cache, partial
from types import MappingProxyType

import pyarrow as pa

from lpaudit import guard
from lpaudit.errors import CheckError, QueryError, StoreError
from lpaudit.model import Check, Framework, Outcome, Period, Report, Result, Section, Select
from lpaudit.report.check import ALWAYS, load_any, load_check, named_parameters
from lpaudit.report.exceptions import EXCEPTION_ID
from lpaudit.report.library import SHIPPED, Library
from lpaudit.report.library import checks as files
from lpaudit.report.words import slips


def evaluate(
    framework: Framework,
    period: Period,
    select: Select,
    store: dict[str, str],
    library: Library = SHIPPED,
    instead: Mapping[str, Select] = MappingProxyType({}),
) -> Report:
    """Ask every check of a framework, in order.

    ``store`` says what was asked, for the report's head; ``instead`` has what else some checks are asked of,
    by their ids. Raises CheckError before anything is asked if a check of lpaudit's is broken; one of the
    user's that is, and a question that fails, is a result that says so.
    """
    checks = [load_any(section.check, library) for section in framework.sections]
    _, incomplete, _ = ask(load_check(framework.completeness, library), period, select)
    pairs = zip(framework.sections, checks, strict=True)
    results = tuple(
        _result(section, check, period, instead.get(check.id, select), incomplete.to_pylist())
        for section, check in pairs
    )
    return Report(framework, period, dict(store), results)


def _result(
    section: Section, check: Check, period: Period, select: Select, incomplete: list[dict[str, object]]
) -> Result:
    result = partial(Result, check=check, section=section)
    not_asked = partial(result, parameters={}, population=0, rows=pa.table({}))
    try:
        if without := lacking(check, select):
            return not_asked(outcome=Outcome.NO_DATA, reasons=without)
        population, rows, parameters = _asked(check, period, select)
    except (CheckError, QueryError) as error:
        return not_asked(outcome=Outcome.ERROR, reasons=(error.message,))
    except StoreError as error:
        # DuckDB's words for a file that cannot be read may be those of a check: error('magic bytes').
        if check.id in _shipped():
            raise
        return not_asked(outcome=Outcome.ERROR, reasons=(error.message,))
    reasons = tuple(str(row["reason"]) for row in incomplete if _concerned(check, str(row["concerns"])))
    if population == 0:
        outcome = Outcome.NO_DATA
        reasons = (f"there are 0 {check.unit}", *reasons)
    elif reasons:
        outcome = Outcome.INCOMPLETE
    else:
        outcome = Outcome.EXCEPTIONS if check.kind == "control" else Outcome.ROWS
    return result(parameters=parameters, outcome=outcome, reasons=reasons, population=population, rows=rows)


def _asked(check: Check, period: Period, select: Select) -> tuple[int, pa.Table, dict[str, object]]:
    """Ask a check as ``ask`` does, and refuse what is no answer. Raises CheckError, QueryError."""
    if check.fault is not None:
        raise CheckError(check.fault)
    _look_at(check)
    with guard.asking(check.id):
        population, rows, parameters = ask(check, period, select)
    if absent := set(check.key) - set(rows.column_names):
        raise CheckError(f"{check.file}: the key {min(absent)} is no column of it", hint="name columns")
    if check.kind == "control" and EXCEPTION_ID in rows.column_names:
        raise CheckError(
            f"{check.file}: a column of a control cannot be called {EXCEPTION_ID}",
            hint="the report puts one of that name before the others: name it otherwise",
        )
    return population, rows, parameters


def _look_at(check: Check) -> None:
    """Refuse a check of the user's that would find nothing because of a slip. Raises CheckError.

    Those that come with lpaudit are looked at by its tests.
    """
    if check.id in _shipped():
        return
    if found := [*slips(check.population), *slips(check.sql)]:
        raise CheckError("; ".join(found), hint="`lpaudit checks test` tries a check before it is asked")


@cache
def _shipped() -> frozenset[str]:
    return frozenset(files(SHIPPED))


def _concerned(check: Check, table: str) -> bool:
    """Tell if a check's answer may be wrong because of something that is not known of a table.

    What asks about no period asks about what is stored, and that is known. The log itself is
    in every answer; Prefect's records are in those of checks that need them.
    """
    if not set(ALWAYS) & set(_used(check)):
        return False
    return table == "access" or any(name == table or name.startswith(f"{table}_") for name in check.needs)


def lacking(check: Check, select: Select) -> tuple[str, ...]:
    """Return why a check can tell nothing: what it needs and the store does not have. Raises CheckError."""
    return tuple(why for name, why in check.needs.items() if not _holds_rows(name, select, check))


def _holds_rows(name: str, select: Select, check: Check) -> bool:
    try:
        found = select(f'select 1 from "{name}" limit 1', {})  # noqa: S608 -- load_check: [a-z0-9_]
    except QueryError as error:
        raise CheckError(
            f"{check.file}: needs {name}, which is no table", hint="`lpaudit tables` lists them"
        ) from error
    return bool(found.num_rows)


def ask(
    check: Check, period: Period, select: Select, given: Mapping[str, object] | None = None
) -> tuple[int, pa.Table, dict[str, object]]:
    """Ask one check; ``given`` are parameters that are not to be what they are by default.

    Returns the population, the rows, and the parameters that were used.
    """
    values: dict[str, object] = {"start": period.start, "end": period.end}
    values |= {p.name: p.default for p in check.parameters} | dict(given or {})
    population = _number(select(check.population, _of(check.population, values, check)), check)
    rows = select(check.sql, _of(check.sql, values, check))
    return population, rows, {name: values[name] for name in _used(check)}


def _used(check: Check) -> list[str]:
    """Return the names that the check uses: the period's first, the others as they are declared."""
    named = named_parameters(check.sql, check.file) | named_parameters(check.population, check.file)
    return [name for name in (*ALWAYS, *(p.name for p in check.parameters)) if name in named]


def _of(sql: str, values: dict[str, object], check: Check) -> dict[str, object]:
    """Return exactly the parameters that a query names: one too many is as wrong as one too few."""
    return {name: values[name] for name in sorted(named_parameters(sql, check.file))}


def _number(answer: pa.Table, check: Check) -> int:
    value = answer.column(0)[0].as_py() if answer.num_rows == 1 and answer.num_columns == 1 else None
    if not isinstance(value, int):
        raise CheckError(
            f"{check.file}: population is not one number", hint="population is a SELECT count(…)"
        )
    if value < 0:
        raise CheckError(f"{check.file}: population is {value:,}", hint="population is a SELECT count(…)")
    return value
