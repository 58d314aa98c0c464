"""The register: what nights see of an exception, and what people say, in every order."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest

from lpaudit import register
from lpaudit.errors import ConfigError
from lpaudit.model import Check, Outcome, Period, Result, Section

DAYS = [Period(datetime(2026, 11, d, tzinfo=UTC), datetime(2026, 11, d + 1, tzinfo=UTC)) for d in range(1, 6)]


def result(rows, *, check="c", outcome=Outcome.EXCEPTIONS, of_period=True):
    made = Check(check, "t", "q?", "control", "", "rows", "", "-", "f", "5d41", key=("who",), severity="high")
    table = pa.Table.from_pylist(rows, schema=pa.schema([("who", pa.string()), ("n", pa.int64())]))
    parameters = {"start": 1} if of_period else {}
    return Result(made, Section(check), parameters, outcome, (), 9, table)


@pytest.fixture
def book(nights):
    """A register, night by night: ``book.night(1, rows)`` → what was recorded; ``book.events()``."""
    count = iter(range(1, 100))

    def night(day, rows, run=None, **more):
        results = [result(rows, **more)]
        told = register.record_night(
            nights.root, results, DAYS[day], run or f"run{next(count)}", now=nights.now, unique=nights.unique
        )
        return len(told.new), len(told.reopened), told.seen, told.gone

    def say(*ids, **said):
        return register.say(
            nights.root, ids, register.Said("olu", **said), now=nights.now, unique=nights.unique
        )

    def events():
        rows = nights.select("select * from exception order by exception_id, revision")
        return [(row["event"], row["status"]) for row in rows]

    def latest():
        return nights.select("select * from exception_latest order by row_key")

    return SimpleNamespace(night=night, say=say, events=events, latest=latest, nights=nights)


def test_new_then_seen_with_its_first_time_kept(book):
    assert book.night(0, [{"who": "eve", "n": 1}]) == (1, 0, 0, 0)
    first = book.latest()[0]["first_seen"]
    assert book.night(1, [{"who": "eve", "n": 2}]) == (0, 0, 1, 0)
    [row] = book.latest()
    assert row["first_seen"] == first
    assert row["last_seen"] > first
    assert (row["revision"], row["period_start"]) == (2, DAYS[1].start)
    assert book.events() == [("new", "open"), ("seen", "open")]


def test_what_another_day_does_not_hold_is_not_gone(book):
    book.night(0, [{"who": "eve", "n": 1}])
    assert book.night(1, []) == (0, 0, 0, 0)
    assert book.night(0, []) == (0, 0, 0, 1), "the same day without it is another matter"
    assert book.night(0, []) == (0, 0, 0, 0), "gone once"
    [row] = book.latest()
    assert (row["event"], row["status"]) == ("gone", "open"), "gone is not closed"
    assert book.night(0, [{"who": "eve", "n": 1}]) == (0, 0, 1, 0)


def test_a_state_that_ended_is_gone_the_next_night(book):
    book.night(0, [{"who": "eve", "n": 1}], of_period=False)
    assert book.night(1, [], of_period=False) == (0, 0, 0, 1)


@pytest.mark.parametrize("outcome", [Outcome.INCOMPLETE, Outcome.NO_DATA, Outcome.ERROR])
def test_who_did_not_see_everything_says_of_nothing_that_it_is_gone(book, outcome):
    book.night(0, [{"who": "eve", "n": 1}])
    assert book.night(0, [], outcome=outcome) == (0, 0, 0, 0)
    assert book.events() == [("new", "open")]


def test_an_incomplete_answer_s_exceptions_are_recorded(book):
    assert book.night(0, [{"who": "eve", "n": 1}], outcome=Outcome.INCOMPLETE) == (1, 0, 0, 0)


def test_a_closed_exception_reopens_only_with_other_rows(book):
    book.night(0, [{"who": "eve", "n": 1}], of_period=False)
    [row] = book.latest()
    assert book.say(row["exception_id"], owner="priya", ticket="S-1", due="2026-12-01") == 1
    book.say(row["exception_id"], disposition="explained", comment="known")
    assert book.night(1, [{"who": "eve", "n": 1}], of_period=False) == (0, 0, 1, 0)
    [row] = book.latest()
    assert (row["event"], row["status"], row["disposition"]) == ("seen", "closed", "explained")
    assert book.night(2, [{"who": "eve", "n": 7}], of_period=False) == (0, 1, 0, 0)
    [row] = book.latest()
    assert (row["event"], row["status"], row["disposition"], row["due"]) == ("reopened", "open", None, None)
    assert (row["owner"], row["ticket"]) == ("priya", "S-1"), "who knows it is asked again"
    assert [e for e, _ in book.events()] == ["new", "assigned", "closed", "seen", "reopened"]


def test_one_more_row_with_the_same_key_is_another_matter_too(book):
    book.night(0, [{"who": "eve", "n": 1}])
    book.say(book.latest()[0]["exception_id"], disposition="fixed", comment="-")
    assert book.night(0, [{"who": "eve", "n": 1}, {"who": "eve", "n": 2}]) == (0, 1, 0, 0)
    assert book.latest()[0]["row_count"] == 2
    assert len(book.latest()) == 1


def test_a_closed_one_is_never_gone(book):
    book.night(0, [{"who": "eve", "n": 1}])
    book.say(book.latest()[0]["exception_id"], disposition="fixed", comment="-")
    assert book.night(0, []) == (0, 0, 0, 0)


def test_the_same_run_says_everything_once(book):
    assert book.night(0, [{"who": "eve", "n": 1}], run="r") == (1, 0, 0, 0)
    assert book.night(0, [{"who": "eve", "n": 1}], run="r") == (1, 0, 0, 0)
    assert book.events() == [("new", "open")]


def test_other_checks_are_left_alone(book):
    book.night(0, [{"who": "eve", "n": 1}], check="a")
    assert book.night(0, [], check="b") == (0, 0, 0, 0)


def test_rows_that_are_no_finding_are_no_exception(book):
    made = result([])
    rows = pa.table({"who": ["eve", "olu"], "n": [1, 2], "finding": [True, False]})
    found = list(register.sightings([Result(made.check, made.section, {}, made.outcome, (), 9, rows)]))
    assert [json.loads(sighting.row_key) for sighting in found] == [{"who": "eve"}]


def test_a_megabyte_in_a_key_is_cut_and_two_that_differ_behind_the_cut_stay_two(book):
    long = "x" * (1 << 20)
    assert book.night(0, [{"who": long + "a", "n": 1}, {"who": long + "b", "n": 1}]) == (2, 0, 0, 0)
    assert all(len(row["row_key"]) < 600 and "more characters" in row["row_key"] for row in book.latest())


@pytest.mark.parametrize(
    ("ids", "said"), [(["nope"], "there is no exception 'nope'"), (["closed"], "is closed: fixed, by olu")]
)
def test_what_cannot_be_said_is_refused_and_nothing_is_recorded(book, ids, said):
    book.night(0, [{"who": "a", "n": 1}, {"who": "b", "n": 1}])
    one, other = (row["exception_id"] for row in book.latest())
    book.say(other, disposition="fixed", comment="-")
    before = book.events()
    with pytest.raises(ConfigError, match=said):
        book.say(one, *[other if i == "closed" else i for i in ids], owner="x")
    assert book.events() == before


def test_people_at_once_each_have_their_say(book):
    book.night(0, [{"who": "eve", "n": 1}])
    [row] = book.latest()
    names = [f"{n:032x}" for n in range(1000, 1100)]
    book.nights.unique = names.pop

    def one(number):
        return book.say(row["exception_id"], comment=str(number))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == [1, 1, 1]
    rows = book.nights.select("select revision, comment from exception order by revision")
    assert [r["revision"] for r in rows] == [1, 2, 3, 4]
    assert {r["comment"] for r in rows[1:]} == {"0", "1", "2"}


def test_the_commands(book, lpaudit):
    book.night(0, [{"who": "eve\x1b[2J", "n": 1}, {"who": "b", "n": 1}])
    store = ("--store", book.nights.root)
    listed = lpaudit("exceptions", "list", *store)
    assert listed.returncode == 0
    assert "\x1b" not in listed.stdout
    assert "eve" in listed.stdout
    rows = json.loads(lpaudit("exceptions", "list", "--format", "json", *store).stdout)
    ids = [row["exception_id"] for row in rows]
    done = lpaudit(
        "exceptions",
        "assign",
        *ids,
        "--owner",
        "priya",
        "--due",
        "2026-12-01",
        "--ticket",
        "S-1",
        "--as",
        "olu",
        *store,
    )
    assert done.stdout == "assigned 2 exceptions\n"
    words = ("--disposition", "explained", "--comment", "restore test", "--as", "priya")
    assert lpaudit("exceptions", "close", ids[0], *words, *store).stdout == "closed 1 exception\n"
    rows = {
        r["exception_id"]: r
        for r in json.loads(lpaudit("exceptions", "list", "--all", "--format", "json", *store).stdout)
    }
    assert (rows[ids[0]]["status"], rows[ids[0]]["disposition"]) == ("closed", "explained")
    assert (rows[ids[1]]["owner"], rows[ids[1]]["due"]) == ("priya", "2026-12-01")
    assert [
        r["exception_id"]
        for r in json.loads(lpaudit("exceptions", "list", "--format", "json", *store).stdout)
    ] == [ids[1]]
    assert (
        json.loads(lpaudit("exceptions", "list", "--check", "bypass", "--format", "json", *store).stdout)
        == []
    )
    slip = lpaudit("exceptions", "list", "--check", "bypas", *store)
    assert slip.returncode == 3
    assert "there is no check 'bypas'" in slip.stderr
    assert "bypass" in slip.stderr.partition("hint:")[2]
    for wrong in (
        ("assign", ids[1]),
        ("assign", ids[1], "--due", "tomorrow"),
        ("close", ids[1], "--disposition", "fine", "--comment", "x"),
        ("close", ids[1], "--disposition", "fixed", "--comment", " "),
        ("close", ids[0], "--disposition", "fixed", "--comment", "x"),
    ):
        assert lpaudit("exceptions", *wrong, *store).returncode == 2, wrong


def test_times_are_those_of_the_clock_that_was_given(book):
    book.nights.time = datetime(2031, 1, 1, tzinfo=UTC)
    book.night(0, [{"who": "eve", "n": 1}])
    assert book.latest()[0]["at"] - datetime(2031, 1, 1, tzinfo=UTC) < timedelta(minutes=1)
