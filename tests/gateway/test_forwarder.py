"""A forwarder in front that says who it is: believed from its own address, and from no other."""

import socket

import pytest

from tests.gateway import gateway, upstream
from tests.oidc.packages import needs_lua

pytestmark = [pytest.mark.lighttpd, needs_lua]

READ = ("GET", "/prefect/api/flows/x")
WHO = "X-Forwarded-Email: olu@example.org"
FROM = "X-Forwarded-For: 203.0.113.9"


def started(tmp_path, lighttpd, lpaudit, behind, *options):
    roles = ("--may-run", "runners", "--may-delete", "ops")
    return gateway.running(
        lighttpd, lpaudit, tmp_path / "gateway", behind.url, "--auth", "forwarder", *roles, *options
    )


def test_the_forwarders_word_is_taken_and_logged(tmp_path, lighttpd, lpaudit):
    with upstream.running() as behind, started(tmp_path, lighttpd, lpaudit, behind) as front:
        assert front.status(*READ, WHO, FROM) == 200
        assert front.status("DELETE", "/api/flow_runs/x", WHO, FROM, "X-Forwarded-Groups: staff, ops") == 200
        assert front.status("DELETE", "/api/flow_runs/x", WHO, FROM, "X-Forwarded-Groups: staff") == 403
        assert front.status(*READ, FROM) == 401
        assert front.status(*READ, FROM, WHO, "X-Forwarded-Email: root@example.org") == 401
        assert front.status(*READ, FROM, "X-Forwarded-Email: -") == 401
        assert front.status(*READ, FROM, "X-Auth-Request-Email: olu@example.org") == 401
        assert len(behind.seen) == 2
        for _, _, headers in behind.seen:
            assert "prefect-automation-id" not in headers
        rows = front.rows()
    assert "format lpaudit-gateway" in front.said
    shown = [(r["user_name"], r["client_address"], (r["fields"] or {}).get("%{AUTH_FAIL}e")) for r in rows]
    olu, away = "olu@example.org", "203.0.113.9"
    assert shown == [
        (olu, away, None),
        (olu, away, None),
        (olu, away, "not-allowed-to-delete"),
        (None, away, "no-identity"),
        (None, away, "odd-identity"),
        (None, away, "odd-identity"),
        (None, away, "no-identity"),
    ]
    assert rows[1]["fields"]["%{AUTH_GROUPS}e"] == "staff,ops"


def test_many_requests_on_one_connection_keep_their_address(tmp_path, lighttpd, lpaudit):
    with upstream.running() as behind, started(tmp_path, lighttpd, lpaudit, behind) as front:
        with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
            for i in range(1, 6):
                lines = (
                    f"GET /prefect/api/{i} HTTP/1.1",
                    "Host: x",
                    WHO,
                    f"X-Forwarded-For: 203.0.113.{i}",
                    "",
                    "",
                )
                connection.sendall("\r\n".join(lines).encode())
                answer = b""
                while not answer.endswith(b'{"here": "prefect"}'):
                    piece = connection.recv(65536)
                    assert piece
                    answer += piece
                assert b" 200 OK" in answer
        rows = front.rows()
    assert [r["client_address"] for r in rows] == [f"203.0.113.{i}" for i in range(1, 6)]


def test_nobody_else_is_believed(tmp_path, lighttpd, lpaudit):
    with (
        upstream.running() as behind,
        started(tmp_path, lighttpd, lpaudit, behind, "--forwarder", "127.0.0.2") as front,
    ):
        assert front.status(*READ, WHO, FROM) == 401
        assert front.status(*READ, WHO, "X-Forwarded-For: 127.0.0.2") == 401
        assert front.status(*READ, WHO) == 401
        assert behind.seen == []
        with socket.create_connection(
            ("127.0.0.1", front.port), timeout=10, source_address=("127.0.0.2", 0)
        ) as connection:
            connection.sendall(
                f"GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{WHO}\r\n{FROM}\r\n\r\n".encode()
            )
            assert b" 200 OK" in connection.recv(65536)
        assert len(behind.seen) == 1
        addresses = [(r["client_address"], r["user_name"]) for r in front.rows()]
    assert addresses == [("127.0.0.1", None)] * 3 + [("203.0.113.9", "olu@example.org")]


def test_clients_on_the_forwarders_own_machine_are_served_too(tmp_path, lighttpd, lpaudit):
    with upstream.running() as behind, started(tmp_path, lighttpd, lpaudit, behind) as front:
        assert front.status(*READ, WHO, "X-Forwarded-For: 127.0.0.1") == 200
        assert front.status(*READ, WHO) == 200
