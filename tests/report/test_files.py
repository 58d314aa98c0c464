"""Every file under reports/: what each must be, whoever adds one."""

import inspect
import re

import duckdb
import pytest

from lpaudit import report
from lpaudit.cli import questions
from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Outcome
from lpaudit.report.check import check_files, named_parameters, parse_check
from lpaudit.report.framework import parse_framework
from lpaudit.resources import folder

CHECKS = sorted(check_files())
COMMANDS = {name for name, path in check_files().items() if path.parent.name == "questions"}
"""Checks that have a command of their own."""


@pytest.mark.parametrize("check_id", CHECKS)
def test_a_check_says_everything_it_must(check_id):
    check = report.load_check(check_id)
    assert check.id == check_id
    assert re.fullmatch(r"[a-z][a-z0-9-]*", check_id), "an id is an anchor and a file's name"
    assert check.limits
    assert check.question.endswith("?")
    assert check.unit == check.unit.lower()
    named = named_parameters(check.sql, check.file) | named_parameters(check.population, check.file)
    assert named <= {"start", "end"} | {p.name for p in check.parameters}


@pytest.mark.parametrize("check_id", CHECKS)
def test_duckdb_takes_the_file_as_it_stands(check_id):
    [statement] = duckdb.extract_statements(check_files()[check_id].read_text())
    assert statement.type == duckdb.StatementType.SELECT


@pytest.mark.parametrize("check_id", sorted(set(CHECKS) - COMMANDS))
def test_a_check_answers_a_store_that_is_empty_for_the_period(check_id, no_lines):
    result = no_lines.result(check_id)
    if result.check.needs:  # of which this store has nothing: there is no answer, and that is said
        assert (result.outcome, result.rows.num_columns) == (Outcome.NO_DATA, 0)
        return
    assert result.rows.num_columns > 1
    assert all(not str(f.type).startswith("decimal") for f in result.rows.schema), "cast sums to bigint"


def test_every_check_is_in_a_report_or_has_a_command():
    used = {s.check for name in report.framework_ids() for s in report.load_framework(name).sections}
    assert used | COMMANDS == set(CHECKS)
    source = inspect.getsource(questions)
    assert all(f'"{check_id}"' in source for check_id in COMMANDS)


@pytest.mark.parametrize("framework_id", report.framework_ids())
def test_every_section_is_a_check_and_what_is_not_shown_is_said(framework_id):
    framework = report.load_framework(framework_id)
    assert {s.check for s in framework.sections} <= set(CHECKS)
    assert framework.not_shown
    assert framework.show.why


def test_nothing_is_judged():
    for path in folder("reports").rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert not re.search(r"compliant|\bpass(ed|es)?\b", path.read_text(), re.IGNORECASE), path


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        (lambda: report.load_framework("accxss"), "did you mean access?"),
        (lambda: report.load_framework("zzz"), "there are: access"),
        (lambda: report.load_check("../../pyproject"), "there are: "),
        (lambda: report.load_check("denid"), "did you mean denied?"),
    ],
)
def test_an_unknown_id_is_answered_with_the_known_ones(ask, hint):
    with pytest.raises((CheckError, ConfigError)) as error:
        ask()
    assert error.value.hint.startswith(hint)


GOOD = """/*
id = "x"
title = "T"
question = "Q?"
kind = "table"
population = "select count(*) from access"
unit = "lines"
limits = "None known, which is one."
[parameters.top]
default = 5
why = "a page"
*/
select 1 as a order by a limit $top
"""


def test_the_example_is_good():
    assert parse_check(GOOD.encode(), "checks/access/x.sql").parameters[0].default == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "x"', 'id = "y"', "has the id 'y'"),
        ('limits = "None known, which is one."', 'limits = " "', "limits must be a text"),
        ('kind = "table"', 'kind = "pass"', "unknown kind"),
        ('title = "T"', 'titel = "T"', "unknown key 'titel'"),
        ("limit $top", "limit $tpo", "names $tpo, which it does not declare"),
        ("limit $top", "", "declares $top, which it does not name"),
        (" order by a", "", "has no order by"),
        ("select 1 as a order by a", "select a from (select 1 as a order by a)", "has no order by"),
        ("limit $top\n", "limit $top; select 2\n", "is not one SELECT"),
        ("select 1 as a order by a limit $top", "delete from access", "is not one SELECT"),
        ("select 1 as a", "selec 1 as a", "is not SQL"),
        ('"select count(*) from access"', '"drop table access"', "is not one SELECT"),
        ('"Q?"', '"What of /api/admin/* ?"', "does not begin with"),
        ('why = "a page"\n', "", "why must be a text"),
        ("default = 5\n", "", "has no default"),
        ('title = "T"', "title = T", "is not TOML"),
    ],
)
def test_a_broken_check_is_refused(old, new, message):
    assert old in GOOD
    with pytest.raises(CheckError, match=re.escape(message)):
        parse_check(GOOD.replace(old, new).encode(), "checks/access/x.sql")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "access"', 'id = "other"', "has the id"),
        ('summary = "result-in-numbers"', 'summary = "gone"', "is not a section"),
        ('chart = "hours"', 'chart = "pie"', "unknown chart"),
        ("default = 200", 'default = "all"', "show must be a number"),
        ("show = 744", 'show = "all"', "show must be a number"),
        ("not_shown = [", "not_shwon = [", "unknown key"),
    ],
)
def test_a_broken_framework_is_refused(old, new, message):
    text = (folder("reports") / "frameworks" / "access.toml").read_text()
    assert old in text
    with pytest.raises(CheckError, match=message):
        parse_framework(text.replace(old, new).encode(), "frameworks/access.toml")
