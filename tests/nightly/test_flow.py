"""The flow, run by a real Prefect: its tasks, their retries, its states, the artifact, and the event."""

import json
import subprocess
import sysconfig
import time
import urllib.request
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# lpaudit's dependencies come last: Prefect's versions of what both need are Prefect's.
DRIVER = """
import sys
sys.path[:0], sys.path[len(sys.path):] = [sys.argv[1]], [sys.argv[2]]
from datetime import date
from lpaudit.flows import nightly
state = nightly(
    day=date(2026, 11, 23), frameworks=["operation"], settings_file="none", retries=1, retry_delay_seconds=0,
    return_state=True,
)
print("ended", state.type.value, state.name)
"""

pytestmark = pytest.mark.prefect


@pytest.fixture
def flow(prefect_server, nights):
    """Run the flow over a store: ``flow()`` → (how it ended, the flow run's record)."""

    def run(**settings):
        env = {
            **prefect_server.env,
            "LPAUDIT_STORE": nights.root,
            "LPAUDIT_REPORT_DIR": str(nights.out),
            "LPAUDIT_ALERT_PREFECT": "yes",
            **settings,
        }
        command = [prefect_server.python, "-c", DRIVER, CHECKOUT, sysconfig.get_path("purelib")]
        ran = subprocess.run(
            command, env=env, cwd=nights.folder, capture_output=True, text=True, timeout=240, check=False
        )
        ended = [text for text in ran.stdout.splitlines() if text.startswith("ended ")]
        assert ended, ran.stdout + ran.stderr
        [row] = nights.select("select * from control_run_latest")
        return ended[0], row

    return run


def ask(server, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def tasks(server, flow_run_id, count):
    """Return how often each task of a run was tried and how it ended; nothing as long as there are fewer."""
    asked = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 50}
    found = {t["name"]: (t["run_count"], t["state_type"]) for t in ask(server, "/task_runs/filter", asked)}
    return found if len(found) >= count else None


def soon(get, seconds=30):
    """Return what there is, as soon as there is something: Prefect stores events and task runs a little later."""
    deadline = time.monotonic() + seconds
    while not (found := get()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def test_a_night_that_prefect_ran(flow, prefect_server, nights):
    nights.out.write_text("in the way")
    ended, row = flow()
    assert ended == "ended FAILED Failed"
    assert (row["exit_status"], row["error"].partition(":")[0]) == (3, "report")
    first = row["flow_run_id"]
    counts = soon(lambda: tasks(prefect_server, first, 7))
    assert counts["report"] == (2, "FAILED"), "tried again, and given up"
    assert counts["sync"] == (1, "COMPLETED"), "it brought the records of the very server"
    assert nights.select("select count(*) n from snapshot where complete")[0]["n"] > 0

    nights.out.unlink()
    ended, row = flow()
    assert ended == "ended COMPLETED Exceptions"
    assert row["exit_status"] == 1
    assert row["flow_run_id"] != first
    assert set(soon(lambda: tasks(prefect_server, row["flow_run_id"], 4))) == {
        "report",
        "sign",
        "verify",
        "alert",
    }

    [artifact] = ask(
        prefect_server, "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [row["flow_run_id"]]}}}
    )
    assert (artifact["key"], artifact["type"]) == ("lpaudit-nightly", "markdown")
    assert artifact["data"].startswith("# Night 2026-11-23\n")
    assert all(digest in artifact["data"] for _, digest in row["report_hashes"])

    since = {"filter": {"event": {"name": ["lpaudit.night.alert"]}}, "limit": 50}
    event = soon(lambda: ask(prefect_server, "/events/filter", since)["events"])[0]
    assert event["resource"]["prefect.resource.id"] == "lpaudit.night.2026-11-23"
    assert event["payload"]["run_id"] == row["run_id"]
    assert {found["check"] for found in event["payload"]["exceptions"]} >= {"denied-requests"}
