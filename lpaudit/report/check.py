"""One .sql file under reports/checks: TOML in its leading comment, then one SELECT.

The file is what an auditor reads, what DuckDB runs as it stands, and what the report names
by its SHA-256. So whatever could make an answer mean less than it says is refused here: a
parameter nobody declared, rows in no order, a question without a population.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import duckdb

from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Check, Parameter
from lpaudit.report import toml
from lpaudit.report.library import SHIPPED, Found, Library, checks
from lpaudit.report.repeatable import changing

ALWAYS = ("start", "end")
"""Parameters that every check may name: the report's period."""

KINDS = ("table", "control")
"""``table``: the rows are the answer. ``control``: the rows are exceptions, and none are expected."""

_HEAD = re.compile(r"\A/\*(.*?)\*/(.*)\Z", re.DOTALL)
_ORDER = re.compile(r"\border\s+by\b(?![^()]*\))", re.IGNORECASE)
_HOURS = 24
SEVERITIES = ("low", "medium", "high", "critical")

_SECTION = re.compile(r"S([1-9]|1[0-9]|20)")
_TAG = re.compile(r"D[1-9][0-9]?|T[0-9]{4}(\.[0-9]{3})?|AML\.T[0-9]{4}")
_KEYS = (
    *("id", "title", "question", "kind", "population", "unit", "limits", "parameters"),
    *("section", "needs", "key", "severity", "tags"),
)


def load_check(check_id: str, library: Library = SHIPPED) -> Check:
    """Read a check, with its parameters as they are set.

    Raises CheckError if there is none of that id, or if it is broken.
    """
    files = checks(library)
    if check_id not in files:
        raise CheckError(f"there is no check {check_id!r}", hint=toml.hint(check_id, files))
    found = files[check_id]
    check = parse_check(_bytes(found), found.name)
    return changed(check, library.changed.get(check_id, {}))


def load_any(check_id: str, library: Library = SHIPPED) -> Check:
    """Read a check; one of the user's own that is broken comes with its ``fault``: it must not stop others.

    Raises CheckError if there is none of that id.
    """
    try:
        return load_check(check_id, library)
    except CheckError as error:
        found = checks(library).get(check_id)
        if found is None or not found.own:
            raise
        return _broken(check_id, found, error.message)


def _broken(check_id: str, found: Found, fault: str) -> Check:
    """Return what stands for a check that cannot be asked."""
    data, raw, sql = b"", toml.Toml(), ""
    with suppress(CheckError):
        data = _bytes(found)
        if head := _HEAD.match(toml.decoded(data, found.name)):
            sql = head[2].strip()
            raw = toml.parse(head[1], found.name)
    texts = {key: value.strip() for key, value in raw.items() if isinstance(value, str) and value.strip()}
    severity = texts.get("severity")
    return Check(
        id=check_id,
        title=texts.get("title", check_id),
        question=texts.get("question", "-"),
        kind="control" if texts.get("kind") == "control" else "table",
        population=texts.get("population", ""),
        unit=texts.get("unit", "rows"),
        sql=sql,
        limits=texts.get("limits", "-"),
        file=found.name,
        sha256=sha256(data).hexdigest(),
        severity=severity if severity in SEVERITIES else None,
        fault=fault,
    )


def changed(check: Check, values: Mapping[str, tuple[object, str]]) -> Check:
    """Return a check with other values for some of its parameters, and why they are other ones.

    Raises ConfigError for a name that it does not have, and for a value of another type.
    """
    known = {p.name: p for p in check.parameters}
    for name, (value, origin) in values.items():
        if name not in known:
            raise ConfigError(
                f"{origin}: {check.id} has no parameter {name!r}",
                hint=toml.hint(name, known) if known else "it has none",
            )
        default = known[name].default
        fits = type(value) is type(default) or (type(value) is int and type(default) is float)
        if not fits:
            raise ConfigError(
                f"{origin}: {name} of {check.id} is {value!r}, which is no {type(default).__name__}",
                hint=f"it is {default!r} by default",
            )
        why = f"set in {origin}; it is {default!r} by default: {known[name].why}"
        known[name] = Parameter(name, value, why)
    _refuse_hours(values, {name: p.default for name, p in known.items()})
    return replace(check, parameters=tuple(known.values()))


def _refuse_hours(values: Mapping[str, tuple[object, str]], held: Mapping[str, object]) -> None:
    """Refuse hours and days that no week has: with them every request is out of hours, or none."""
    for name in values.keys() & {"opens", "closes", "working_days"}:
        value, origin = held[name], values[name][1]
        days = value if name == "working_days" and isinstance(value, list) else []
        if wrong := [day for day in days if day not in range(1, 8)]:
            raise ConfigError(
                f"{origin}: working_days has {wrong[0]!r}", hint="days are 1 for Monday to 7 for Sunday"
            )
        if isinstance(value, int | float) and not 0 <= value <= _HOURS:
            raise ConfigError(
                f"{origin}: {name} is {value!r}, which is no hour of the day", hint="write 0 to 24"
            )
        opens, closes = held.get("opens"), held.get("closes")
        if isinstance(opens, int | float) and isinstance(closes, int | float) and opens >= closes:
            raise ConfigError(
                f"{origin}: opens is {opens!r} and closes is {closes!r}", hint="opens must be before closes"
            )


