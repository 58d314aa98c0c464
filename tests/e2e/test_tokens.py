"""A real Prefect client, worker and run with tokens of a real OpenID provider, through a real lighttpd."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import find_lighttpd
from tests.gateway.tokens import RSA
from tests.oidc.packages import needs_lua, needs_provider
from tests.oidc.provider import GROUPS, claims_of, fetch_keys, login, provider
from tests.recording import gateway, truth
from tests.recording.api import FINAL, Api
from tests.recording.client import Clients
from tests.recording.recording import CHECKOUT, packages
from tests.recording.upstream import wait_for
from tests.rig import free_ports
from tests.stores import stored_rows

pytestmark = [
    *(pytest.mark.e2e, pytest.mark.lighttpd, pytest.mark.prefect, needs_lua, needs_provider),
    pytest.mark.xdist_group("tokens"),  # it shares nothing with the recording
]

LEEWAY = 30  # seconds for which the gateway still takes a token that is over
PLUGIN = {"env": {"PREFECT_PLUGINS_ENABLED": "true"}}
ROLES = {
    "deploying": "ci",
    "asking": "ci",
    "worker-tokens": "worker-etl",
    "denied": "agent-x",
    "late": "late",
}
"""What processes call themselves → whose token they were given."""


@dataclass(frozen=True)
class Story:
    """What happened."""

    store: Path
    log: Path
    made_by: list[str]
    """For each line the process that sent the request, or ``-``."""
    truth: truth.Truth
    tokens: dict[str, str]
    run: str
    refused: dict[str, subprocess.CompletedProcess]
    """Role → how `prefect deployment run` ended."""


@pytest.fixture(scope="module")
def story(prefect_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    (port,) = free_ports(1)
    with provider(folder, port, RSA("key-1")) as metadata:
        fetch_keys(metadata, folder / "jwks.json")
        tokens = {client: login(metadata, client) for client in GROUPS}
    late = claims_of(tokens["late"])["exp"] + LEEWAY
    access = gateway.Access(
        (
            *("--auth", "oidc", "--issuer", metadata["issuer"], "--audience", "prefect-api"),
            *("--jwks", folder / "jwks.json"),
            *("--may-run", "workers", "--may-delete", "ops", "--may-administer", "ops"),
        ),
        lambda user: {
            "PREFECT_API_KEY": tokens[user],
            gateway.HEADERS: json.dumps({"Authorization": f"Bearer {tokens[user]}"}),
        },
    )
    with gateway.running(find_lighttpd(), folder, prefect_server.port, access) as front:
        run, refused = played(Clients(front, folder, {}, packages(folder)), Api(prefect_server.url), late)
        run_lpaudit(folder, "sync", "--url", front.url, PREFECT_API_KEY=tokens["ci"])
    run_lpaudit(folder, "ingest", "--timezone", "UTC", front.log, front.error_log)
    run_lpaudit(folder, "correlate")
    made_by = front.made_by.read_text().splitlines()
    return Story(folder / "store", front.log, made_by, truth.read(folder / "truth"), tokens, run, refused)


def played(clients, direct, late):
    """Have a run asked for, and executed; have one refused for want of a group, and one for a token that is over."""
    asked = ("-m", "prefect", "deployment", "run", "nested/tokens")
    clients.deploy("ci", {"flow": "nested", "name": "tokens", "pool": "tokens", "job_variables": PLUGIN})
    with clients.worker("worker-etl", "tokens"):
        clients.run("ci", "asking", *asked)
        refused = {"denied": clients.run("agent-x", "denied", *asked, check=False)}
        deployment = direct.deployment(None, "nested/tokens")
        wanted = {"deployments": {"id": {"any_": [deployment]}}}
        (run,) = [found["id"] for found in direct.get(None, "POST", "/flow_runs/filter", wanted)]
        wait_for(lambda: direct.state(None, run) in FINAL, 120, "the end of the run")
        assert direct.state(None, run) == "COMPLETED"
    time.sleep(max(0, late + 1 - time.time()))
    refused["late"] = clients.run("late", "late", *asked, check=False)
    return run, refused


def run_lpaudit(folder, *arguments, **settings):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(CHECKOUT), **settings}
    command = [sys.executable, "-m", "lpaudit", *map(str, arguments), "--store", folder / "store"]
    subprocess.run(command, env=environment, capture_output=True, check=True)


@pytest.fixture
def ask(story, lpaudit):
    """Return what gives a command's rows."""

    def rows(*arguments):
        ran = lpaudit(*arguments, "--store", story.store, "--format", "json")
        assert ran.returncode in (0, 1), ran.stderr
        return json.loads(ran.stdout)

    return rows


