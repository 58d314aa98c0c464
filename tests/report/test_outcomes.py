"""What an answer is worth: complete, incomplete, of nothing, or not given at all."""

import sys
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from report.small import DAY, RUN, gap, line

from lpaudit import report
from lpaudit.errors import CheckError
from lpaudit.model import GapCause, Outcome, Period, Section
from lpaudit.report import counts
from lpaudit.report.check import parse_check
from lpaudit.report.exceptions import exception_ids, exceptions
from lpaudit.report.framework import parse_framework
from lpaudit.resources import folder

WHOLE = [line("22/Nov/2026:23:00:00", "GET /"), line("24/Nov/2026:01:00:00", "GET /")]
CHECK = """/*
id = "x"
title = "X"
question = "X?"
kind = "control"
severity = "high"
key = ["path"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines"
limits = "-"
{more}
*/
{sql}
"""


def outcome(store, check_id="denied", period=DAY):
    result = store.result(check_id, period)
    return result.outcome, result.reasons


def answered(store, monkeypatch, sql, more=""):
    check = parse_check(CHECK.format(sql=sql, more=more).encode(), "checks/mine/x.sql")
    known = report.load_any
    monkeypatch.setattr(
        sys.modules["lpaudit.report.evaluate"],
        "load_any",
        lambda name, library: check if name == "x" else known(name, library),
    )
    only = replace(report.load_framework("access"), sections=(Section("x"),))
    [result] = report.evaluate(only, DAY, store.select, {}).results
    return result


def test_a_log_that_is_known_before_and_after_the_period_is_complete(store_of):
    store = store_of(access=[*WHOLE, line("10:00:00", "GET /", 403)])
    assert outcome(store) == (Outcome.ROWS, ())
    assert outcome(store, "unreconciled-sources") == (Outcome.EXCEPTIONS, ())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (WHOLE[:1], "the last line of a host is of 2026-11-22 23:00:00 UTC"),
        (WHOLE[1:], "the first line of any log is of 2026-11-24 01:00:00 UTC"),
    ],
)
def test_before_the_first_line_and_after_the_last_nothing_is_known(store_of, lines, reason):
    result = store_of(access=lines).result("denied")
    assert result.outcome is Outcome.NO_DATA
    assert result.reasons == ("there are 0 lines of the period", reason)
    result = store_of(access=[*lines, line("10:00:00", "GET /")]).result("denied")
    assert result.outcome is Outcome.INCOMPLETE
    assert "UTC" in result.reasons[0]


