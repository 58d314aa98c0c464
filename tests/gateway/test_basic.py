"""HTTP Basic in front of an upstream that tells what came through."""

import re
import socket
import ssl
import subprocess
import time
from datetime import datetime
from urllib.parse import unquote

import pytest

from lpaudit.lighttpd.gateway import FORGEABLE
from tests.gateway import gateway, upstream
from tests.gateway.conftest import USERS, basic, hashed
from tests.recording.upstream import wait_for
from tests.rig import free_ports

pytestmark = pytest.mark.lighttpd

ID = "86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a"


def test_only_users_with_their_password_come_in(started):
    front, behind = started
    refused = [basic("alice", "x"), basic("nobody", "x"), "Authorization: Bearer x", basic("alice", "")]
    targets = ("/", "/docs", "/api/health", "/prefect/api/health", "/x%2f..")
    asked = [("GET", "/prefect/api/flows/x", header) for header in refused]
    asked += [("OPTIONS", "*"), *(("GET", target) for target in targets)]
    assert set(front.statuses(asked)) == {401}
    assert b"WWW-Authenticate: Basic" in front.ask("GET", "/prefect/api/flows/x")[1]
    assert behind.seen == []
    for user in USERS:
        assert front.status("GET", "/prefect/api/flows/x?limit=5", basic(user)) == 200
    assert [(m, t) for m, t, _ in behind.seen] == [("GET", "/api/flows/x?limit=5")] * len(USERS)
    rows = front.rows()
    assert "format lpaudit" in front.said
    assert [r["user_name"] for r in rows[-len(USERS) :]] == list(USERS)
    assert {r["url_path"] for r in rows[-len(USERS) :]} == {"/api/flows/x"}
    assert {r["reject_reason"] for r in rows} == {None}
    assert "username: alice" in front.errors  # who failed is in the error log


def test_what_a_client_could_pretend_with_does_not_come_through(started):
    front, behind = started
    for spelled in (str, str.lower, str.upper):
        forged = [f"{spelled(name)}: forged-{i}" for name in FORGEABLE for i in (1, 2)]
        claims = [f"{spelled('X-Prefect-Flow-Run-Id')}: {ID}", "traceparent: 00-1", "X-Request-Id: r1"]
        assert front.status("GET", "/api/flows/x", basic("alice"), *forged, *claims) == 200
        (_, _, headers) = behind.seen[-1]
        assert not any("forged" in value for value in headers.values()), headers
        assert "authorization" not in headers
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert (headers["x-prefect-flow-run-id"], headers["traceparent"], headers["x-request-id"]) == (
            ID,
            "00-1",
            "r1",
        )
    row = front.rows()[0]
    assert row["prefect_flow_run_id"] == ID


def test_trailers_are_not_headers(started):
    front, behind = started
    raw = (
        f"POST /api/logs/ HTTP/1.1\r\nHost: x\r\n{basic('alice')}\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\nTrailer: Prefect-Automation-Id\r\n\r\n"
        "2\r\n{}\r\n0\r\nPrefect-Automation-Id: forged\r\n\r\n"
    )
    assert b" 200 " in front.send(raw.encode())
    assert "forged" not in str(behind.seen)


def test_websockets_pass_for_who_may(started):
    front, behind = started
    upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: eA==",
    ]

    def opened(target, *headers):
        lines = "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *upgrade, *headers, "", ""])
        with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
            connection.sendall(lines.encode())
            answer = connection.recv(65536)
            if b" 101 " in answer:
                connection.sendall(b"hello")
                while b"echo:hello" not in answer:
                    answer += connection.recv(65536)
            return answer.split(b"\r\n")[0]

    assert b" 101 " in opened("/prefect/api/events/in", basic("worker"))
    assert b" 101 " in opened("/api/events/out", basic("reader"))
    assert b" 401 " in opened("/api/events/in", basic("reader"))
    assert b" 401 " in opened("/api/events/out")
    assert len(behind.seen) == 2


def test_a_websocket_is_one_line_when_it_closes_with_how_long_it_was_open(started):
    """Its frames are bytes to lighttpd: masked by the client, and not in the log."""
    front, _ = started
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    asked = f"GET /prefect/api/events/in HTTP/1.1\r\nHost: x\r\n{basic('worker')}\r\n{upgrade}\r\n"
    frame = b"\x81\x85\x01\x02\x03\x04" + bytes(a ^ b for a, b in zip(b"hello", b"\1\2\3\4\1", strict=True))
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(asked.encode())
        answer = connection.recv(65536)
        assert b" 101 " in answer
        connection.sendall(frame)
        while b"echo:" + frame not in answer:
            answer += connection.recv(65536)
        assert front.status("GET", "/api/flows/x", basic("worker")) == 200
        assert ["status=200" in line for line in front.lines()] == [True]  # not the websocket's
        time.sleep(1.1)
    wait_for(lambda: len(front.lines()) == 2, 10, "the websocket's line")
    row = front.rows()[1]
    assert (row["user_name"], row["http_response_status_code"]) == ("worker", 101)
    assert row["url_path"] == "/api/events/in"
    assert row["event_duration_us"] >= 1_100_000
    begin, end = (datetime.fromisoformat(row[column]) for column in ("event_start", "event_end"))
    assert (end - begin).total_seconds() >= 1.1
    assert "hello" not in front.lines()[1]
    assert f" body={len(b'echo:' + frame)} " in front.lines()[1]


