"""Links and questions about a team at work, held against what the rig itself did."""

import json
from collections import Counter

import pytest

from tests.stores import stored_rows

pytestmark = [pytest.mark.e2e, pytest.mark.lighttpd, pytest.mark.prefect]


@pytest.fixture
def ask(recording, lpaudit):
    """Return what gives a command's exit status and its rows."""

    def rows(*arguments):
        ran = lpaudit(*arguments, "--store", recording.store, "--format", "json")
        assert ran.returncode in (0, 1), ran.stderr
        return ran.returncode, json.loads(ran.stdout)

    return rows


@pytest.fixture(scope="module")
def truth(recording):
    """Line → the run that made it, of the access log; and the ids of its lines in their order."""
    rows = [row for row in stored_rows(recording.store) if row["source"] == str(recording.log)]
    return {row["line_id"]: run for row, run in zip(rows, recording.origin, strict=True)}


def deed(recording, did, status):
    (found,) = [d for d in recording.truth["deeds"] if d["did"] == did and d["status"] == status]
    return found


def run_called(recording, name):
    return next(run for run, deployment in recording.truth["runs"].items() if deployment == name)


def test_origins_are_right_as_often_as_their_words_say(recording, ask, truth):
    _, links = ask("sql", "select line_id, flow_run_id, confidence from access_run where relation = 'origin'")
    _, known = ask("sql", "select id from flow_run_latest")
    known = {row["id"] for row in known}
    right, given = Counter(), Counter()
    for link in links:
        given[link["confidence"]] += 1
        right[link["confidence"]] += truth[link["line_id"]] == link["flow_run_id"]
    assert given["exact"] > 50
    for word, least in (("exact", 1), ("strong", 0.99)):
        assert right[word] >= least * given[word], (word, right, given)
    assert right.total() >= 0.88 * given.total(), (right, given)
    made = [line for line, run in truth.items() if run in known]
    linked = {link["line_id"] for link in links}
    assert sum(line in linked for line in made) >= 0.68 * len(made)


def test_each_line_with_the_plugins_header_is_its_runs(recording, ask, truth):
    _, claims = ask(
        "sql",
        'select line_id, "user", status, lower(prefect_flow_run_id) as run from access where prefect_flow_run_id is not null',
    )
    _, links = ask(
        "sql",
        "select line_id, flow_run_id, confidence from access_run where relation = 'origin' and method = 'header'",
    )
    deleted = deed(recording, "delete", 204)["run"]
    expected = {
        claim["line_id"]: (truth[claim["line_id"]], "exact" if claim["user"] else "strong")
        for claim in claims
        if claim["run"] != deleted
    }
    assert {link["line_id"]: (link["flow_run_id"], link["confidence"]) for link in links} == expected
    # A web socket shows no password before it is asked for one: lighttpd refuses that line as nobody's.
    assert {claim["status"] for claim in claims if not claim["user"]} == {401}
    _, forged = ask("sql", "select * from access_run where relation = 'claim'")
    assert forged == [], "nobody forged anything"


def test_who_created_each_run_is_known(recording, ask):
    query = "select flow_run_id, \"user\" from access_run where relation = 'created'"
    _, links = ask("sql", query)
    made = {link["flow_run_id"]: link["user"] for link in links}
    asked = {
        d["run"]: d["user"] for d in recording.truth["deeds"] if d["did"] == "create" and d["status"] == 201
    }
    deleted = deed(recording, "delete", 204)["run"]
    assert {run: made.get(run) for run in asked if run != deleted} == {
        run: user for run, user in asked.items() if run != deleted
    }


def test_explain_tells_who_approved_and_who_cancelled(recording, ask):
    approved = deed(recording, "resume", 201)
    _, rows = ask("explain", approved["run"])
    good = [row for row in rows if row["source"] == "access" and row["status"] == 201]
    assert {row["user"] for row in good if row["what"] == "created the run"} == {"carol"}
    resumed = {(row["what"], row["user"]) for row in good if row["request"].endswith("/resume")}
    assert resumed == {("set Running", "alice")}
    states = [
        row["what"] for row in rows if row["source"] == "prefect" and row["flow_run_id"] == approved["run"]
    ]
    assert {"state Running", "state Paused", "state Completed"} <= set(states)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)

    cancelled = deed(recording, "cancel", 201)
    _, rows = ask("explain", cancelled["run"])
    by = {
        row["user"]
        for row in rows
        if row["relation"] == "target" and row["request"].endswith("/set_state") and row["status"] == 201
    }
    assert "alice" in by
    assert ("created the run", "agent") in {(row["what"], row["user"]) for row in rows}


