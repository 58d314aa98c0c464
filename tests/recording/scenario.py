"""What happens in a recording: people, a CI job, an agent, workers and programs, and who did what to which run."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.recording.api import FINAL, Api
from tests.recording.client import INSIDE, Clients
from tests.recording.upstream import wait_for

ENABLED = {"PREFECT_PLUGINS_ENABLED": "true"}
STORM = 3  # seconds in which lighttpd finds no Prefect
PATIENCE = 300  # seconds; for what takes a few on an idle machine
DEPLOYMENTS: list[dict[str, Any]] = [
    *(
        {"flow": flow, "name": "etl", "pool": "etl"}
        for flow in ("quick", "nested", "failing", "approved", "long")
    ),
    {"flow": "long", "name": "guarded", "pool": "etl"},
    {"flow": "quick", "name": "gpu", "pool": "gpu"},
    {"flow": "quick", "name": "often", "pool": "gpu", "interval": 40},
]


@dataclass(frozen=True)
class Deed:
    """Something that somebody did. ``now`` is seconds since the epoch."""

    user: str | None
    did: str
    status: int | None
    run: str | None
    now: float


@dataclass
class Played:
    """What was done, in the order in which it was."""

    deeds: list[Deed] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    """Run → its deployment, of those that somebody asked for by the API."""
    bypassed: str = ""
    """The run that somebody created, cancelled, and had scheduled again, without the gateway."""

    def did(self, user: str | None, did: str, status: int | None = None, run: str | None = None) -> None:
        """Remember a deed."""
        self.deeds.append(Deed(user, did, status, run, time.time()))


def play(clients: Clients, api: Api, direct: Api, *, header: bool, rounds: int = 1) -> Played:
    """Do everything; return what was done.

    ``api`` goes through the gateway, ``direct`` around it: the rig waits there, and leaves no
    lines. With ``header`` the runs of the pool ``etl``, the served ones and the script have the
    plugin; those of ``gpu`` never have.
    """
    played = Played()
    plugin = ENABLED if header else {}
    variables = {"etl": {"env": plugin}, "gpu": {}}
    clients.deploy("ci", *({**one, "job_variables": variables[one["pool"]]} for one in DEPLOYMENTS))
    played.did("ci", "deploy")
    _guard(api, played)
    with ExitStack() as stack:
        stack.enter_context(clients.worker("worker", "etl"))
        stack.enter_context(clients.worker("worker-gpu", "gpu"))
        stack.enter_context(clients.serving("serve", "served", "nested", **plugin))
        wait_for(
            lambda: direct.ask(None, "GET", "/deployments/name/nested/served")[0] == 200, PATIENCE, "serving"
        )
        for number in range(rounds):
            _round(clients, api, direct, played, number, plugin)
        for run, name in played.runs.items():
            wait_for(lambda run=run: _ended(direct, run), PATIENCE, f"the end of {name}")
        guarded = _creator(api, played)("carol", "long/guarded")
        wait_for(lambda: _ended(direct, guarded), PATIENCE, "the end of a run that an automation cancels")
        wait_for(lambda: _scheduled(direct), PATIENCE, "a scheduled run")
        _afterwards(api, played)
        _around(direct, played)
    return played


def _round(
    clients: Clients, api: Api, direct: Api, played: Played, number: int, plugin: dict[str, str]
) -> None:
    create = _creator(api, played)
    for name in ("quick/etl", "nested/etl", "quick/gpu"):
        create("alice", name, number=number + 1)
    create("carol", "failing/etl")
    asked = create("carol", "approved/etl")
    cancelled = create("agent", "long/etl")
    create("ci", "nested/served")
    _deny(api, played)
    clients.run("ci", f"cli-{number}", "-m", "prefect", "deployment", "run", "quick/gpu")
    played.did("ci", "command line")
    clients.run("carol", f"script-{number}", INSIDE / "flows.py", "nested", **plugin)
    played.did("carol", "script")
    wait_for(lambda: direct.state(None, cancelled) == "RUNNING", PATIENCE, "a run to be cancelled")
    cancelling = {"state": {"type": "CANCELLING", "message": "enough"}}
    status, _ = _until_answered(api, "alice", "POST", f"/flow_runs/{cancelled}/set_state", cancelling)
    played.did("alice", "cancel", status, cancelled)
    wait_for(lambda: direct.state(None, asked) == "PAUSED", PATIENCE, "a run that asks")
    _storm(clients, api, played)
    status, _ = _until_answered(api, "alice", "POST", f"/flow_runs/{asked}/resume", {})
    played.did("alice", "resume", status, asked)


def _guard(api: Api, played: Played) -> None:
    """Have Prefect itself cancel the runs of a deployment as soon as they run."""
    deployment = api.deployment("carol", "long/guarded")
    trigger = {
        "type": "event",
        "posture": "Reactive",
        "threshold": 1,
        "within": 0,
        "expect": ["prefect.flow-run.Running"],
        "match_related": {"prefect.resource.id": f"prefect.deployment.{deployment}"},
    }
    automation = {"name": "guard", "trigger": trigger, "actions": [{"type": "cancel-flow-run"}]}
    status, _ = _until_answered(api, "carol", "POST", "/automations/", automation)
    played.did("carol", "automate", status)


def _creator(api: Api, played: Played) -> Callable[..., str]:
    def create(user: str, name: str, **parameters: Any) -> str:
        run = api.create_run(user, api.deployment(user, name), **parameters)
        played.runs[run] = name
        played.did(user, "create", 201, run)
        return run

    return create


def _deny(api: Api, played: Played) -> None:
    """What lighttpd refuses: bob may not create or delete, mallory has no password, and somebody has no name."""
    deployment, run = api.deployment("bob", "quick/etl"), next(iter(played.runs))
    for user, did, method, path in (
        ("bob", "create", "POST", f"/deployments/{deployment}/create_flow_run"),
        ("bob", "delete", "DELETE", f"/flow_runs/{run}"),
        ("mallory", "read", "GET", f"/flow_runs/{run}"),
        (None, "read", "GET", f"/flow_runs/{run}"),
    ):
        status, _ = api.ask(user, method, path, {} if method == "POST" else None)
        played.did(user, did, status, run if run in path else None)


def _storm(clients: Clients, api: Api, played: Played) -> None:
    """Prefect is away for some seconds, while runs go on and an agent insists."""
    clients.gateway.upstream.down()
    until = time.monotonic() + STORM
    while time.monotonic() < until:
        status, _ = api.ask("agent", "POST", "/flow_runs/count", {})
        played.did("agent", "count", status)
        time.sleep(0.25)
    clients.gateway.upstream.up()


def _afterwards(api: Api, played: Played) -> None:
    """One looks, and one deletes."""
    api.get("alice", "POST", "/flow_runs/filter", {"limit": 50})
    deleted = next(run for run, name in played.runs.items() if name == "quick/etl")
    status, _ = _until_answered(api, "carol", "DELETE", f"/flow_runs/{deleted}")
    played.did("carol", "delete", status, deleted)


def _around(direct: Api, played: Played) -> None:
    """Somebody who can reach Prefect itself has a run made, takes it back, and has it scheduled again for much later."""
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    path = f"/deployments/{direct.deployment(None, 'quick/etl')}/create_flow_run"
    played.bypassed = direct.get(None, "POST", path, {"state": later})["id"]
    for state in ({"type": "CANCELLED"}, later):
        body = {"state": state, "force": True}
        direct.get(None, "POST", f"/flow_runs/{played.bypassed}/set_state", body)
    wait_for(lambda: _tells_all(direct, played.bypassed), PATIENCE, "the events of what was done last")


def _tells_all(direct: Api, run: str) -> bool:
    """Whether Prefect, which writes events when it has time, knows that a run was cancelled and scheduled again."""
    asked = {"filter": {"resource": {"id": [f"prefect.flow-run.{run}"]}}}
    events = direct.get(None, "POST", "/events/filter", asked)["events"]
    names = [event["event"] for event in sorted(events, key=lambda event: event["occurred"])]
    return "prefect.flow-run.Cancelled" in names and names[-1] == "prefect.flow-run.Scheduled"


def _until_answered(api: Api, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask again while the answer is 503: lighttpd has no Prefect yet, or SQLite is busy."""
    return wait_for(lambda: _answered(api.ask(user, method, path, body)), PATIENCE, f"{method} {path}")


def _answered(answer: tuple[int, Any]) -> tuple[int, Any] | None:
    return None if answer[0] == 503 else answer


def _ended(direct: Api, run: str) -> bool:
    return direct.state(None, run) in FINAL


def _scheduled(direct: Api) -> bool:
    wanted = {
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        "deployments": {"name": {"any_": ["often"]}},
    }
    return bool(direct.get(None, "POST", "/flow_runs/count", wanted))