def test_a_period_in_the_future_is_incomplete_whatever_the_clock_says(store_of):
    period = Period(datetime(2026, 11, 23, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    found, reasons = outcome(store_of(access=[*WHOLE, line("10:00:00", "GET /")]), period=period)
    assert found is Outcome.INCOMPLETE
    assert reasons == ("the last line of a host is of 2026-11-24 01:00:00 UTC",)


def test_a_gap_makes_the_sections_of_its_time_incomplete_and_no_others(store_of):
    lines = [*WHOLE, line("10:00:00", "GET /")]
    store = store_of(access=lines, gaps=[gap("10:00", "12:30", cause=GapCause.DELETED)])
    found, [reason] = outcome(store)
    assert found is Outcome.INCOMPLETE
    assert "deleted" in reason
    before = Period(DAY.start, datetime(2026, 11, 23, 10, tzinfo=UTC))
    assert outcome(store, period=before)[0] is Outcome.NO_DATA  # no line there, and no gap
    assert outcome(store, "unreconciled-sources")[0] is Outcome.EXCEPTIONS  # it asks about no period


def test_a_host_that_has_long_gone_is_not_waited_for(store_of):
    long_ago = [line("01/Nov/2026:10:00:00", "GET /")]
    assert outcome(store_of(access=[*long_ago, *WHOLE, line("10:00:00", "GET /")]))[0] is Outcome.ROWS


def test_what_needs_records_that_nobody_brought_says_so(store_of):
    store = store_of(access=[*WHOLE, line("10:00:00", "GET /")])
    found, reasons = outcome(store, "bypass")
    assert found is Outcome.NO_DATA
    assert all("lpaudit sync" in reason for reason in reasons)
    store = store_of(access=WHOLE, runs=[{"id": RUN}])
    assert [r for r in outcome(store, "bypass")[1] if "flow runs" in r] == []


def test_a_question_that_fails_is_an_error_and_the_others_are_asked(store_of, monkeypatch):
    store = store_of(access=[*WHOLE, line("10:00:00", "GET /")])
    result = answered(store, monkeypatch, "select no_such_column as path from access order by 1")
    assert result.outcome is Outcome.ERROR
    assert "no_such_column" in result.reasons[0]
    assert "could not be asked" in counts.outcome(result)


@pytest.mark.parametrize(
    ("sql", "more", "words"),
    [
        ("select path as p from access order by 1", "", "the key path is no column"),
        ("select path from access order by 1", "[needs]\nacess = 'x'", "needs acess, which is no table"),
    ],
)
def test_a_key_or_a_need_that_does_not_exist_is_an_error_of_that_check(
    store_of, monkeypatch, sql, more, words
):
    result = answered(store_of(access=WHOLE), monkeypatch, sql, more)
    assert result.outcome is Outcome.ERROR
    assert words in result.reasons[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('severity = "high"', "", "a key and a severity"),
        ('key = ["path"]', "", "a key and a severity"),
        ('"control"', '"table"', "a table has neither"),
        ('"high"', '"hihg"', "did you mean high"),
        ('"x"\ntitle', '"x"\nsection = "S21"\ntitle', "S1 to S20"),
    ],
)
def test_heads_that_say_too_little_are_refused(old, new, words):
    text = CHECK.format(sql="select path from access order by 1", more="")
    assert old in text
    with pytest.raises(CheckError) as error:
        parse_check(text.replace(old, new, 1).encode(), "checks/mine/x.sql")
    assert words in f"{error.value.message} {error.value.hint}"


def test_only_findings_are_exceptions_where_a_column_says_which(store_of, monkeypatch):
    store = store_of(access=[*WHOLE, line("10:00:00", "GET /a", 403), line("10:00:01", "GET /b")])
    result = answered(
        store,
        monkeypatch,
        "select path, nullif(status, 200) = 403 as finding from access where time >= $start and time < $end order by 1",
    )
    assert result.rows.num_rows == 2
    assert exceptions(result).column("path").to_pylist() == ["/a"]
    assert exceptions(store.result("denied")).num_rows == 0  # a table has none


def test_an_exception_has_the_same_id_wherever_its_row_stands():
    check = parse_check(
        CHECK.format(sql="select path from access order by 1", more="").encode(), "checks/mine/x.sql"
    )
    rows = pa.table({"path": ["/a", "/b", None], "n": [1, 2, 3]})
    ids = exception_ids(check, rows)
    assert exception_ids(check, pa.table({"n": [9, 8], "path": ["/b", "/a"]})) == ids[1::-1]
    assert len(set(ids)) == 3
    assert ids[0] == "cdfa8ae845b48ff0"  # printf %s '["x","/a"]' | sha256sum


FRAMEWORK = """
id = "mine"
title = "Mine"
description = "-"
base = "access"
not_shown = ["What is mine."]
[[control]]
id = "C1"
intent = "-"
checks = ["bypass", "denied", "orphan-lines"]
not_shown = "-"
[[control]]
id = "C2"
intent = "-"
not_shown = "everything"
"""


def test_a_framework_of_controls_has_the_sections_of_its_base_and_of_its_controls():
    base = report.load_framework("access")
    mine = parse_framework(FRAMEWORK.encode(), "frameworks/mine.toml")
    assert mine.sections[: len(base.sections)] == base.sections
    assert [s.check for s in mine.sections[len(base.sections) :]] == ["bypass", "orphan-lines"]
    assert mine.not_shown == (*base.not_shown, "What is mine.")
    assert [c.checks for c in mine.controls] == [("bypass", "denied", "orphan-lines"), ()]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"access"', '"acess"', "did you mean access"),
        ('"C2"', '"C1"', "2 controls are called C1"),
        ('"bypass"', '"bypas"', "did you mean bypass"),
        ('intent = "-"\n', "", "intent must be a text"),
    ],
)
def test_a_broken_framework_is_refused(old, new, words):
    assert folder("reports").is_dir()
    with pytest.raises(CheckError) as error:
        parse_framework(FRAMEWORK.replace(old, new, 1).encode(), "frameworks/mine.toml")
    assert words in f"{error.value.message} {error.value.hint}"
