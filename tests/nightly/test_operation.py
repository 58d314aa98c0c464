"""The checks about the control itself: on nights that were, and nights that were not."""

import json
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from report.small import line

from lpaudit import report
from lpaudit.errors import Exit
from lpaudit.model import Period
from lpaudit.report.exceptions import exceptions


def answer(nights, check_id, first="2026-11-23", last=None):
    start = datetime.combine(date.fromisoformat(first), datetime.min.time(), UTC)
    end = datetime.combine(date.fromisoformat(last or first), datetime.min.time(), UTC) + timedelta(days=1)
    check = report.load_check(check_id)
    from lpaudit import pipeline

    with pipeline.opened(nights.root) as (connection, _):
        population, rows, _ = report.ask(check, Period(start, end), connection.select)
    return population, rows.to_pylist()


def finish(nights, *days, do="mark"):
    """Have nights end in time: only as a record, or by really running them."""
    for day in map(date.fromisoformat, days):
        nights.time = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=24.5)
        getattr(nights, do)(day)


def missed(nights, *period):
    population, rows = answer(nights, "missed-nights", *period)
    return population, [(row["night"], row["reason"]) for row in rows if row["finding"]]


def test_a_night_that_nobody_ran_is_an_exception_of_the_next_but_one(nights):
    finish(nights, "2026-11-20", "2026-11-22")
    assert missed(nights, "2026-11-22") == (1, []), "21 November may still come"
    finish(nights, "2026-11-23", do="run")
    assert missed(nights, "2026-11-23") == (1, [("2026-11-21", "no run")])
    [row] = nights.select("select * from exception_latest where check_id = 'missed-nights'")
    assert json.loads(row["row_key"]) == {"night": "2026-11-21"}
    assert (row["event"], row["severity"]) == ("new", "high")


def test_days_of_a_longer_period_are_all_wanted_and_those_before_the_first_run_only_in_it(nights):
    finish(nights, "2026-11-20", "2026-11-23")
    nights.time += timedelta(days=3)
    nights.ingest(line("25/Nov/2026:10:00:00", "GET /later"), name="later")
    population, found = missed(nights, "2026-11-18", "2026-11-23")
    assert population == 6
    assert [night for night, _ in found] == ["2026-11-18", "2026-11-19", "2026-11-21", "2026-11-22"]


@pytest.mark.parametrize("broken", ["killed", "failed"])
def test_a_night_that_did_not_come_to_its_end_is_missed_until_it_does(nights, broken):
    finish(nights, "2026-11-21")
    if broken == "failed":
        nights.out.write_text("in the way")
        nights.run(date(2026, 11, 22))
        nights.out.unlink()
    else:
        with pytest.raises(KeyboardInterrupt):
            nights.run(date(2026, 11, 22), perform=interrupted)
    reason = "it was not finished" if broken == "killed" else "report: cannot make"
    finish(nights, "2026-11-24")
    _, found = missed(nights, "2026-11-22")
    [(night, why)] = found
    assert night == "2026-11-22"
    assert why.startswith(reason)
    nights.mark(date(2026, 11, 22))
    _, rows = answer(nights, "missed-nights", "2026-11-22")
    assert [(row["finding"], row["reason"]) for row in rows] == [(False, "done, but late")]


def test_a_night_that_is_made_up_for_does_not_miss_itself(nights):
    finish(nights, "2026-11-20", "2026-11-21", "2026-11-23")
    nights.time = datetime(2026, 11, 27, 9, tzinfo=UTC)
    run = nights.run(date(2026, 11, 22))
    assert run.exit_status in (0, 1)
    assert nights.select("select * from exception where check_id = 'missed-nights'") == []
    told = (nights.out / "2026-11-22" / "operation.md").read_text()
    assert "| `done, but late` |" in told
    assert "| `it was not finished` |" not in told
    _, [row] = answer(nights, "missed-nights", "2026-11-22")
    assert (row["night"], row["finding"], row["done_at"]) == ("2026-11-22", False, run.ended_at)


def test_a_night_that_cannot_be_made_up_for_stays_missed(nights):
    finish(nights, "2026-11-20", "2026-11-21")
    nights.time = datetime(2026, 11, 27, 9, tzinfo=UTC)
    assert nights.run(date(2026, 11, 22), left_out=frozenset()).exit_status == Exit.FAILED
    [row] = nights.select("select * from exception where check_id = 'missed-nights'")
    assert json.loads(row["row_key"]) == {"night": "2026-11-22"}


def interrupted(step, take):
    raise KeyboardInterrupt


def test_nights_are_listed_with_their_reports(nights):
    finish(nights, "2026-11-23", do="run")
    population, [row] = answer(nights, "nights")
    assert population == 1
    assert (row["night"], row["exit_status"], row["user"]) == ("2026-11-23", 1, "lpaudit")
    made = sorted((nights.out / "2026-11-23").iterdir())
    told = [f"{sha256(path.read_bytes()).hexdigest()}  2026-11-23/{path.name}" for path in made]
    assert row["reports"] == "; ".join(told)


def overdue(nights, day):
    _, rows = answer(nights, "open-exceptions", day, day)
    return {row["registered_id"]: row["finding"] for row in rows}


def test_an_exception_is_overdue_the_day_after_it_is_due(nights, lpaudit):
    finish(nights, "2026-11-23", do="run")
    [found] = nights.select("select * from exception_latest where check_id = 'denied-requests'")
    one = found["exception_id"]
    words = ("--store", nights.root)
    assert (
        lpaudit("exceptions", "assign", one, "--due", "2027-12-01", "--owner", "olu", *words).returncode == 0
    )
    nights.time = datetime(2027, 12, 5, tzinfo=UTC)
    assert overdue(nights, "2027-11-30")[one] is False
    assert overdue(nights, "2027-12-01")[one] is True, "at the end of the day it is due no more"
    closed = lpaudit("exceptions", "close", one, "--disposition", "fixed", "--comment", "-", *words)
    assert closed.returncode == 0
    assert one not in overdue(nights, "2027-12-02")


def test_an_exception_that_nobody_has_is_overdue_after_a_week_and_never_one_about_exceptions(nights):
    finish(nights, "2026-11-23", do="run")
    [found] = nights.select("select * from exception_latest where check_id = 'denied-requests'")
    assert overdue(nights, "2026-11-23") == {}, "at the day's end no night had seen it"
    assert overdue(nights, "2026-11-29")[found["exception_id"]] is False
    assert overdue(nights, "2026-12-01")[found["exception_id"]] is True
    finish(nights, "2026-12-01", do="run")
    about = nights.select("select * from exception_latest where check_id = 'open-exceptions'")
    assert about, "it is itself an exception"
    ids = {row["exception_id"] for row in about}
    assert not ids & overdue(nights, "2027-01-31").keys()


def test_the_report_holds_no_exception_of_a_check_that_is_a_table():
    framework = report.load_framework("operation")
    kinds = {report.load_check(s.check).id: report.load_check(s.check).kind for s in framework.sections}
    assert {name for name, kind in kinds.items() if kind == "control"} == {
        "incomplete-period",
        "missed-nights",
        "open-exceptions",
        "review-sign-off",
    }
    assert exceptions.__doc__
