"""Each check about identities over a store of lines: one that has exceptions, and one that has none."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlglot
from report.small import DAY
from report.team import CREATE, DELETE, READ, RESUME, RUN, SET_STATE, TEAM, Team, at, events, line, run

from lpaudit import pipeline, report
from lpaudit.errors import QueryError
from lpaudit.model import Outcome, Period, Section

CHECKS = sorted(name for name, path in report.checks().items() if path.path.parent.name == "identity")
ENTITLED = f"""{TEAM}
[[entitlement]]
group = "deployers"
actions = ["execute", "approve"]
ticket = "OPS-12"

[[entitlement]]
identity = "svc-ci"
actions = ["*"]
resource_types = ["deployment"]
"""


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path)


def some(rows, *columns):
    return [tuple(row[column] for column in columns) for row in rows]


@pytest.mark.parametrize("dialect", ["spark", "trino"])
@pytest.mark.parametrize("check_id", CHECKS)
def test_a_check_is_plain_enough_for_other_databases(check_id, dialect):
    check = report.load_check(check_id)
    for sql in (check.sql, check.population):
        [there] = sqlglot.transpile(
            sql, read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        assert sqlglot.parse_one(there, read=dialect)
        assert "ISODOW" not in there, "it would be taken over as it is, and mean nothing there"


def test_without_what_they_need_checks_have_no_answer(team):
    team.log(line("10:00", DELETE))
    only = replace(report.load_framework("identities"), sections=tuple(Section(name) for name in CHECKS))
    with pipeline.opened(team.root) as (connection, _):
        results = report.evaluate(only, DAY, connection.select, {}).results
    for result in results:
        assert result.outcome is Outcome.NO_DATA
        assert all("`lpaudit " in reason for reason in result.reasons)


def test_access_is_told_by_identity_with_kind_and_groups_of_the_time(team):
    moved = TEAM.replace('groups = ["readers"]', 'groups = ["deployers"]')
    team.directory(as_of="2026-11-01T00:00").directory(moved, as_of="12:00")
    team.log(
        line("10:00", READ, user="bob"),
        line("13:00", DELETE, user="bob"),
        line("13:01", RESUME, 403, user="bob"),
        line("10:00", READ, user="alice"),
        line("10:00", SET_STATE, user="00u1alice"),
        line("10:00", "GET /ui", user="mallory"),
        line("10:00", READ, 401, user="-"),
        line("2026-11-24T00:00", READ),
    )
    population, rows = team.ask("access-by-identity")
    assert population == 7
    columns = (
        "identity",
        "authenticated",
        "kind",
        "groups",
        "state",
        "requests",
        "reads",
        "changes",
        "deletes",
        "secrets",
        "other",
        "denied",
    )
    assert some(rows, *columns) == [
        ("alice", True, "human", "deployers", "valid", 2, 1, 1, 0, 0, 0, 0),
        ("bob", True, "human", "readers", "valid", 1, 1, 0, 0, 0, 0, 0),
        ("bob", True, "human", "deployers", "valid", 2, 0, 1, 1, 0, 0, 1),
        ("mallory", True, None, None, "unknown", 1, 0, 0, 0, 0, 1, 0),
        ("(unauthenticated)", False, None, None, None, 1, 1, 0, 0, 0, 0, 1),
    ]


def test_a_login_that_no_directory_has_is_an_exception(team):
    team.directory().log(
        line("10:00", DELETE, user="Alice"),
        line("10:01", READ, 403, user="Alice"),
        line("10:02", READ, user="00u1alice"),
    )
    population, [row] = team.ask("unknown-identities")
    assert population == 2
    assert (row["login"], row["requests"], row["succeeded"], row["privileged"]) == ("Alice", 2, 1, 1)


def test_no_login_is_unknown_when_all_are_listed(team):
    team.directory().log(line("10:00", READ), line("10:01", READ, 401, user="-"))
    assert team.ask("unknown-identities") == (1, [])


LEAVERS = """
[[identity]]
name = "carol"
kind = "human"
disabled_at = 2026-11-23T12:00:00+01:00

