"""Checks and frameworks of the user's own: found, tried, limited, and never in place of another one."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report.small import DAY, line

from lpaudit import config, query, report
from lpaudit.errors import CheckError, ConfigError, Exit, QueryLimit
from lpaudit.model import Checkpoint, Outcome, Section

CHECK = """/*
id = "{id}"
title = "Mine"
question = "Which?"
kind = "table"
population = "select count(*) from access"
unit = "lines"
limits = "-"
{more}
*/
{sql}
"""
FRAMEWORK = """id = "mine"
title = "Mine"
description = "-"
base = "access"
[[control]]
id = "one"
intent = "-"
checks = [{checks}]
not_shown = "-"
"""
SLOW = "select count(*) as n from range(100000000000) as t(i) where i * i % 7 = 3 order by n"


def write(folder: Path, check_id, sql, more=""):
    area = folder / "checks" / "own"
    area.mkdir(parents=True, exist_ok=True)
    (area / f"{check_id}.sql").write_text(CHECK.format(id=check_id, sql=sql, more=more))


def framework(folder: Path, *checks):
    (folder / "frameworks").mkdir(exist_ok=True)
    named = ", ".join(f'"{c}"' for c in checks)
    (folder / "frameworks" / "mine.toml").write_text(FRAMEWORK.format(checks=named))
    return report.Library(own=(folder,))


def test_a_folder_adds_checks_and_frameworks(store_of, tmp_path):
    write(tmp_path, "paths", "select path from access order by path")
    library = framework(tmp_path, "paths", "deletions")
    chosen = report.load_framework("mine", library)
    assert {"paths", "deletions"} <= {s.check for s in chosen.sections}
    chosen = replace(chosen, sections=(Section("paths"),))
    found = report.evaluate(chosen, DAY, store_of(a=[line("10:00:00", "GET /x")]).select, {}, library)
    mine = next(r for r in found.results if r.check.id == "paths")
    assert mine.rows.to_pylist() == [{"path": "/x"}]
    assert mine.check.file == f"{tmp_path}/checks/own/paths.sql"
    assert "mine" not in report.framework_ids()


@pytest.mark.parametrize("twice", ["check", "framework"])
def test_an_id_that_exists_is_refused(tmp_path, twice):
    if twice == "check":
        write(tmp_path, "deletions", "select 1 as a order by a")
    else:
        (tmp_path / "frameworks").mkdir()
        (tmp_path / "frameworks" / "access.toml").write_text("")
    library = report.Library(own=(tmp_path,))
    with pytest.raises(CheckError, match=f"two {twice}s are called"):
        (report.checks if twice == "check" else report.framework_ids)(library)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no folder"):
        report.checks(report.Library(own=(tmp_path / "no",)))


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (SLOW, "took longer than 1 seconds"),
        (
            "select i, repeat('x', 10000) as x from range(1000000) as t(i) order by i desc",
            "more than 1,024 MiB|more memory",
        ),
        ("select * from read_text('/etc/passwd') order by all", "disabled"),
        ("select no_such_column from access order by 1", "no_such_column"),
        ("select path from access where action = 'delet' order by path", "never 'delet': did you mean"),
        ("select getenv('HOME') as home order by home", "getenv"),
        ("select path from access order by error('no')", "no"),
    ],
)
def test_a_check_that_is_slow_wrong_or_hostile_is_an_error_and_the_others_go_on(
    store_of, tmp_path, sql, words
):
    write(tmp_path, "bad", sql)
    library = framework(tmp_path, "bad", "deletions")
    store = store_of(a=[line("10:00:00", "GET /x")])

    def select(asked, parameters):
        return store.select(asked, parameters, seconds=1 if asked == SLOW else None)

    chosen = replace(report.load_framework("mine", library), sections=(Section("bad"), Section("deletions")))
    results = {r.check.id: r for r in report.evaluate(chosen, DAY, select, {}, library).results}
    assert results["bad"].outcome is Outcome.ERROR
    assert re.search(words, results["bad"].reasons[0])
    assert results["deletions"].outcome is Outcome.INCOMPLETE


CONTROL = 'key = ["path"]\nseverity = "high"'


@pytest.mark.parametrize(
    ("sql", "more", "words"),
    [
        ("select path from access", "", "has no order by"),
        ("attach 'x.db' as x", "", "is not one SELECT"),
        ("copy access to 'x.csv' -- order by 1", "", "is not one SELECT"),
        ("select path from access order by 1; select 1", "", "is not one SELECT"),
        ("select path from access where status < $most order by 1", "", "does not declare"),
        ("selec path from access order by 1", "", "is not SQL"),
        ("select path from access where time < now() order by 1", "", "asks now, which is another one"),
        ("select path from access order by 1", "title = 'again'", "is not TOML"),
        ("select path from access order by 1", "tags = ['x']", "unknown tag"),
        ("select status from access order by 1", CONTROL, "the key path is no column of it"),
        ("select path, 1 as exception_id from access order by 1", CONTROL, "cannot be called exception_id"),
        (
            "select path from access order by 1",
            "[needs]\nno_table = '-'",
            "needs no_table, which is no table",
        ),
        ("select error('magic bytes') as path from access order by 1", CONTROL, "magic bytes"),
    ],
)
def test_a_broken_file_is_an_error_in_every_form_of_report_and_the_others_go_on(
    store_of, tmp_path, sql, more, words
):
    write(tmp_path, "bad", sql, more)
    bad = tmp_path / "checks" / "own" / "bad.sql"
    bad.write_text(bad.read_text().replace('"table"', '"control"' if more == CONTROL else '"table"'))
    library = framework(tmp_path, "bad", "deletions")
    store = store_of(a=[line("10:00:00", "GET /x")])
    evaluated = report.evaluate(report.load_framework("mine", library), DAY, store.select, {}, library)
    [result] = [r for r in evaluated.results if r.check.id == "bad"]
    assert result.outcome is Outcome.ERROR
    assert words in result.reasons[0]
    assert [r.check.id for r in evaluated.results if r.outcome is Outcome.ERROR] == ["bad"]
    document = report.document(evaluated, Checkpoint({}, None, {}))
    assert list(report.not_asked(document)) == ["bad"]
    made = [report.write(document, form, tmp_path) for form in report.FORMATS]
    assert all(path.exists() for path in made)
    [line_] = [one for one in document.matrix if one.check == "bad"]
    assert line_.outcome == "error"


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("select now() as t", "now"),
        ("select current_timestamp as t", "current_timestamp"),
        ("select Current_Date as t", "Current_Date"),
        ("select today() as t", "today"),
        ('select "random"() as t', "random"),
        ("select gen_random_uuid() as t", "gen_random_uuid"),
        ("select uuid() as t", "uuid"),
        ("select list_transform([1], lambda x: random()) as t", "random"),
        ("with w as (select ago(interval 1 day) as t) select t from w", "ago"),
        (
            "select path as t from access where exists (select transaction_timestamp())",
            "transaction_timestamp",
        ),
        ("select age(time) as t from access", "age"),
        ("select path as t from (select path from access using sample 1)", "sample"),
        ("select current_setting('threads') as t", "current_setting"),
        ("select value as t from duckdb_settings()", "duckdb_settings"),
        ("select view_name as t from duckdb_views", "duckdb_views"),
        ("select name as t from pragma_database_list", "pragma_database_list"),
        (
            "select 'now()' as random, age(time, $start) as age, 1 as current_time from access /* now() */",
            None,
        ),
    ],
)
def test_what_the_clock_or_chance_says_is_no_part_of_a_report(tmp_path, sql, name):
    write(tmp_path, "mine", f"{sql} order by all")
    fault = report.load_any("mine", report.Library(own=(tmp_path,))).fault
    assert fault is None if name is None else f"asks {name}, which is another one each time" in fault


@pytest.mark.parametrize(
    ("population", "words"),
    [
        ("select count(*) from access where time < now()", "asks now, which is another one each time"),
        ("select -5", "population is -5"),
        ("select null", "not one number"),
        ("select 1.5", "not one number"),
    ],
)
def test_a_population_is_a_count(store_of, tmp_path, population, words):
    write(tmp_path, "mine", "select path from access order by path")
    file = tmp_path / "checks" / "own" / "mine.sql"
    file.write_text(file.read_text().replace("select count(*) from access", population))
    library = framework(tmp_path, "mine")
    chosen = replace(report.load_framework("mine", library), sections=(Section("mine"),))
    store = store_of(a=[line("10:00:00", "GET /x")])
    [result] = report.evaluate(chosen, DAY, store.select, {}, library).results
    assert result.outcome is Outcome.ERROR
    assert words in result.reasons[0]


def test_a_file_that_cannot_be_read_stops_no_other_one(tmp_path):
    (tmp_path / "checks" / "own" / "bad.sql").mkdir(parents=True)
    library = framework(tmp_path, "bad", "deletions")
    assert "cannot read" in report.load_any("bad", library).fault
    assert {"bad", "deletions"} <= {s.check for s in report.load_framework("mine", library).sections}


def test_a_check_that_there_is_not_is_a_fault_of_the_framework(tmp_path):
    with pytest.raises(CheckError, match="there is no check 'deletion'"):
        report.load_framework("mine", framework(tmp_path, "deletion"))


def test_a_limit_is_neither_an_interruption_nor_a_wrong_question():
    connection = query.connect({})
    try:
        with pytest.raises(QueryLimit) as error:
            connection.select(SLOW, seconds=0.3)
        assert error.value.exit is Exit.FAILED
        assert connection.select("select 1 as one", seconds=5).to_pylist() == [{"one": 1}]
    finally:
        connection.close()


PARAMETER = "[parameters.least]\ndefault = 5\nwhy = 'a handful'"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lest": 3}, "has no parameter 'lest'"),
        ({"least": "3"}, "which is no int"),
        ({"least": True}, "which is no int"),
        ({"least": 3.5}, "which is no int"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_refused(tmp_path, values, words):
    write(tmp_path, "mine", "select 1 as a order by a limit $least", PARAMETER)
    changed = {"mine": {name: (value, "lpaudit.toml") for name, value in values.items()}}
    with pytest.raises(ConfigError, match=words):
        report.load_check("mine", report.Library(own=(tmp_path,), changed=changed))


def test_parameters_are_set_in_the_configuration_and_the_report_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lpaudit.toml").write_text("store = 'x'\n[checks.brute-force]\nattempts = 3\n")
    assert config.load({}, {})["store"].value == "x"
    changed = config.check_parameters({})
    check = report.load_check("brute-force", report.Library(changed=changed))
    [attempts] = [p for p in check.parameters if p.name == "attempts"]
    assert attempts.default == 3
    assert attempts.why.startswith("set in lpaudit.toml; it is 10 by default: ")
    report.refuse_unknown(report.Library(changed=changed))
    with pytest.raises(ConfigError, match="there is no check 'brute'"):
        report.refuse_unknown(report.Library(changed={"brute": {"a": (1, "lpaudit.toml")}}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"working_days": [0, 1]}, "x: working_days has 0"),
        ({"working_days": [1, 8]}, "x: working_days has 8"),
        ({"working_days": ["Monday"]}, "x: working_days has 'Monday'"),
        ({"opens": 25}, "x: opens is 25, which is no hour of the day"),
        ({"closes": -1}, "x: closes is -1, which is no hour of the day"),
        ({"opens": 21}, "x: opens is 21 and closes is 20"),
        ({"opens": 9, "closes": 9}, "x: opens is 9 and closes is 9"),
        ({"opens": 0, "closes": 24, "working_days": [1, 7]}, None),
    ],
)
def test_hours_that_no_week_has_are_refused(values, words):
    given = {name: (value, "x") for name, value in values.items()}
    library = report.Library(changed={"out-of-hours-privileged": given})
    if words is None:
        assert report.load_check("out-of-hours-privileged", library)
        return
    with pytest.raises(ConfigError, match=words) as refused:
        report.load_check("out-of-hours-privileged", library)
    assert refused.value.hint


@pytest.mark.parametrize("text", ["checks = 3", "[checks]\nbrute-force = 3"])
def test_checks_in_the_configuration_are_tables(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError, match="checks must be tables"):
        config.check_parameters({}, file=str(tmp_path / "c.toml"))


def test_many_different_user_agents_are_no_trouble(store_of):
    lines = [
        line(f"10:{i // 60 % 60:02d}:{i % 60:02d}", "GET /x", agent=f"prefect/9.{i}") for i in range(20_000)
    ]
    rows = store_of(a=lines).rows("versions")
    assert len(rows) == 20_000
    assert rows == sorted(rows, key=lambda r: (r["what"], r["version"]))