def _bytes(found: Found) -> bytes:
    try:
        return found.path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CheckError(f"cannot read {found.name}: {reason}", hint="check its permissions") from error


@cache
def parse_check(data: bytes, file: str) -> Check:
    """Read the bytes of a check. Raises CheckError."""
    found = _HEAD.match(toml.decoded(data, file))
    if not found or "/*" in found[1]:  # DuckDB nests comments: the comment would end elsewhere for it
        raise CheckError(
            f"{file} does not begin with /* TOML */",
            hint="inside, neither /* nor */ may occur, not even in a path",
        )
    raw = toml.parse(found[1], file)
    toml.only(raw, _KEYS, file)
    check = Check(
        id=toml.text(raw, "id", file),
        title=toml.text(raw, "title", file),
        question=toml.text(raw, "question", file),
        kind=toml.text(raw, "kind", file),
        population=toml.text(raw, "population", file),
        unit=toml.text(raw, "unit", file),
        sql=found[2].strip(),
        limits=toml.text(raw, "limits", file),
        file=file,
        sha256=sha256(data).hexdigest(),
        parameters=_parameters(raw, file),
        section=toml.text(raw, "section", file) if "section" in raw else None,
        needs=_needs(raw, file),
        key=toml.texts(raw, "key", file) if "key" in raw else (),
        severity=toml.text(raw, "severity", file) if "severity" in raw else None,
        tags=toml.texts(raw, "tags", file) if "tags" in raw else (),
    )
    _refuse(check)
    return check


def parameter(raw: object, name: str, file: str) -> Parameter:
    """Read a parameter's table. Raises CheckError."""
    given = toml.table(raw, name, file)
    toml.only(given, ("default", "why"), file)
    if "default" not in given:
        raise CheckError(f"{file}: {name} has no default", hint="a report must run without questions")
    return Parameter(name, given["default"], toml.text(given, "why", file))


@cache
def named_parameters(sql: str, file: str) -> frozenset[str]:
    """Return the names of a query's parameters. Raises CheckError unless it is exactly one SELECT."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise CheckError(f"{file} is not SQL: {error}", hint="try it with `lpaudit sql`") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise CheckError(f"{file} is not one SELECT", hint="a check only asks, and asks once")
    return frozenset(statements[0].named_parameters)


def _parameters(raw: toml.Toml, file: str) -> tuple[Parameter, ...]:
    tables = toml.table(raw.get("parameters", {}), "parameters", file)
    return tuple(parameter(value, name, file) for name, value in tables.items())


def _needs(raw: toml.Toml, file: str) -> dict[str, str]:
    tables = toml.table(raw.get("needs", {}), "needs", file)
    for name in tables:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise CheckError(f"{file}: needs {name!r}, which is no table", hint="`lpaudit tables` lists them")
    return {name: toml.text(tables, name, file) for name in tables}


def _refuse(check: Check) -> None:
    file = check.file
    if Path(file).stem != check.id:
        raise CheckError(f"{file} has the id {check.id!r}", hint="the id is the file's name")
    if check.kind not in KINDS:
        raise CheckError(f"{file}: unknown kind {check.kind!r}", hint=toml.hint(check.kind, KINDS))
    if check.section is not None and not _SECTION.fullmatch(check.section):
        raise CheckError(f"{file}: unknown section {check.section!r}", hint="there are: S1 to S20")
    if (check.kind == "control") != bool(check.key) or (check.kind == "control") != bool(check.severity):
        raise CheckError(
            f"{file}: a control has a key and a severity, a table has neither",
            hint='key = ["columns by which an exception is known again"]',
        )
    if check.severity not in (None, *SEVERITIES):
        raise CheckError(
            f"{file}: unknown severity {check.severity!r}", hint=toml.hint(str(check.severity), SEVERITIES)
        )
    for tag in check.tags:
        if not _TAG.fullmatch(tag):
            raise CheckError(f"{file}: unknown tag {tag!r}", hint="a tag is D1 to D99 or T1110.001")
    _refuse_parameters(check)
    _refuse_sql(check)


def _refuse_sql(check: Check) -> None:
    file = check.file
    if not _ORDER.search(check.sql):
        raise CheckError(
            f"{file} has no order by", hint="rows in no order make a report that cannot be compared"
        )
    for sql in (check.population, check.sql):
        if name := changing(sql):
            raise CheckError(
                f"{file} asks {name}, which is another one each time",
                hint="the same period gives the same report: its ends are $start and $end",
            )


def _refuse_parameters(check: Check) -> None:
    file = check.file
    declared = {p.name for p in check.parameters}
    named = named_parameters(check.sql, file) | named_parameters(check.population, file)
    for name in sorted(named - declared - set(ALWAYS)):
        raise CheckError(f"{file} names ${name}, which it does not declare", hint=f"add [parameters.{name}]")
    for name in sorted(declared - named):
        raise CheckError(f"{file} declares ${name}, which it does not name", hint="remove it, or use it")