def test_a_redirection_leads_to_where_the_client_is(started):
    front, _ = started
    _, answer = front.ask("GET", "/prefect/api/moved", basic("alice"))
    assert b"Location: http://gateway/prefect/api/moved/\r\n" in answer


ROUTES = [
    ("GET", "/api/flow_runs/{id}", "read"),
    ("GET", "/api/admin/version", "read"),
    ("GET", "/docs", "read"),
    ("POST", "/api/flow_runs/filter", "read"),
    ("POST", "/api/flow_runs/count", "read"),
    ("POST", "/api/flow_runs/lateness", "read"),
    ("POST", "/api/v2/concurrency_limits/filter", "read"),
    ("POST", "/api/work_pools/default/queues/filter", "read"),
    ("POST", "/api/events/count-by/resource", "read"),
    ("POST", "/api/ui/flow_runs/history", "read"),
    ("GET", "/api/events/in", "run"),
    ("GET", "/api/block_documents/{id}?include_secrets=true", "run"),
    ("GET", "/api/block_types/slug/secret/block_documents/name/x?include_secrets=true", "run"),
    ("POST", "/api/block_documents/filter", "run"),
    ("POST", "/api/deployments/{id}/create_flow_run", "run"),
    ("POST", "/api/deployments/{id}/create_flow_run/bulk", "run"),
    ("POST", "/api/flow_runs/", "run"),
    ("POST", "/api/flow_runs/{id}/set_state", "run"),
    ("POST", "/api/flow_runs/{id}/resume", "run"),
    ("PATCH", "/api/flow_runs/{id}", "run"),
    ("POST", "/api/logs/", "run"),
    ("POST", "/api/work_pools/default/workers/heartbeat", "run"),
    ("POST", "/api/work_pools/default/get_scheduled_flow_runs", "run"),
    ("POST", "/api/v2/concurrency_limits/increment-with-lease", "run"),
    ("PUT", "/api/saved_searches/", "run"),
    ("POST", "/api/what/comes/next", "run"),
    ("PROPFIND", "/api/flow_runs/{id}", "run"),
    ("DELETE", "/api/flow_runs/{id}", "delete"),
    ("DELETE", "/api/variables/name/x", "delete"),
    ("DELETE", "/api/deployments/{id}/schedules/{id}", "delete"),
    ("POST", "/api/flow_runs/bulk_delete", "delete"),
    ("POST", "/api/deployments/bulk_delete", "delete"),
    ("POST", "/api/flow_runs/bulk_set_state", "delete"),
    ("POST", "/api/deployments/", "administer"),
    ("POST", "/api/deployments/{id}/schedule", "administer"),
    ("POST", "/api/deployments/{id}/pause_deployment", "administer"),
    ("PATCH", "/api/deployments/{id}", "administer"),
    ("POST", "/api/work_pools/", "administer"),
    ("PATCH", "/api/work_pools/default/queues/x", "administer"),
    ("PUT", "/api/admin/storage", "administer"),
    ("POST", "/api/automations/", "administer"),
    ("POST", "/api/block_documents/", "administer"),
    ("POST", "/api/concurrency_limits/", "administer"),
    ("PATCH", "/api/v2/concurrency_limits/x", "administer"),
]
MAY = {
    "reader": {"read"},
    "worker": {"read", "run"},
    "alice": {"read", "run", "delete"},
    "olu": {"read", "administer"},
}


def test_everybody_may_what_their_roles_allow_and_no_more(started):
    front, behind = started
    asked = [(m, t.replace("{id}", ID), role, user) for m, t, role in ROUTES for user in MAY]
    statuses = front.statuses([(m, t, basic(user)) for m, t, _, user in asked])
    # What the upstream does not implement it answers with 501: then it has come through.
    wrong = [
        one for one, status in zip(asked, statuses, strict=True) if (status != 401) != (one[2] in MAY[one[3]])
    ]
    assert wrong == []
    assert len(behind.seen) == sum(role in MAY[user] for m, _, role, user in asked if m != "PROPFIND")


