"""lighttpd in front of Prefect, with the configuration that `lpaudit lighttpd-config --prefect` prints."""

import base64
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.recording.splitter import Splitter
from tests.recording.upstream import Upstream
from tests.rig import free_ports

USERS = ("alice", "bob", "carol", "worker", "worker-gpu", "serve", "ci", "agent")
"""Each with the password ``<name>-pw``. bob may not create runs, nor delete anything."""
HEADERS = "PREFECT_CLIENT_CUSTOM_HEADERS"


@dataclass(frozen=True)
class Access:
    """Who may come in."""

    options: tuple[object, ...]
    """Of `lpaudit lighttpd-config`."""
    settings: Callable[[str], dict[str, str]]
    """A user → the settings with which Prefect's client is this user."""


@dataclass(frozen=True)
class Gateway:
    """A lighttpd that runs."""

    url: str
    """Of Prefect's API behind it."""
    port: int
    log: Path
    """The access log, in the preset lpaudit."""
    made_by: Path
    """A line for each line of the log: the process that made the request, or ``-``."""
    error_log: Path
    upstream: Upstream
    access: Access

    def as_user(self, user: str) -> dict[str, str]:
        """Return the settings with which Prefect's client is this user, here."""
        return {"PREFECT_API_URL": self.url, **self.access.settings(user)}


def basic(folder: Path) -> Access:
    """Let in USERS, with HTTP Basic; their passwords are in a file in the folder."""
    users = folder / "users"
    users.write_text("".join(f"{user}:{{SHA}}{_hash(user)}\n" for user in USERS))
    trusted = ",".join(user for user in USERS if user != "bob")
    roles = ("--may-run", trusted, "--may-delete", trusted, "--may-administer", trusted)
    return Access(
        ("--htpasswd", users, *roles), lambda user: {"PREFECT_API_AUTH_STRING": f"{user}:{user}-pw"}
    )


@contextlib.contextmanager
def running(lighttpd: str, folder: Path, target: int, access: Access | None = None) -> Iterator[Gateway]:
    """Run lighttpd in front of 127.0.0.1:``target``; at the end its log is whole. By default with Basic."""
    port, upstream_port = free_ports(2)
    log, made_by = folder / "access.log", folder / "made-by"
    access = access or basic(folder)
    (folder / "www").mkdir()
    _configure(folder, port, upstream_port, access)
    with Upstream(upstream_port, target) as upstream, Splitter(folder / "raw.log", log, made_by):
        command = [lighttpd, "-D", "-f", folder / "lighttpd.conf"]
        # Its error log has local times, and says no zone.
        process = subprocess.Popen(command, env={**os.environ, "TZ": "UTC"}, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}/prefect/api"
            yield Gateway(url, port, log, made_by, folder / "error.log", upstream, access)
            process.send_signal(signal.SIGINT)  # graceful: answers, flushes, ends
            process.wait(timeout=30)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _configure(folder: Path, port: int, upstream: int, access: Access) -> None:
    """Write what is printed, but for where this machine's lighttpd has its files, and the truth in the log."""
    script = folder / "gateway.lua"
    options = (
        *("--prefect", f"http://127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{port}"),
        *("--file", folder / "raw.log", "--script", script, *access.options),
    )
    text = _printed(*options)
    if f'"{script}"' in text:
        script.write_text(_printed(*options, "--lua"))
    for old, new in (
        ('server.username = "www-data"\n', ""),
        ('server.groupname = "www-data"\n', ""),
        ("/run/lighttpd.pid", f"{folder}/lighttpd.pid"),
        ("/var/empty", f"{folder}/www"),
        (' line=\\"%r\\""', ' line=\\"%r\\" truth=\\"%{X-Rig-Process}i\\""'),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "lighttpd.conf").write_text(text)


def _printed(*options: object) -> str:
    command = [sys.executable, "-m", "lpaudit", "lighttpd-config", *map(str, options)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return ran.stdout


def _hash(user: str) -> str:
    """Return the hash of a user's password, as htpasswd files have it after {SHA}."""
    return base64.b64encode(hashlib.sha1(f"{user}-pw".encode()).digest()).decode()
