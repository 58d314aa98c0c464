"""A check's population → the SELECT of the rows that it counts, if there is one.

A population is a SELECT of one number. `count(*)` of something has that something's rows, and
`count(distinct x)` the different values of x; what adds or computes numbers has no rows. Whether
the rows are as many as the number said is looked at when they are there: see populations.py.
"""

from dataclasses import dataclass
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lpaudit.errors import CheckError
from lpaudit.model import Check
from lpaudit.report.check import ALWAYS, named_parameters
from lpaudit.schema import tables

LINES = "SELECT COUNT(*) FROM access WHERE time >= $start AND time < $end"
"""The population of most checks."""

_OF_LINES = ("access", "access_identity")
_COLUMNS = (
    *("line_id", "time", "time_end", "host", "client", "user", "login", "identity", "kind"),
    *("method", "path", "route", "action", "privileged", "resource_type", "resource_id", "status", "bytes"),
    *("duration_us", "source", "source_id", "line_number", "segment", "byte_offset", "byte_length"),
)
"""What is shown of a line: who did what, how it ended, and where its bytes are. No query, no header, no
text that may hold a secret."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows that a population counts: a SELECT, and the number's own text in one spelling.

    ``lines``: they are lines, each of which is at one time, so that a part of the period gives a part of
    them.
    """

    sql: str
    counted: str
    lines: bool


def frame_of(check: Check) -> Frame | str:
    """Return the frame of a check's population; why there is none, if there is none."""
    try:
        tree = sqlglot.parse_one(check.population, dialect="duckdb")
    except SqlglotError:
        return "its population is SQL that cannot be taken apart"
    counted = tree.sql("duckdb", comments=False)
    computed = "its population is a number that is computed, and not a count of rows"
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("group"):
        return computed
    what = tree.expressions[0].unalias()
    if not isinstance(what, exp.Count):
        return computed
    if isinstance(what.this, exp.Distinct):
        return Frame(_different(tree, what.this.expressions), counted, lines=False)
    if not isinstance(what.this, exp.Star):
        return "its population is a count of values"
    lines = _is_of_lines(tree)
    try:
        asked = named_parameters(check.population, check.file) & set(ALWAYS)
    except CheckError:
        asked = frozenset()
    if not asked and isinstance(_from(tree), exp.Table):
        return "its population is all that the store has, of the period or not"
    columns = "lambda c: " + (
        f"list_contains({_listed(_COLUMNS)}, c)"
        if lines
        else f"not list_contains({_listed(_secret_bearing())}, c)"
    )
    rows = tree.select(exp.Star(), append=False).sql("duckdb", comments=False)
    order = "time, line_id" if lines else "all"
    return Frame(f"select columns({columns}) from ({rows}) order by {order}", counted, lines)  # noqa: S608 -- a check's SQL


def _different(tree: exp.Select, values: list[exp.Expression]) -> str:
    """Return the SELECT of different values: of one value without null, as count does."""
    one = values[0].unnest() if len(values) == 1 else None
    several = one.expressions if isinstance(one, exp.Tuple) else values
    rows = tree.copy()
    if not isinstance(one, exp.Tuple):
        for value in several:
            rows = rows.where(exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null())))
    rows = rows.select(*(value.copy() for value in several), append=False).distinct()
    return f"select * from ({rows.sql('duckdb', comments=False)}) order by all"  # noqa: S608 -- a check's SQL


def _is_of_lines(tree: exp.Select) -> bool:
    """Tell whether what is counted are the lines of one view, some of them."""
    table = _from(tree)
    plain = isinstance(table, exp.Table) and table.name in _OF_LINES
    return plain and not tree.args.get("joins") and not tree.ctes


def _from(tree: exp.Select) -> exp.Expression | None:
    """Return what is selected from, or the first of it."""
    source = tree.find(exp.From)
    return source.this if source else None


@cache
def _secret_bearing() -> tuple[str, ...]:
    """Return the names of columns that may hold secrets, in any table."""
    fields = (field for table in tables().values() for field in table.fields)
    return tuple(sorted({field.name for field in fields if field.sensitivity == "secret-bearing"}))


def _listed(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"