SPELLINGS = [
    "/api/flow_runs/bulk_delete",
    "/prefect/api/flow_runs/bulk_delete",
    "/api/flow_runs/bulk_delete/",
    "/api/flow_runs/bulk%5Fdelete",
    "/api/flow_runs/%62ulk_delete",
    "/api/%66low_runs/bulk_delete",
    "/%61pi/flow_runs/bulk_delete",
    "/%70refect/api/flow_runs/bulk_delete",
    "/prefect%2Fapi/flow_runs/bulk_delete",
    "/api%2fflow_runs/bulk_delete",
    "/api/flow_runs%2Fbulk_delete",
    "//api/flow_runs/bulk_delete",
    "/api//flow_runs///bulk_delete",
    "/prefect//api/flow_runs/bulk_delete",
    "/api/./flow_runs/bulk_delete",
    "/api/x/../flow_runs/bulk_delete",
    "/api/x/%2e%2e/flow_runs/bulk_delete",
    "/api/flow_runs/filter/../bulk_delete",
    "/api/ui/../flow_runs/bulk_delete",
    "/api/ui/%2E%2E/flow_runs/bulk_delete",
    "/api/ui%2f..%2fflow_runs/bulk_delete",
    "/prefect/../api/flow_runs/bulk_delete",
    "/prefect/api/../api/flow_runs/bulk_delete",
    "/api/flow_runs/bulk_delete?x=/api/flow_runs/filter",
    "/api/flow_runs/bulk_delete?",
    "/api/flow_runs/bulk_delete#/filter",
    "/api/flow_runs/bulk_delete%0A",
    "/api/flow_runs/bulk_delete%0a%0a",
    "/api/flow_runs/bulk_delete%00",
    "/api/flow_runs/bulk_delete%00/filter",
    "/api/flow_runs/bulk_delete%0D",
    "/api/flow_runs/bulk_delete%23",
    "http://gateway/api/flow_runs/bulk_delete",
    "HTTP://gateway//api/flow_runs/bulk_delete",
    "/api/flow_runs/bulk_delete\t",
]
OVERRIDES = (
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "X-Original-URL: /api/flow_runs/bulk_delete",
    "X-Rewrite-URL: /api/flow_runs/bulk_delete",
)


def reaches_bulk_delete(target):
    """Tell whether a server that decodes a target once, as uvicorn does, and matches it as Starlette does, gets there."""
    path = unquote(target.split("?")[0].split("#")[0])
    return re.match(r"^/api/flow_runs/bulk_delete$", path) is not None


def test_no_spelling_of_a_path_gets_around_a_rule(started):
    front, behind = started
    front.statuses(
        [("POST", target, basic(user)) for target in SPELLINGS for user in ("reader", "worker", "olu")]
    )
    assert not any(reaches_bulk_delete(target) for _, target, _ in behind.seen), behind.seen
    assert front.status("POST", "/api//flow_runs/bulk%5Fdelete", basic("alice")) == 200
    assert reaches_bulk_delete(behind.seen[-1][1])
    asked = (("POST", "/api/flow_runs/filter"), ("GET", f"/api/flow_runs/{ID}"))
    front.statuses([(*one, basic("reader"), header) for header in OVERRIDES for one in asked])
    assert len(behind.seen) > len(OVERRIDES)
    assert not any(
        header.split(":")[0].lower() in headers for header in OVERRIDES for _, _, headers in behind.seen
    )


def test_methods_are_what_they_are_called(started):
    front, behind = started
    run = f"/api/flow_runs/{ID}"
    odd = ("delete", "Delete", "DELETE ", "FOO", "POST\tX", "TRACE")
    front.statuses([(method, run, basic("worker")) for method in odd])
    assert [m for m, *_ in behind.seen if m.strip().upper() == "DELETE"] == []
    unknown = ("MOVE", "LOCK", "MKCOL")  # known to lighttpd, unknown to Prefect: no reading
    assert set(front.statuses([(method, run, basic("reader")) for method in unknown])) == {401}


def test_over_tls(tmp_path, lpaudit):
    pem, htpasswd = tmp_path / "gateway.pem", tmp_path / "htpasswd"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=gateway"
    files = ["-keyout", tmp_path / "key", "-out", tmp_path / "crt"]
    subprocess.run([*make.split(), *files], check=True, capture_output=True)
    pem.write_text((tmp_path / "key").read_text() + (tmp_path / "crt").read_text())
    htpasswd.write_text(hashed("alice"))
    (port,) = free_ports(1)
    options = ["--tls-pem", pem, "--htpasswd", htpasswd, "--listen", f"0.0.0.0:{port}"]
    with (
        upstream.running() as behind,
        gateway.running(tmp_path / "gateway", behind.url, *options, port=port) as front,
    ):
        front.begin(lpaudit, tmp_path)
        context = ssl.create_default_context(cafile=tmp_path / "crt")
        context.check_hostname = False
        for user, status in (("alice", b" 200 "), ("bob", b" 401 ")):
            with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as secure:
                secure.sendall(
                    f"GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{basic('alice', f'{user}-pw')}\r\n\r\n".encode()
                )
                assert status in secure.recv(65536)
        assert behind.seen[0][2]["x-forwarded-proto"] == "https"
        assert [r["http_response_status_code"] for r in front.rows()] == [200, 401]
