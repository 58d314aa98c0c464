"""A team at work behind the gateway, with `lpaudit ingest --follow` beside it: what was done is in the store."""

import json
from collections import Counter

import pytest

from tests.stores import stored_rows, stored_sources

PLUGIN = ("worker-etl", "serve-served")
"""The roles whose runs have it; a run has the role of what started it."""

pytestmark = [pytest.mark.e2e, pytest.mark.lighttpd, pytest.mark.prefect]


@pytest.fixture(scope="module")
def rows(recording):
    """The rows of the access log, in its order."""
    return [row for row in stored_rows(recording.store) if row["source"] == str(recording.log)]


def deeds(recording, did, status=None):
    found = [deed for deed in recording.truth["deeds"] if deed["did"] == did]
    return [deed for deed in found if status is None or deed["status"] == status]


def test_each_line_is_stored_once_as_lighttpd_wrote_it(recording, rows):
    assert recording.log.read_bytes() in stored_sources(recording.store).values()
    assert len(rows) == len(recording.made_by) > 500
    assert [row for row in rows if row["reject_reason"]] == []


def test_each_request_of_the_rig_is_in_access_once_with_who_and_what(recording, lpaudit):
    columns = 'coalesce("user", \'\') as "user", method, path, status'
    query = f"select {columns} from access where user_agent = 'recording'"
    ran = lpaudit("sql", "--store", recording.store, "--format", "jsonl", query)
    assert ran.returncode == 0, ran.stderr
    found = Counter(tuple(json.loads(line).values()) for line in ran.stdout.splitlines())
    # lighttpd names nobody whom it has not let in.
    sent = Counter(
        ("" if one["status"] == 401 else one["user"], one["method"], one["path"], one["status"])
        for one in recording.truth["requests"]
    )
    assert found == sent
    assert len(sent) > 20


def test_a_line_of_a_run_carries_its_id_where_the_plugin_is_and_no_other_line_carries_one(recording, rows):
    """Each process has said from inside which run it is."""
    processes = recording.truth["processes"]
    wrong = []
    for row, process, origin in zip(rows, recording.made_by, recording.origin, strict=True):
        role, said = process and processes[process]["role"], row["prefect_flow_run_id"]
        if role == "script-0":  # it says which of its runs, and nothing before they exist
            runs = {note["run"] for note in recording.truth["inside"] if note["process"] == process}
            right = said is None or said in runs
        else:
            right = said == (origin if role in PLUGIN else None)
        if not right:
            wrong.append((row["line_number"], role, said, origin))
    assert wrong == []
    assert len({row["prefect_flow_run_id"] for row in rows} - {None}) >= 8


def test_what_the_truth_says_has_really_happened(recording):
    """A rig that plays nothing proves nothing."""
    assert [deed["user"] for deed in deeds(recording, "create", 401)] == ["bob"]
    assert len(deeds(recording, "create", 201)) == 8
    assert [(deed["user"], deed["status"]) for deed in deeds(recording, "delete")] == [
        ("bob", 401),
        ("carol", 204),
    ]
    assert [(deed["user"], deed["status"]) for deed in deeds(recording, "resume")] == [("alice", 201)]
    assert [(deed["user"], deed["status"]) for deed in deeds(recording, "cancel")] == [("alice", 201)]
    assert len(deeds(recording, "count", 503)) >= 3
    flows = Counter(note["flow"] for note in recording.truth["inside"])
    assert flows["child"] == 3  # of two runs, and of the script's
    assert flows["failing"] == 2
    assert {"quick", "nested", "approved", "long"} <= flows.keys()


def test_runs_have_really_been_running_at_the_same_time(recording, rows):
    """Else it were easy to tell whose a line is."""
    spans = {}
    for row, run in zip(rows, recording.origin, strict=True):
        if run is not None:
            begin, end = spans.get(run, (row["event_start"], row["event_end"]))
            spans[run] = min(begin, row["event_start"]), max(end, row["event_end"])
    at_once = max(sum(b <= begin <= e for b, e in spans.values()) for begin, _ in spans.values())
    assert at_once >= 3


def test_prefects_own_records_tell_the_same_story(recording, lpaudit):
    """States are Prefect's; the run that carol deleted is in no record, only in the log."""
    query = "select id, state_type from flow_run"
    ran = lpaudit("sql", "--store", recording.store, "--format", "jsonl", query)
    assert ran.returncode == 0, ran.stderr
    states = dict(json.loads(line).values() for line in ran.stdout.splitlines())
    told = {name: states.get(run) for run, name in recording.truth["runs"].items()}
    assert told == {
        "quick/etl": None,
        "nested/etl": "COMPLETED",
        "quick/gpu": "COMPLETED",
        "failing/etl": "FAILED",
        "approved/etl": "COMPLETED",
        "long/etl": "CANCELLED",
        "long/guarded": "CANCELLED",
        "nested/served": "COMPLETED",
    }
    roots = {note["root"] for note in recording.truth["inside"]}
    assert roots - states.keys() == {
        run for run, name in recording.truth["runs"].items() if name == "quick/etl"
    }


def test_the_error_log_names_those_who_were_refused(recording, lpaudit):
    query = "select \"user\", count(*) as n from server_event where event = 'login-failed' group by all order by 1"
    ran = lpaudit("sql", "--store", recording.store, "--format", "jsonl", query)
    assert ran.returncode == 0, ran.stderr
    found = {row["user"]: row["n"] for row in map(json.loads, ran.stdout.splitlines())}
    assert {"bob": 2, "mallory": 1}.items() <= found.items()