[[identity]]
name = "dave"
kind = "human"
valid_from = 2026-11-23T13:00:00Z
valid_to = 2026-11-23T15:00:00Z
"""


def test_use_by_leavers_and_by_those_who_had_not_come_is_an_exception(team):
    team.directory(LEAVERS).log(
        line("10:59:59.9", READ, user="carol"),
        line("11:00", DELETE, 403, user="carol"),
        line("11:01", DELETE, user="carol"),
        line("12:59:59", READ, user="dave"),
        line("13:00", READ, user="dave"),
        line("15:00", READ, user="dave"),
    )
    population, rows = team.ask("leavers-use")
    assert population == 2
    assert some(rows, "identity", "state", "requests", "succeeded", "privileged", "first", "last") == [
        ("carol", "disabled", 2, 1, 1, at("11:00"), at("11:01")),
        ("dave", "ended", 1, 1, 0, at("15:00"), at("15:00")),
        ("dave", "not yet", 1, 1, 0, at("12:59:59"), at("12:59:59")),
    ]


def test_a_leaver_whom_only_the_next_version_knows_is_an_exception_from_then_on(team):
    """Okta lists no deprovisioned users unless asked: whoever is not there any more has left."""
    users = '[{"id": "1", "status": "ACTIVE", "profile": {"login": "erin"}}%s]'
    staying = ', {"id": "2", "status": "ACTIVE", "profile": {"login": "frank"}}'
    team.directory(users % staying, as_of="2026-10-31T00:00", name="october.json")
    team.directory(
        '[{"id": "2", "status": "ACTIVE", "profile": {"login": "frank"}}]',
        as_of="12:00",
        name="november.json",
    )
    team.log(
        line("11:00", READ, user="erin"), line("12:00", READ, user="erin"), line("13:00", READ, user="1"),
        line("13:00", READ, user="frank"),
    )  # fmt: skip
    population, rows = team.ask("leavers-use")
    assert population == 2
    assert some(rows, "identity", "login", "state", "requests", "valid_to") == [
        ("erin", "1", "ended", 1, at("12:00")),
        ("erin", "erin", "ended", 1, at("12:00")),
    ]


def test_nobody_who_is_valid_is_a_leaver(team):
    team.directory(LEAVERS).log(line("10:00", READ, user="carol"), line("14:00", READ, user="dave"))
    assert team.ask("leavers-use") == (2, [])


def test_what_agents_did_is_told_by_action(team):
    team.directory().log(
        line("10:00", DELETE, 403, user="copilot"),
        line("10:01", READ, user="copilot"),
        line("10:02", READ, user="copilot"),
        line("10:03", "GET /api/nothing/new", 404, user="copilot"),
        line("10:04", DELETE, user="alice"),
    )
    population, rows = team.ask("agent-actions")
    assert population == 4
    assert some(
        rows, "identity", "owner", "action", "resource_type", "privileged", "requests", "succeeded", "refused"
    ) == [
        ("copilot", "bob", "delete", "flow_run", True, 1, 0, 1),
        ("copilot", "bob", "(no route)", None, False, 1, 0, 0),
        ("copilot", "bob", "read", "flow_run", False, 2, 2, 0),
    ]


def test_people_are_no_agents(team):
    assert team.directory().log(line("10:00", DELETE)).ask("agent-actions") == (0, [])


def test_an_approval_that_no_person_gave_is_an_exception(team):
    users = ["alice", "copilot", "svc-ci", "worker-etl", "mallory"]
    team.directory().log(
        *(line(f"10:0{i}", RESUME, 201, user=user) for i, user in enumerate(users)),
        line("10:08", RESUME, 200, user="copilot"),
        line("10:09", RESUME, 403, user="copilot"),
    )
    population, rows = team.ask("agent-approves")
    assert population == 7
    assert some(rows, "identity", "kind", "flow_run_id") == [
        ("copilot", "agent", RUN), ("svc-ci", "service", RUN), ("worker-etl", "worker", RUN), ("mallory", "unknown", RUN)
    ]  # fmt: skip


def test_an_approval_by_a_person_is_none(team):
    team.directory().log(line("10:00", RESUME, 201), line("10:01", READ, user="copilot"))
    assert team.ask("agent-approves") == (1, [])


def hours(team, *times, **parameters):
    """The times of privileged requests that are out of hours, and why."""
    team.directory().log(*(line(time, DELETE) for time in times))
    always = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    population, rows = team.ask("out-of-hours-privileged", always, **parameters)
    assert population == len(times)
    return {f"{row['time']:%Y-%m-%dT%H:%M}": row["reason"] for row in rows}


def test_privileged_use_at_night_and_at_weekends_is_an_exception(team):
    found = hours(
        team,
        "2026-11-23T06:59:59",
        "2026-11-23T07:00",
        "2026-11-23T19:59:59",
        "2026-11-23T20:00",
        "2026-11-22T12:00",
    )
    assert found == {
        "2026-11-23T06:59": "hour",
        "2026-11-23T20:00": "hour",
        "2026-11-22T12:00": "no working day",
    }


def test_privileged_use_in_hours_is_none(team):
    assert hours(team, "2026-11-23T08:00", "2026-11-27T19:00") == {}


def test_hours_are_the_teams_across_both_changes_of_the_clocks(team):
    # Berlin: +1 until 29 March, 01:00 UTC, +2 until 25 October, 01:00 UTC.
    times = [
        "2026-03-27T06:00",
        "2026-03-27T05:59",
        "2026-03-30T05:00",
        "2026-03-30T04:59",
        "2026-10-23T05:00",
        "2026-10-26T05:00",
        "2026-10-26T06:00",
    ]
    assert list(hours(team, *times, time_zone="Europe/Berlin")) == [
        "2026-03-27T05:59",
        "2026-03-30T04:59",
        "2026-10-26T05:00",
    ]


def test_a_day_is_the_teams_day(team):
    # It is Monday in Auckland when it is Sunday noon in Greenwich, and Saturday there when Friday noon here.
    found = hours(team, "2026-11-22T20:00", "2026-11-27T20:00", time_zone="Pacific/Auckland")
    assert found == {"2026-11-27T20:00": "no working day"}


def test_holidays_working_days_and_hours_are_parameters(team):
    found = hours(
        team, "2026-12-25T10:00", "2026-12-24T07:29", "2026-12-24T07:30", "2026-12-27T10:00",
        holidays=["2026-12-25"], working_days=[1, 2, 3, 4, 5, 6, 7], opens=7.5,
    )  # fmt: skip
    assert found == {"2026-12-25T10:00": "holiday", "2026-12-24T07:29": "hour"}


@pytest.mark.parametrize(
    "wrong", [{"time_zone": "Europe/Berln"}, {"holidays": ["2026-13-25"]}, {"working_days": ["Mon"]}]
)
def test_a_calendar_with_a_typing_error_answers_nothing(team, wrong):
    with pytest.raises(QueryError):
        hours(team, "2026-11-22T12:00", **wrong)


def test_machines_reads_and_what_failed_have_no_hours(team):
    team.directory().log(
        line("03:00", DELETE, user="svc-ci"), line("03:00", READ), line("03:00", DELETE, 403), line("12:00", DELETE),
        line("03:01", DELETE, user="copilot"),
    )  # fmt: skip
    assert team.ask("out-of-hours-privileged") == (1, [])


def test_a_login_in_several_places_at_once_is_an_exception_and_so_is_a_generic_name(team):
    generic = '\n[[identity]]\nname = "Admin"\nkind = "human"\n'
    here = [line(f"10:{minute:02d}", READ, client="192.0.2.1") for minute in range(0, 20, 4)]
    there = [
        line(f"10:{minute:02d}", READ, client="192.0.2.2", user="00u1alice") for minute in range(2, 20, 4)
    ]
    team.directory(TEAM + generic).log(*here, *there, line("10:00", READ, user="Admin"))
    population, rows = team.ask("shared-accounts")
    assert population == 2
    assert some(rows, "identity", "clients_at_once", "first_overlap", "generic_name", "clients") == [
        ("Admin", 1, None, True, 1),
        ("alice", 2, at("10:02"), False, 2),
    ]
    assert team.ask("shared-accounts", clients_at_once=3, generic_names=[])[1] == []


def test_requests_that_are_a_moment_too_far_apart_are_two_visits(team):
    team.directory().log(
        line("10:00:00.05", READ), line("10:02", READ, client="192.0.2.8"), line("10:05:00.95", READ)
    )  # fmt: skip
    assert team.ask("shared-accounts") == (1, [])


def test_one_place_after_the_other_and_machines_everywhere_are_none(team):
    team.directory().log(
        line("10:00", READ, client="192.0.2.1"), line("10:01", READ, client="192.0.2.2"),
        line("10:04", READ, client="192.0.2.2"), line("10:10", READ, client="192.0.2.1"),
        *(line(f"10:0{i}", READ, client=f"192.0.2.{i % 2}", user="worker-etl") for i in range(9)),
    )  # fmt: skip
    assert team.ask("shared-accounts") == (1, [])


def test_what_is_privileged_and_not_entitled_is_an_exception(team):
    team.directory(ENTITLED).log(
        line("10:00", CREATE),
        line("10:01", DELETE),
        line("10:02", DELETE, 403),
        line("10:03", CREATE, user="bob", groups="readers"),
        line("10:04", RESUME, user="svc-ci"),
        line("10:05", CREATE, user="svc-ci"),
        line("10:06", READ, user="bob"),
        line("10:07", DELETE, user="mallory"),
    )
    population, rows = team.ask("privileged-without-entitlement")
    assert population == 6
    assert some(rows, "identity", "action", "resource_type", "requests", "groups", "logged_groups") == [
        ("alice", "delete", "flow_run", 1, "deployers", None),
        ("bob", "execute", "deployment", 1, "readers", "readers"),
        ("mallory", "delete", "flow_run", 1, None, None),
        ("svc-ci", "approve", "flow_run", 1, "", None),
    ]


def test_what_a_logged_group_is_entitled_to_is_none(team):
    team.directory(ENTITLED).log(
        line("10:00", CREATE, user="bob", groups="readers,deployers"), line("10:01", CREATE)
    )
    assert team.ask("privileged-without-entitlement") == (2, [])


def test_an_entitlement_is_one_as_of_the_request(team):
    text = ENTITLED.replace(
        'ticket = "OPS-12"', "valid_from = 2026-11-23T09:00:00Z\nvalid_to = 2026-11-23T10:00:00Z"
    )
    team.directory(text).log(*(line(time, CREATE) for time in ("08:59", "09:00", "09:59", "10:00")))
    _, [row] = team.ask("privileged-without-entitlement")
    assert (row["requests"], row["first"], row["last"]) == (2, at("08:59"), at("10:00"))


def test_an_entitlement_that_a_later_version_takes_away_counts_no_longer(team):
    team.directory(ENTITLED, as_of="2026-11-01T00:00").directory(
        ENTITLED.replace('"execute", ', ""), as_of="10:00"
    )
    team.log(line("09:00", CREATE), line("11:00", CREATE))
    _, [row] = team.ask("privileged-without-entitlement")
    assert (row["requests"], row["first"]) == (1, at("11:00"))


def test_the_review_holds_what_is_entitled_against_what_is_used(team):
    team.directory(ENTITLED).log(
        line("10:00", CREATE), line("10:01", CREATE), line("10:02", DELETE), line("10:03", CREATE, user="bob", groups="deployers"),
        line("10:04", READ, user="copilot"),
    )  # fmt: skip
    population, rows = team.ask("access-review")
    assert population == 5
    assert some(
        rows, "identity", "action", "resource_type", "by", "group_name", "ticket", "finding", "requests"
    ) == [
        ("alice", "delete", "flow_run", None, None, None, "used, not entitled", 1),
        ("alice", "approve", "*", "group", "deployers", "OPS-12", "entitled, not used", 0),
        ("alice", "execute", "*", "group", "deployers", "OPS-12", "entitled and used", 2),
        ("bob", "approve", "*", "logged group", "deployers", "OPS-12", "entitled, not used", 0),
        ("bob", "execute", "*", "logged group", "deployers", "OPS-12", "entitled and used", 1),
        ("svc-ci", "*", "deployment", "itself", None, None, "entitled, not used", 0),
    ]


def test_the_review_of_a_period_knows_only_what_was_so_in_it(team):
    text = ENTITLED.replace('ticket = "OPS-12"', "valid_to = 2026-11-23T00:00:00Z")
    team.directory(text).log(line("2026-11-22T10:00", CREATE), line("10:00", READ))
    _, rows = team.ask("access-review")
    assert [row["identity"] for row in rows] == ["svc-ci"]


TOKENS = f"""{TEAM}
[[token]]
id = "t-old"
identity = "svc-ci"
issued_at = 2026-08-01
cadence_days = 90

