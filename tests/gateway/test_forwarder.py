"""A forwarder in front that says who it is: believed from its own address, and from no other."""

import socket

import pytest

from tests.gateway import gateway, upstream
from tests.oidc.packages import needs_lua

pytestmark = [pytest.mark.lighttpd, needs_lua]

READ = ("GET", "/prefect/api/flows/x")
WHO = "X-Forwarded-Email: olu@example.org"
FROM = "X-Forwarded-For: 203.0.113.9"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A gateway that believes 127.0.0.1, and the upstream behind it."""
    folder = tmp_path_factory.mktemp("forwarder")
    options = ("--auth", "forwarder", "--may-run", "runners", "--may-delete", "ops")
    with (
        upstream.running() as behind,
        gateway.running(folder / "gateway", behind.url, *options) as front,
    ):
        yield front, behind


@pytest.fixture
def started(shared, lpaudit, tmp_path):
    """The same, as if nobody had asked them anything yet."""
    front, behind = shared
    behind.seen.clear()
    return front.begin(lpaudit, tmp_path), behind


def test_the_forwarders_word_is_taken_and_logged(started):
    front, behind = started
    assert front.status(*READ, WHO, FROM) == 200
    assert front.status("DELETE", "/api/flow_runs/x", WHO, FROM, "X-Forwarded-Groups: staff, ops") == 200
    assert front.status("DELETE", "/api/flow_runs/x", WHO, FROM, "X-Forwarded-Groups: staff") == 403
    assert front.status(*READ, FROM) == 401
    assert front.status(*READ, FROM, WHO, "X-Forwarded-Email: root@example.org") == 401
    assert front.status(*READ, FROM, "X-Forwarded-Email: -") == 401
    assert front.status(*READ, FROM, "X-Auth-Request-Email: olu@example.org") == 401
    assert front.status(*READ, FROM, "X_Forwarded_Email: olu@example.org") == 401
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
        (None, away, "no-identity"),
    ]
    assert rows[1]["fields"]["%{AUTH_GROUPS}e"] == "staff,ops"


def test_many_requests_on_one_connection_keep_their_address(started):
    front, _ = started
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
    assert [r["client_address"] for r in front.rows()] == [f"203.0.113.{i}" for i in range(1, 6)]


PRETENDING = (
    (),
    (FROM,),
    ("X-Forwarded-For: 127.0.0.1",),
    ("X-Forwarded-For: 127.0.0.2",),
    ("X-Forwarded-For: 127.0.0.1, 127.0.0.1",),
    ("Forwarded: for=127.0.0.1;by=127.0.0.1",),
    ("X-Real-IP: 127.0.0.1",),
)


def test_nobody_else_is_believed(started):
    """Not the neighbour at 127.0.0.2, whatever it says, and on no path that the configuration knows."""
    front, behind = started
    for headers in PRETENDING:
        for target in (
            "/prefect/api/flows/x",
            "/api/flows/x",
            "/not-the-forwarder",
            "//x/../not-the-forwarder",
        ):
            lines = "\r\n".join(
                [f"GET {target} HTTP/1.1", "Host: x", "Connection: close", WHO, *headers, "", ""]
            )
            with socket.create_connection(
                ("127.0.0.1", front.port), timeout=10, source_address=("127.0.0.2", 0)
            ) as connection:
                connection.sendall(lines.encode())
                assert b" 401 " in connection.recv(65536), (headers, target)
    assert behind.seen == []
    rows = front.rows()
    assert {(r["client_address"], r["user_name"]) for r in rows} == {("127.0.0.2", None)}
    assert {r["fields"]["%{AUTH_FAIL}e"] for r in rows} == {"not-the-forwarder"}
    assert rows[0]["url_original"] == "/prefect/api/flows/x"  # what was asked for stays in the log


def test_strangers_are_told_by_the_configuration_alone_too(lpaudit, tmp_path):
    """Since 1.4.70 the script has nothing to look at a second time: mod_extforward keeps the forwarder's address nowhere."""

    def blind(text):
        assert text.count("if peer and peer ~= FORWARDER") == 1
        return text.replace("if peer and peer ~= FORWARDER", "if false")

    with (
        upstream.running() as behind,
        gateway.running(tmp_path / "gateway", behind.url, "--auth", "forwarder", changed=blind) as front,
    ):
        test_nobody_else_is_believed((front.begin(lpaudit, tmp_path), behind))
        assert front.status(*READ, WHO, FROM) == 200
        assert len(behind.seen) == 1


def test_clients_on_the_forwarders_own_machine_are_served_too(started):
    front, _ = started
    assert front.status(*READ, WHO, "X-Forwarded-For: 127.0.0.1") == 200
    assert front.status(*READ, WHO) == 200
