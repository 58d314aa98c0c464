"""A report counts lines that are alike once: no answer changes by it, and no row is of two times that differ."""

import random
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from report.team import CREATE, DELETE, READ, RESUME, SET_STATE, Team, line

from lpaudit import focus, pipeline, report, routes, tally
from lpaudit.focus import Counting
from lpaudit.model import Period
from lpaudit.report.check import named_parameters
from lpaudit.store import open_store

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
REQUESTS = (
    *(
        CREATE,
        RESUME,
        SET_STATE,
        DELETE,
        READ,
        "GET /index.html",
        "POST /api/logs/",
        "POST /api/nothing/filter",
    ),
    *("DELETE /api/block_documents/0a000000-0000-4000-8000-000000000001", "GET /api/%66lows/x", "BREW /x"),
)
# Somebody leaves, and somebody comes, at instants within an hour and a second that have lines.
PEOPLE = """
[[identity]]
name = "alice"
kind = "human"
groups = ["deployers"]
valid_from = 2026-11-21T10:17:33.5Z
valid_to = 2026-11-22T15:44:10Z

[[identity]]
name = "bob"
kind = "human"
aliases = ["robert"]

[[identity]]
name = "svc-ci"
kind = "service"
owner = "alice"
valid_to = 2026-11-22T15:44:11Z
"""
PERIODS = (
    Period(BEGIN + timedelta(1), BEGIN + timedelta(3)),
    Period(BEGIN + timedelta(1, seconds=36_000.25), BEGIN + timedelta(2, seconds=58_649.75)),
    Period(BEGIN + timedelta(2, hours=15), BEGIN + timedelta(2, hours=16)),
)


def _lines():
    """Lines of four days; in some hours one each half second."""
    chance = random.Random(7)
    times = [BEGIN + timedelta(minutes=5 * number) for number in range(4 * 288)]
    for moment in ("2026-11-21T10:17:20", "2026-11-22T15:44:00"):
        start = datetime.fromisoformat(f"{moment}+00:00")
        times += [start + timedelta(seconds=number / 2) for number in range(60)]
    for time in sorted(times):
        at = f"{time:%Y-%m-%dT%H:%M:%S.%f}"
        if chance.random() < 0.6:
            yield line(at, READ, user=chance.choice(("alice", "svc-ci")), token="t1")
            continue
        yield line(
            at,
            chance.choice(REQUESTS),
            chance.choice((200, 200, 200, 201, 401, 403, 404, 409, 503)),
            user=chance.choice(("alice", "bob", "robert", "svc-ci", "mallory", "-")),
            client=f"192.0.2.{chance.randrange(3)}",
            groups=chance.choice(("-", "deployers")),
            token=chance.choice(("-", "t1", "t2")),
        )


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    return Team(tmp_path_factory.mktemp("tally")).log(*_lines()).directory(PEOPLE)


@pytest.fixture(params=range(len(PERIODS)), ids=["days", "odd instants", "an hour"])
def period(request):
    return PERIODS[request.param]


def _checks(look_back):
    checks = [report.load_check(name) for name in sorted(report.checks())]
    return [
        check
        for check in checks
        if look_back or tally.wanted([check.population, check.sql]) is not Counting.PAST
    ]


@pytest.mark.parametrize(("look_back", "at_once"), [(True, 100), (False, tally._AT_ONCE)])
def test_every_check_has_the_same_answer(team, period, look_back, at_once, monkeypatch):
    monkeypatch.setattr(tally, "_AT_ONCE", at_once)
    monkeypatch.setattr(focus, "_CHUNK", at_once)
    checks = [check for check in _checks(look_back) if "_tally" in check.sql + check.population]
    assert len(checks) > (12 if look_back else 8)
    target = open_store(team.root)
    with (
        pipeline.opened(team.root) as (far, _),
        pipeline.focused(target, period, routes.PREFIXES, checks) as (near, _),
    ):
        for check in checks:
            values = {"start": period.start, "end": period.end} | {
                p.name: p.default for p in check.parameters
            }
            for sql in (check.population, check.sql):
                given = {name: values[name] for name in named_parameters(sql, check.file)}
                assert near(sql, given).equals(far.select(sql, given)), check.id