[[token]]
id = "t-new"
identity = "svc-ci"
issued_at = 2026-11-20
cadence_days = 90

[[token]]
id = "t-gone"
identity = "worker-etl"
issued_at = 2026-11-01
revoked_at = 2026-11-23T12:00:00Z

[[token]]
id = "sha256:4f2a"
identity = "copilot"
issued_at = 2026-01-01
cadence_days = 365
"""


def test_tokens_that_are_too_old_revoked_borrowed_or_unknown_are_exceptions(team):
    team.directory(TOKENS).log(
        line("10:00", READ, user="svc-ci", token="t-old"),
        line("11:00", READ, user="svc-ci", token="t-new"),
        line("11:59", READ, user="worker-etl", token="t-gone"),
        line("12:00", READ, user="worker-etl", token="t-gone"),
        line("12:01", READ, user="bob", token="t-new"),
        line("2026-08-01T00:00", READ, user="alice", token="a-1"),
        line("12:02", READ, user="alice", token="a-1"),
        line("12:03", READ, user="copilot"),
    )
    population, rows = team.ask("token-age")
    assert population == 5
    assert some(rows, "identity", "token_id", "reason", "age_days", "cadence_days") == [
        ("alice", "a-1", "older than its cadence", 114, 90),
        ("bob", "t-new", "used by another identity", 3, 90),
        ("svc-ci", "t-old", "older than its cadence", 114, 90),
        ("worker-etl", "t-gone", "used after it was revoked", 22, 90),
    ]


def test_a_machine_of_whose_token_nobody_knows_the_age_is_an_exception(team):
    revoked = TOKENS.replace("cadence_days = 365", "revoked_at = 2026-11-01")
    team.directory(revoked).log(
        line("10:00", READ, user="copilot"), line("12:01", READ, user="worker-etl"), line("10:00", READ)
    )
    _, rows = team.ask("token-age")
    assert some(rows, "identity", "token_id", "reason") == [
        ("copilot", None, "no age: no token of it is known"),
        ("worker-etl", None, "no age: no token of it is known"),
    ]


def test_a_token_that_is_used_beside_its_successor_is_an_exception(team):
    times = [("2026-11-01T00:00", "a"), ("2026-11-10T00:00", "b"), ("10:00", "a"), ("10:01", "b")]
    team.directory().log(*(line(time, READ, user="svc-ci", token=token) for time, token in times))
    _, [row] = team.ask("token-age")
    assert (row["token_id"], row["reason"], row["overlap_days"]) == ("a", "used beside its successor", 13)
    assert team.ask("token-age", overlap_days=13)[1] == []


def test_a_day_of_age_has_24_hours(team):
    team.directory().log(
        line("2026-11-20T23:59", READ, user="svc-ci", token="a"), line("23:58", READ, user="svc-ci", token="a")
    )  # fmt: skip
    assert team.ask("token-age", cadence_days=2) == (1, [])
    assert some(team.ask("token-age", cadence_days=1)[1], "age_days") == [(2,)]


def test_tokens_within_their_cadence_are_none(team):
    team.directory(TOKENS).log(
        line("10:00", READ, user="svc-ci", token="t-new"), line("10:01", READ, user="worker-etl", token="t-gone"),
        line("10:02", READ, user="copilot"), line("10:03", READ),
    )  # fmt: skip
    assert team.ask("token-age") == (4, [])


def test_approvals_name_who_approved_and_who_had_asked(team):
    team.directory().log(
        line("10:00", CREATE, 201, user="bob"), line("10:30", RESUME, 201), line("10:31", RESUME, 403, user="copilot")
    )  # fmt: skip
    team.prefect([run("10:00:00.01")])
    population, rows = team.ask("approvals")
    assert population == 2
    columns = (
        "approver",
        "approver_kind",
        "requester",
        "requester_kind",
        "minutes",
        "same_identity",
        "same_client",
        "status",
        "flow_run_name",
    )
    assert some(rows, *columns) == [
        ("alice", "human", "bob", "human", 30, False, True, 201, "rousing-whale"),
        ("copilot", "agent", "bob", "human", 31, False, True, 403, "rousing-whale"),
    ]


@pytest.mark.parametrize("check_id", ["approvals", "segregation-of-duties"])
@pytest.mark.parametrize(
    ("asked", "approved", "minutes"),
    [
        ("10:00:59.900000", "10:01:00.100000", 0),
        ("10:00:00.100001", "10:01:00.100000", 0),
        ("10:00:00.100001", "10:01:00.100001", 1),
        ("10:00:00", "10:59:59.999999", 59),
    ],
)
def test_minutes_are_whole_ones_that_went_by(team, check_id, asked, approved, minutes):
    team.directory().log(line(asked, CREATE, 201), line(approved, RESUME, 201)).prefect([run(asked)])
    _, [row] = team.ask(check_id)
    assert row["minutes"] == minutes


def test_of_a_run_that_nobody_asked_for_only_the_approver_is_known(team):
    team.directory().log(line("10:30", RESUME, 201)).prefect([run("10:00:00.01", auto_scheduled=True)])
    assert some(team.ask("approvals")[1], "approver", "requester", "same_identity") == [("alice", None, None)]
    assert team.ask("segregation-of-duties") == (0, [])


@pytest.mark.parametrize(
    ("approver", "reason"),
    [
        ({"user": "alice"}, "same identity"),
        ({"user": "00u1alice", "client": "192.0.2.99"}, "same identity"),
        ({"user": "bob", "client": "192.0.2.99", "token": "t1"}, "same token"),
    ],
)
def test_who_approves_what_they_asked_for_is_an_exception(team, approver, reason):
    team.directory().log(
        line("10:00", CREATE, 201, token="t1"), line("10:30", RESUME, 201, **approver)
    ).prefect([run("10:00:00.01")])
    population, [row] = team.ask("segregation-of-duties")
    assert population == 1
    assert (row["reason"], row["requester"], row["flow_run_id"], row["minutes"]) == (reason, "alice", RUN, 30)


def test_two_people_with_two_duties_are_none(team):
    team.directory().log(
        line("10:00", CREATE, 201), line("10:30", RESUME, 201, user="bob"), line("10:31", RESUME, 403),
    ).prefect([run("10:00:00.01")])  # fmt: skip
    assert team.ask("segregation-of-duties") == (1, [])


def test_a_paused_run_that_somebody_set_going_is_an_exception(team):
    team.directory().log(line("10:00", CREATE, 201), line("10:30", SET_STATE, 201, user="bob")).prefect(
        [run("10:00:00.01")], events(("10:05", "Paused"), ("10:30:00.01", "Running"), ("10:31", "Completed"))
    )
    population, [row] = team.ask("approval-bypass")
    assert population == 1
    assert (row["flow_run_id"], row["next_state"], row["identity"], row["kind"], row["bulk"]) == (
        RUN,
        "Running",
        "bob",
        "human",
        False,
    )
    assert row["route"] == "/flow_runs/{id}/set_state"


@pytest.mark.parametrize(
    ("request_", "found"), [("POST /api/flow_runs/bulk_set_state", ("bob", True)), (READ, (None, False))]
)
def test_a_paused_run_that_goes_on_is_an_exception_also_if_nobody_named_it(team, request_, found):
    team.directory().log(line("10:30", request_, user="bob")).prefect(
        [run("10:00:00.01")], events(("10:05", "Suspended"), ("10:30:00.01", "Scheduled"))
    )
    _, [row] = team.ask("approval-bypass")
    assert (row["identity"], row["bulk"]) == found


@pytest.mark.parametrize(
    ("lines", "states"),
    [
        ([line("10:30", RESUME, 201)], [("10:05", "Paused"), ("10:30:00.01", "Running")]),
        (
            [line("10:20", SET_STATE, 201)],
            [("10:05", "Paused"), ("10:20", "Cancelling"), ("10:21", "Cancelled")],
        ),
        ([line("10:20", SET_STATE, 201)], [("10:05", "Paused"), ("10:20", "Failed")]),
    ],
)
def test_a_pause_that_was_approved_or_ended_the_run_is_none(team, lines, states):
    team.directory().log(*lines).prefect([run("10:00:00.01")], events(*states))
    assert team.ask("approval-bypass") == (1, [])


@pytest.mark.parametrize("status", [200, 403])
def test_an_approval_that_was_refused_or_did_nothing_is_none(team, status):
    team.directory().log(
        line("10:30", RESUME, status, user="bob"), line("10:30", SET_STATE, 201, user="bob")
    ).prefect([run("10:00:00.01")], events(("10:05", "Paused"), ("10:30:00.01", "Running")))
    assert len(team.ask("approval-bypass")[1]) == 1


def test_the_report_on_identities_can_be_written(team, lpaudit, tmp_path):
    hostile = '\n[[identity]]\nname = "=cmd|\'/c calc\'!A1<script>"\nkind = "human"\nowner = "**x**"\n'
    team.directory(ENTITLED + hostile).log(line("10:00", DELETE, user="=cmd|'/c calc'!A1<script>"))
    done = lpaudit(
        "report",
        "identities",
        "--from",
        "2026-11-23",
        "--to",
        "2026-11-23",
        "--out",
        "out",
        "--store",
        team.root,
    )
    assert done.returncode == 0, done.stderr
    texts = [file.read_text() for file in sorted((tmp_path / "out").iterdir())]
    assert len(texts) == 2
    for text in texts:
        assert "Privileged requests without an entitlement" in text
        assert "'=cmd" in text.replace("&#39;", "'"), (
            "with the guard that keeps a spreadsheet from calculating it"
        )
        assert text.count("<script>") == text.count("</html>"), (
            "the page has one of its own, Markdown has none"
        )
        assert not re.search(r"(?m)^\| =", text)
