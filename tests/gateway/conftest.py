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


def hashed(user):
    """A line of a file of passwords."""
    command = ["openssl", "passwd", "-5", "-salt", "salt", USERS[user]]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{user}:{made.stdout.strip()}\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A gateway with Basic, and the upstream behind it."""
    folder = tmp_path_factory.mktemp("basic")
    htpasswd = folder / "htpasswd"
    htpasswd.write_text("".join(map(hashed, USERS)))
    htpasswd.chmod(0o640)
    with (
        upstream.running() as behind,
        gateway.running(folder / "gateway", behind.url, "--htpasswd", htpasswd, *ROLES) as front,
    ):
        yield front, behind


@pytest.fixture
def started(shared, lpaudit, tmp_path):
    """A gateway with Basic, and the upstream behind it, as if nobody had asked them anything yet."""
    front, behind = shared
    behind.seen.clear()
    return front.begin(lpaudit, tmp_path), behind
