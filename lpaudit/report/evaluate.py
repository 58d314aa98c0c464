"""A framework's checks, asked of a store for a period."""

from collections.abc import Mapping

import pyarrow as pa

from lpaudit.errors import CheckError
from lpaudit.model import Check, Framework, Period, Report, Result, Section, Select
from lpaudit.report.check import ALWAYS, load_check, named_parameters


def evaluate(framework: Framework, period: Period, select: Select, store: dict[str, str]) -> Report:
    """Ask every check of a framework, in order.

    ``store`` says what was asked, for the report's head. Raises CheckError before anything
    is asked if a check is broken.
    """
    checks = [load_check(section.check) for section in framework.sections]
    pairs = zip(framework.sections, checks, strict=True)
    results = tuple(_result(section, check, period, select) for section, check in pairs)
    return Report(framework, period, dict(store), results)


def _result(section: Section, check: Check, period: Period, select: Select) -> Result:
    population, rows, parameters = ask(check, period, select)
    return Result(check=check, section=section, parameters=parameters, population=population, rows=rows)


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
    return value
