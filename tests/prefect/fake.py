"""A stand-in for Prefect's API, for what the real one cannot be made to do: break off, refuse, lie, dawdle."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TABLES = [
    "flow_runs",
    "task_runs",
    "artifacts",
    "deployments",
    "flows",
    "automations",
    "variables",
    "block_documents",
    "work_pools",
    "work_queues",
]


@dataclass
class Reply:
    """An answer. ``cut`` sends only so many bytes of the body that was announced."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    wait: threading.Event | None = None


@dataclass
class Api:
    """What the server has, and what it does instead of answering: ``faults`` are asked first, with (path, body)."""

    url: str = ""
    records: dict[str, list[dict]] = field(default_factory=lambda: {name: [] for name in TABLES})
    events: list[dict] = field(default_factory=list)
    workers: dict[str, list[dict]] = field(default_factory=dict)
    version: str = "3.8.8"
    largest: int = 200
    fault: Callable[[str, dict], Reply | None] = lambda path, body: None
    asked: list[tuple[str, dict, dict]] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def answer(self, path: str, body: dict) -> Reply:
        if path == "/api/admin/version":
            return Reply(body=self.version)
        if path == "/api/events/filter":
            return Reply(body=self._events(body))
        parts = path.split("/")[2:]
        if parts[-2:] == ["workers", "filter"]:
            return self._page(self.workers.get(parts[1], []), body)
        if len(parts) == 2 and parts[0] in self.records:
            records = self._matching(parts[0], body)
            return Reply(body=len(records)) if parts[1] == "count" else self._page(records, body)
        return Reply(404, {"detail": "Not Found"})

    def _page(self, records: list[dict], body: dict) -> Reply:
        if body["limit"] > self.largest:
            return Reply(422, {"detail": f"Invalid limit: must be less than or equal to {self.largest}."})
        key = {"ID_DESC": "id", "CREATED_DESC": "created"}.get(body.get("sort"))
        ordered = sorted(records, key=lambda r: r[key], reverse=True) if key else records
        return Reply(body=ordered[body["offset"] : body["offset"] + body["limit"]])

    def _matching(self, name: str, body: dict) -> list[dict]:
        """Filter as Prefect does, as far as lpaudit asks."""
        asked = body.get(name, {})
        found = []
        for record in self.records[name]:
            end = record.get("end_time")
            tests = []
            if "id" in asked:
                tests.append(record["id"] in asked["id"]["any_"])
            if "state" in asked:
                tests.append(record["state_type"] in asked["state"]["type"]["any_"])
            if "after_" in asked.get("end_time", {}):
                tests.append(end is not None and end >= asked["end_time"]["after_"])
            if "before_" in asked.get("end_time", {}):
                tests.append(end is not None and end <= asked["end_time"]["before_"])
            if (any if asked.get("operator") == "or_" else all)(tests):
                found.append(record)
        return found

    def _events(self, body: dict) -> dict:
        occurred = body["filter"]["occurred"]
        found = [e for e in self.events if occurred["since"] <= e["occurred"] <= occurred["until"]]
        found.sort(key=lambda e: e["occurred"])
        link = "http://evil.example/api/events/filter/next?page-token=Mg=="
        page = found[: body["limit"]]
        return {"events": page, "total": len(found), "next_page": link if len(found) > len(page) else None}


@contextlib.contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Serve ``api`` on a port of 127.0.0.1 until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _reply(self, body: dict) -> None:
            api.asked.append((self.path, body, dict(self.headers)))
            path = self.path.partition("?")[0]
            reply = api.fault(path, body) or api.answer(path, body)
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            if reply.wait is not None:
                reply.wait.wait(20)
            with contextlib.suppress(OSError):
                self.send_response(reply.status)
                for name, value in ({"content-type": "application/json"} | reply.headers).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_port}/api"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