@pytest.fixture(scope="module")
def lines(story):
    """Each line, and the process that sent it."""
    rows = [row for row in stored_rows(story.store) if row["source"] == str(story.log)]
    return list(zip(rows, story.made_by, strict=True))


def test_each_line_says_whose_token_it_was_and_which_groups_were_in_it(story, lines):
    seen = set()
    for row, process in lines:
        if process == "-":
            continue
        fields = dict(row["fields"] or {})
        who = ROLES[story.truth.processes[process]["role"]]
        if who == "late":
            assert (row["user_name"], row["http_response_status_code"]) == (None, 401)
            assert fields["%{AUTH_FAIL}e"] == "expired"
            assert "%{AUTH_GROUPS}e" not in fields
        else:
            assert row["user_name"] == who, row["line_number"]
            assert fields.get("%{AUTH_GROUPS}e") == (",".join(GROUPS[who]) or None)
            assert fields["%{AUTH_JTI}e"] == claims_of(story.tokens[who])["jti"]
        seen.add(who)
    assert seen == set(ROLES.values())


def test_those_whom_the_gateway_refused_were_refused_for_what_they_lacked(story, lines):
    assert [ran.returncode for ran in story.refused.values()] == [1, 1]
    assert "401 Unauthorized" in story.refused["late"].stdout + story.refused["late"].stderr
    refused = {
        (row["user_name"], row["http_request_method"], dict(row["fields"] or {})["%{AUTH_FAIL}e"])
        for row, process in lines
        if row["http_response_status_code"] in (401, 403) and process != "-"
    }
    assert refused == {("agent-x", "POST", "not-allowed-to-run"), (None, "GET", "expired")}


def test_websockets_come_through_with_a_token(story, lines, ask):
    """Those of the run and of the worker; without the header that the configuration tells of they would be 401."""
    opened = {
        (row["url_path"], story.truth.processes[process]["role"])
        for row, process in lines
        if row["http_response_status_code"] == 101
    }
    assert {("/api/events/in", "worker-tokens"), ("/api/events/out", "worker-tokens")} <= opened
    rows = ask("sql", f"select count(*) as n from task_run where flow_run_id = '{story.run}'")
    assert rows[0]["n"] > 3  # their states travel in that websocket, and nowhere else


def test_every_line_of_the_run_carries_its_id_and_is_tied_to_it(story, lines, ask):
    inside = {row["line_id"] for row, process in lines if story.truth.root_of(process) == story.run}
    assert len(inside) > 20
    links = ask("sql", "select line_id, flow_run_id, confidence from access_run where relation = 'origin'")
    exact = {link["line_id"] for link in links if link["confidence"] == "exact"}
    assert exact == inside
    assert {link["flow_run_id"] for link in links} == {story.run}


def test_explain_tells_who_asked_for_the_run_and_who_executed_it(story, ask):
    rows = ask("explain", story.run)
    access = [row for row in rows if row["source"] == "access"]
    assert ("created the run", "ci") in {(row["what"], row["user"]) for row in access}
    states = {row["user"] for row in access if (row["request"] or "").endswith("/set_state")}
    assert states == {"worker-etl"}


def test_denied_names_who_had_no_role_and_tells_a_token_that_was_over(ask):
    found = [row for row in ask("denied") if row["finding"]]
    told = {(row["identity"], row["method"], row["status"], row["layer"], row["cause"]) for row in found}
    assert told == {
        ("agent-x", "POST", "403", "proxy_rule", "refused by the gateway: not-allowed-to-run"),
        ("(nobody)", "GET", "401", "proxy_auth", "refused by the gateway: expired"),
    }


def test_nothing_was_done_around_the_gateway(story, ask):
    assert [row for row in ask("bypass") if row["finding"] and row["flow_run_id"] == story.run] == []