@pytest.mark.parametrize("look_back", [True, False])
def test_no_row_is_of_two_times_between_which_something_changed(team, period, look_back):
    edges = [period.start, period.end]
    edges += [period.start - timedelta(1), period.start - timedelta(hours=5)] if look_back else []
    edges += [
        datetime.fromisoformat(f"2026-11-{text}+00:00")
        for text in ("21T10:17:33.5", "22T15:44:10", "22T15:44:11")
    ]
    counted = """select count(*) as rows, sum(requests)::bigint as lines, sum(bytes)::bigint as bytes,
        count(*) filter (where floor(epoch(first_time) / 3600) <> floor(epoch(last_time) / 3600)) as of_two_hours
        from access_tally"""
    with pipeline.focused(open_store(team.root), period, routes.PREFIXES, _checks(look_back)) as (near, _):
        [all_] = near(counted, {}).to_pylist()
        for edge in edges:
            assert near(
                "select count(*) as n from access_tally where first_time < $edge and last_time >= $edge",
                {"edge": edge},
            ).to_pylist() == [{"n": 0}]
        [lines] = near("select count(*) as lines, sum(bytes)::bigint as bytes from access", {}).to_pylist()
        [inside] = near(
            "select count(*) as rows, sum(requests)::bigint as lines from access_tally where first_time >= $a and last_time < $b",
            {"a": period.start, "b": period.end},
        ).to_pylist()
    assert {"lines": all_["lines"], "bytes": all_["bytes"]} == lines
    assert all_["of_two_hours"] == 0
    # Else it would be no use; an hour of which nearly every line is of a minute with changes is the exception.
    assert inside["rows"] <= inside["lines"]
    assert all_["rows"] < all_["lines"] or (period == PERIODS[2] and not look_back)


def test_whose_login_it_was_is_told_of_each_line(team):
    """What the hours in which something changes would be for, if they were counted as a whole."""
    states = """select state, identity, sum(requests)::bigint as lines from {} where first_time >= $a and last_time < $b
        group by state, identity order by all"""
    lines = """select state, identity, count(*) as lines from access_identity where time >= $a and time < $b
        group by state, identity order by all"""
    times = {"a": PERIODS[0].start, "b": PERIODS[0].end}
    with pipeline.focused(open_store(team.root), PERIODS[0], routes.PREFIXES, _checks(True)) as (near, _):
        counted = near(states.format("access_identity_tally"), times)
        assert counted.equals(near(lines, times))
    found = {(row["state"], row["identity"]) for row in counted.to_pylist()}
    assert {("not yet", "alice"), ("valid", "alice"), ("ended", "alice"), ("ended", "svc-ci")} <= found


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 from access where time >= $start - to_days(3)", Counting.NOTHING),
        ("select 1 from access_tally where first_time >= $start and last_time < $end", Counting.PERIOD),
        (
            "select 1 from access_tally where first_time >= $start - to_days(3) and last_time < $end",
            Counting.PAST,
        ),
        ("select 1 from access_identity_tally where last_time < $end", Counting.PAST),
    ],
)
def test_who_looks_back_is_seen(sql, expected):
    assert tally.wanted([sql]) is expected


@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException, None])
def test_lines_that_cannot_be_counted_are_asked_one_by_one(tmp_path, monkeypatch, error):
    """Whoever can write two lines must not be able to end all reports."""
    large = line("2026-11-21T10:00:00", READ).replace("body=19", f"body={2**63 - 1}")
    team = Team(tmp_path).log(large, large, line("2026-11-21T11:00:00", READ))
    if error:
        monkeypatch.setattr(tally, "_insert", lambda *_: (_ for _ in ()).throw(error("no room")))
    checks = [report.load_check(name) for name in ("identities", "bulk-downloads")]
    period = Period(BEGIN + timedelta(1), BEGIN + timedelta(2))
    with pipeline.focused(open_store(team.root), period, routes.PREFIXES, checks) as (near, _):
        [row] = near(checks[0].sql, {"start": period.start, "end": period.end}).to_pylist()
        assert row["requests"] == 3
        assert near("select count(*) as n from access_tally", {}).to_pylist() == [{"n": 3}]
