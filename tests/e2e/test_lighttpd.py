"""A real lighttpd, hostile requests, and the client's own list of what it sent."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lpaudit.logformat import PRESETS
from tests.conftest import find_lighttpd
from tests.rig import REQUESTS, base_configuration, exchange, free_ports, running
from tests.stores import stored_bytes

pytestmark = pytest.mark.lighttpd

FORMATS = ("default", "combined", "audit", "auditjson")


def configuration(folder: Path, ports: dict[str, int]) -> str:
    """Write a lighttpd configuration: one socket a format."""
    lines = [
        base_configuration(folder),
        'server.modules += ("mod_accesslog")',
        f'accesslog.filename = "{folder / "main.log"}"',
    ]
    for name, port in ports.items():
        preset = PRESETS[name]
        quoted = preset.format_string.replace('"', '\\"')
        lines += [
            f'$SERVER["socket"] == "127.0.0.1:{port}" {{',
            f'  accesslog.filename = "{folder / name}.log"',
            f'  accesslog.format = "{quoted}"',
            f'  accesslog.escaping = "{preset.escaping}"',
            "}",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Send every request to every format; the logs, when lighttpd has flushed them."""
    lighttpd = find_lighttpd()
    assert lighttpd, "lighttpd is not installed: apt-get install lighttpd"
    folder = tmp_path_factory.mktemp("lighttpd")
    ports = dict(zip(FORMATS, free_ports(len(FORMATS)), strict=True))
    with running(lighttpd, folder, configuration(folder, ports)):
        for port in ports.values():
            for sent in REQUESTS:
                exchange(port, sent.raw)
    return {name: folder / f"{name}.log" for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_rows_say_what_the_client_sent(
    name: str, logs: dict[str, Path], tmp_path: Path, lpaudit: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Each row against the client's list: nothing of lpaudit's reading decides what is right."""
    log = logs[name]
    ran = lpaudit("ingest", "--log-format", name, "--host", "rig", "--store", "store", str(log))
    assert ran.returncode == 0, ran.stderr
    assert stored_bytes(tmp_path / "store") == {str(log): log.read_bytes()}
    columns = 'method, url_original, path, query, status, "user", user_agent, referer, client, protocol, host'
    ran = lpaudit(
        "sql", "--store", "store", "--format", "jsonl", f"select {columns} from access order by byte_offset"
    )
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(rows) == len(REQUESTS)
    # A line is written when its request ends, and requests were sent one after another.
    for sent, row in zip(REQUESTS, rows, strict=True):
        expected = {
            "method": sent.method,
            "url_original": sent.target or "",
            "status": sent.status,
            "user": sent.user,
            "user_agent": sent.agent,
            "referer": sent.referer,
            "client": "127.0.0.1",
            "host": "rig",
        }
        assert {key: row[key] for key in expected} == expected, sent.tag
        if sent.method:
            assert row["protocol"] == "HTTP/1.1", sent.tag


def test_no_line_is_rejected(
    logs: dict[str, Path], lpaudit: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Formats are recognised without being told, and every hostile line is read."""
    ran = lpaudit("ingest", "--store", "store", *map(str, logs.values()))
    assert ran.returncode == 0, ran.stderr
    ran = lpaudit("sql", "--store", "store", "--format", "csv", "select count(*) n from quarantine")
    assert ran.stdout.split() == ["n", "0"]