def test_explain_tells_of_a_run_that_was_tried_again(recording, ask):
    """The rig's flow says each time that it runs; Prefect keeps the states, and the log who asked for it."""
    run = run_called(recording, "failing/etl")
    assert sum(note["run"] == run for note in recording.truth["inside"]) == 2
    _, rows = ask("explain", run)
    states = [row["what"] for row in rows if row["source"] == "prefect" and row["flow_run_id"] == run]
    told = [state.removeprefix("state ") for state in states]
    assert told[told.index("Running") :] == ["Running", "AwaitingRetry", "Running", "Failed"]
    assert ("created the run", "carol") in {(row["what"], row["user"]) for row in rows}


@pytest.mark.parametrize("name", ["nested/etl", "nested/served"])
def test_explain_of_a_run_has_its_subflow_and_who_executed_it(name, recording, ask):
    run = run_called(recording, name)
    (child,) = {n["run"] for n in recording.truth["inside"] if n["root"] == run and n["run"] != run}
    executor = {"nested/etl": "worker", "nested/served": "serve"}[name]
    _, rows = ask("explain", run)
    assert {row["flow_run_id"] for row in rows} == {run, child}
    states = {row["what"] for row in rows if row["source"] == "prefect" and row["flow_run_id"] == child}
    assert {"state Running", "state Completed"} <= states
    inside = [row for row in rows if row["relation"] == "origin"]
    assert inside
    assert {row["user"] for row in inside} == {executor}


def test_requests_of_a_script_and_of_its_subflow_are_tied_to_the_run_at_the_top(recording, ask, truth):
    processes = recording.truth["processes"]
    (process,) = [name for name, note in processes.items() if note["role"] == "script-0"]
    noted = {n["flow"]: n["run"] for n in recording.truth["inside"] if n["process"] == process}
    query = "select flow_run_id, evidence from access_run where relation = 'origin' and method = 'header'"
    _, links = ask("sql", query)
    claimed = {json.loads(link["evidence"])["claimed"]: link["flow_run_id"] for link in links}
    assert {claimed[noted["nested"]], claimed[noted["child"]]} == {noted["nested"]}


def test_a_scheduled_run_is_nobodys(recording, ask):
    _, runs = ask(
        "sql",
        "select run.id, run.state_type from flow_run_latest as run join deployment as d on d.id = run.deployment_id "
        "where d.name = 'often' and run.state_type = 'COMPLETED'",
    )
    assert runs
    for run in {run["id"] for run in runs}:
        _, rows = ask("explain", run)
        assert [row for row in rows if row["what"] == "created the run"] == []
        assert {row["user"] for row in rows if row["relation"] == "target"} == {"worker-gpu"}
    _, found = ask("bypass")
    made = {row["flow_run_id"]: row["explanation"] for row in found if row["what"] == "created"}
    assert {made.get(run["id"]) for run in runs} == {"a schedule made it"}


def test_denied_names_those_who_were_refused_and_by_whom(recording, ask):
    status, rows = ask("denied")
    assert status == 1
    found = [row for row in rows if row["finding"]]
    assert {row["layer"] for row in found} == {"proxy_auth"}
    tried = {(name, row["method"]) for row in found for name in (row["tried"] or "").split(", ")}
    # bob and mallory asked for the same path in the same second: lighttpd's error log has no method.
    assert ("bob", "POST") in tried
    refused = Counter(r["method"] for r in recording.truth["requests"] if r["status"] == 401)
    told = Counter()
    for row in found:
        told[row["method"]] += row["requests"]
    assert told == refused
    assert refused.keys() == {"POST", "DELETE", "GET"}
    assert all(row["route"].startswith(("/events/out", "/work_pools/")) for row in rows if not row["finding"])


def test_a_storm_is_told_from_a_refusal(recording, ask):
    _, rows = ask(
        "sql",
        "select layer, count(*) as n from failed_request where status in (500, 502, 503, 504) group by all",
    )
    layers = {row["layer"]: row["n"] for row in rows}
    storm = [d for d in recording.truth["deeds"] if d["did"] == "count" and d["status"] == 503]
    assert layers["upstream_down"] >= len(storm)


def test_bypass_finds_what_was_done_around_the_gateway_and_nothing_else(recording, ask):
    status, rows = ask("bypass")
    found = [row for row in rows if row["finding"]]
    assert status == 1
    assert {row["flow_run_id"] for row in found} == {recording.truth["bypassed"]}
    assert {row["what"] for row in found} == {"created", "Cancelled", "Scheduled"}
    assert any(row["explanation"] == "a schedule made it" for row in rows)
    guarded = run_called(recording, "long/guarded")
    explained = [(row["what"], row["explanation"]) for row in rows if row["flow_run_id"] == guarded]
    assert explained == [("Cancelling", "an automation did it")]


def test_orphans_are_the_run_that_was_deleted_before_anybody_looked(recording, ask):
    status, rows = ask("orphans")
    deleted = deed(recording, "delete", 204)["run"]
    assert status == 1
    assert [row["flow_run_id"] for row in rows] == [deleted]
    assert rows[0]["deleted"] == 1
