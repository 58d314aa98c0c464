"""Gateways with HTTP Basic and with a forwarder, each with an upstream behind it."""

import base64
import subprocess

import pytest

from tests.gateway import gateway, upstream

USERS = {"alice": "alice-pw", "worker": "worker-pw", "olu": "olu-pw", "reader": "reader-pw"}
ROLES = ("--may-run", "alice,worker", "--may-delete", "alice", "--may-administer", "olu")


def basic(user, password=None):
    """An Authorization header."""
    text = f"{user}:{USERS[user] if password is None else password}"
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture
def started(tmp_path, lighttpd, lpaudit):
    """A gateway with Basic, and the upstream behind it."""
    htpasswd = tmp_path / "htpasswd"
    lines = []
    for user, password in USERS.items():
        made = subprocess.run(
            ["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True
        )
        lines.append(f"{user}:{made.stdout.strip()}\n")
    htpasswd.write_text("".join(lines))
    htpasswd.chmod(0o640)
    with (
        upstream.running() as behind,
        gateway.running(
            lighttpd, lpaudit, tmp_path / "gateway", behind.url, "--htpasswd", htpasswd, *ROLES
        ) as front,
    ):
        yield front, behind
