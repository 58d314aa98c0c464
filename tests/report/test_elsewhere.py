"""Stores outgrow a machine: every check must be SQL for Spark and for Trino as well."""

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from lpaudit import report
from lpaudit.schema import tables


@pytest.mark.parametrize("dialect", ["spark", "trino"])
@pytest.mark.parametrize("check_id", sorted(report.checks()))
def test_a_check_can_be_written_for_another_engine(check_id, dialect):
    check = report.load_check(check_id)
    for sql in (check.sql, check.population):
        [written] = sqlglot.transpile(sql, read="duckdb", write=dialect, unsupported_level=ErrorLevel.RAISE)
        there = sqlglot.parse_one(written, read=dialect)
        here = sqlglot.parse_one(sql, read="duckdb")
        assert isinstance(there, exp.Query)
        assert there.named_selects == here.named_selects
        assert _asked(there) == _asked(here)
    assert _asked(sqlglot.parse_one(check.sql, read="duckdb")), "its population may be the period's days"


def _asked(tree):
    """Which tables and views are asked."""
    known = {name for table in tables().values() for name in (table.name, *(v.name for v in table.views))}
    return {table.name for table in tree.find_all(exp.Table)} & known


@pytest.mark.parametrize("check_id", sorted(report.checks()))
def test_no_window_has_a_filter(check_id):
    """DuckDB takes such a window in a time that grows with the square of its rows; with CASE it does not."""
    check = report.load_check(check_id)
    for sql in (check.sql, check.population):
        windows = sqlglot.parse_one(sql, read="duckdb").find_all(exp.Window)
        assert [window.sql() for window in windows if isinstance(window.this, exp.Filter)] == []
