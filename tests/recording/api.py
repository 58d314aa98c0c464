"""Prefect's API as a user of the gateway calls it, and a list of everything that was sent."""

import base64
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


@dataclass(frozen=True)
class Request:
    """A request that was answered."""

    user: str
    method: str
    path: str
    status: int


@dataclass
class Api:
    """Calls an API as any user, each request once and never again by itself."""

    url: str
    sent: list[Request] = field(default_factory=list)

    def ask(self, user: str | None, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request; return the status, and the answer if it is JSON.

        It says who it is at once, without being asked, so one call is one line of a log. It is patient:
        Prefect waits up to a minute for a locked SQLite.
        """
        headers = {"Content-Type": "application/json", "User-Agent": "recording"}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{user}-pw".encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                status, content = refused.code, refused.read()
        self.sent.append(Request(user or "", method, "/api" + path, status))
        try:
            return status, json.loads(content)
        except ValueError:
            return status, None

    def get(self, user: str | None, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request that succeeds, after some tries if SQLite is busy."""
        for _ in range(20):
            status, answer = self.ask(user, method, path, body)
            if status != 503:
                break
            time.sleep(0.5)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def deployment(self, user: str | None, name: str) -> str:
        """Return the id of a deployment, given as ``flow/deployment``."""
        return self.get(user, "GET", f"/deployments/name/{name}")["id"]

    def create_run(self, user: str | None, deployment: str, **parameters: Any) -> str:
        """Create a run of a deployment; return its id."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.get(user, "POST", f"/deployments/{deployment}/create_flow_run", body)["id"]

    def state(self, user: str | None, run: str) -> str:
        """Return the type of a run's state, such as COMPLETED."""
        return (self.get(user, "GET", f"/flow_runs/{run}").get("state") or {}).get("type")
