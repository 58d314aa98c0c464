"""What `lpaudit lighttpd-config` prints, in a real lighttpd, with requests that lie."""

import json
import re
import subprocess

import pytest

from tests.rig import REQUESTS, Sent, base_configuration, exchange, free_ports, request, running

pytestmark = pytest.mark.lighttpd

RUN = "86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a"
HEADERS = {
    "User-Agent": "prefect/3.9.1 (API 0.8.4)",
    "Referer": 'http://x/" status=200 user="alice',
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    "X-Request-Id": "7f3a",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "Upgrade": "websocket",
    "X-Prefect-Flow-Run-Id": RUN,
    "X-Prefect-Flow-Run-Name": "wise-otter",
    "X-Prefect-Flow-Id": "e93ba9c4-8ec2-4f5a-880a-f2a289398f50",
    "X-Prefect-Flow-Name": "etl",
    "X-Prefect-Deployment-Id": "df08f525-ed8a-4a74-baee-a3961e71fa61",
    "X-Prefect-Deployment-Name": "pool",
    "X-Prefect-Worker-Id": "5309b867-a37d-40db-8187-41eaac1e6d62",
    "X-Prefect-Worker-Name": 'Büro "1"\\ lpaudit=1 begin=0',
}
COLUMNS = {
    "user_agent_original": "User-Agent",
    "http_request_referrer": "Referer",
    "http_request_x_forwarded_for": "X-Forwarded-For",
    "http_request_id": "X-Request-Id",
    "trace_parent": "traceparent",
    "http_request_upgrade": "Upgrade",
    **{
        f"prefect_{of}_{what}": f"X-Prefect-{of.replace('_', '-').title()}-{what.title()}"
        for of in ("flow_run", "flow", "deployment", "worker")
        for what in ("id", "name")
    },
}
FULL = Sent(
    "full",
    request(b"/api/flow_runs/?limit=5", *(f"{name}: {value}".encode() for name, value in HEADERS.items())),
    "GET",
    "/api/flow_runs/?limit=5",
    404,
    "bob",
    HEADERS["User-Agent"],
    HEADERS["Referer"],
)
SENT = (FULL, *REQUESTS)


@pytest.fixture
def rows(tmp_path, lpaudit, lighttpd):
    """The rows of a log that lighttpd wrote with exactly what was printed, recognised without being told."""
    folder = tmp_path / "lighttpd"
    folder.mkdir()
    (port,) = free_ports(1)
    printed = lpaudit("lighttpd-config", "--file", folder / "access.log")
    assert printed.returncode == 0, printed.stderr
    (folder / "lpaudit.conf").write_text(printed.stdout)
    main = re.sub(r"server\.port = \d+", f"server.port = {port}", base_configuration(folder))
    with running(lighttpd, folder, main + 'include "lpaudit.conf"\n'):
        for sent in SENT:
            exchange(port, sent.raw)
    ran = lpaudit("ingest", "--host", "rig", folder / "access.log")
    assert ran.returncode == 0, ran.stderr
    assert f"{len(SENT)} new lines, format lpaudit" in ran.stdout
    told = lpaudit("ingest", "--dry-run", "--log-format", f"@{folder}/lighttpd.conf", folder / "access.log")
    assert told.returncode == 0, told.stderr
    ran = lpaudit("sql", "--format", "jsonl", "select * from access_event order by byte_offset")
    assert ran.returncode == 0, ran.stderr
    return port, folder, [json.loads(line) for line in ran.stdout.splitlines()]


def test_every_row_says_what_was_sent(rows, lpaudit):
    port, folder, found = rows
    assert len(found) == len(SENT)
    for sent, row in zip(SENT, found, strict=True):
        expected = {
            "reject_reason": None,
            "log_format": "lpaudit",
            "http_request_method": sent.method,
            "url_original": sent.shown or "",
            "http_response_status_code": sent.status,
            "user_name": sent.user,
            "user_agent_original": sent.agent,
            "http_request_referrer": sent.referer,
            "client_address": "127.0.0.1",
            "server_address": "127.0.0.1",
            "server_port": port,
            "connection_request_number": 0,
        }
        assert {name: row[name] for name in expected} == expected, sent.tag
        assert 1024 <= row["client_port"] <= 65535
        assert row["event_start"] <= row["event_end"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", row["event_end"])
        assert row["event_duration_us"] >= 0
        if sent.method:
            assert row["network_protocol"] == "HTTP/1.1"
    assert {name: found[0][name] for name in COLUMNS} == {n: HEADERS[h] for n, h in COLUMNS.items()}
    assert (found[0]["url_path"], found[0]["url_query"]) == ("/api/flow_runs/", "limit=5")
    assert found[0]["url_domain"] == "rig"
    assert all(row[name] is None for row in found[1:] for name in COLUMNS if name.startswith("prefect"))
    # Every request had a connection of its own: address, port and number of the request name it.
    assert len({row["client_port"] for row in found}) == len(found)

    log = (folder / "access.log").read_text("ascii")
    assert "bob-pw" not in log
    assert "Ym9iOmJvYi1wdw" not in log

    ran: subprocess.CompletedProcess[str] = lpaudit("doctor", "--format", "json", folder / "access.log")
    (diagnosis,) = json.loads(ran.stdout)
    assert diagnosis["format"]["name"] == "lpaudit"
    assert diagnosis["matched"] == diagnosis["lines"] == len(SENT)
    # The only complaint is about what a client put into its URL.
    assert {f["code"] for f in diagnosis["findings"]} == {"secret-value"}
