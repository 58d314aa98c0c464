"""lighttpd as teams run it in front of Prefect: Basic auth by user, websockets, the recommended log."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lpaudit.logformat import PRESETS
from tests.recording.splitter import Splitter
from tests.recording.upstream import Upstream
from tests.rig import free_ports

USERS = ("alice", "bob", "carol", "worker", "worker-gpu", "serve", "ci", "agent")
"""Each with the password ``<name>-pw``. bob may not create runs, nor delete anything."""
HEADERS = "PREFECT_CLIENT_CUSTOM_HEADERS"

_CONFIGURATION = """\
server.modules = ("mod_auth", "mod_authn_file", "mod_proxy", "mod_accesslog")
server.document-root = "{folder}/www"
server.errorlog = "{folder}/error.log"
server.bind = "127.0.0.1"
server.port = {port}
server.stream-request-body = 1
server.stream-response-body = 1
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("" => ("method" => "basic", "realm" => "prefect", "require" => "valid-user"))
$HTTP["request-method"] == "POST" {{
  $HTTP["url"] =~ "^/api/deployments/[^/]+/create_flow_run$" {{
    auth.require = ("" => ("method" => "basic", "realm" => "prefect", "require" => "{creators}"))
  }}
}}
$HTTP["request-method"] == "DELETE" {{
  auth.require = ("" => ("method" => "basic", "realm" => "prefect", "require" => "{creators}"))
}}
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {upstream})))
proxy.header = ("upgrade" => "enable")
accesslog.filename = "{folder}/raw.log"
accesslog.format = "{format}"
"""


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


@contextlib.contextmanager
def running(lighttpd: str, folder: Path, target: int) -> Iterator[Gateway]:
    """Run lighttpd in front of 127.0.0.1:``target``; at the end its log is whole."""
    port, upstream_port = free_ports(2)
    log, made_by = folder / "access.log", folder / "made-by"
    format_string = PRESETS["lpaudit"].format_string + ' truth="%{X-Rig-Process}i"'
    (folder / "www").mkdir()
    (folder / "users").write_text("".join(f"{user}:{user}-pw\n" for user in USERS))
    (folder / "lighttpd.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            upstream=upstream_port,
            creators="|".join(f"user={user}" for user in USERS if user != "bob"),
            format=format_string.replace('"', '\\"'),
        )
    )
    with Upstream(upstream_port, target) as upstream, Splitter(folder / "raw.log", log, made_by):
        command = [lighttpd, "-D", "-f", folder / "lighttpd.conf"]
        # Its error log has local times, and says no zone.
        process = subprocess.Popen(command, env={**os.environ, "TZ": "UTC"}, start_new_session=True)
        try:
            yield Gateway(f"http://127.0.0.1:{port}/api", port, log, made_by, folder / "error.log", upstream)
            process.send_signal(signal.SIGINT)  # graceful: answers, flushes, ends
            process.wait(timeout=30)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def as_user(user: str, gateway: Gateway) -> dict[str, str]:
    """Return the settings with which Prefect's client is this user."""
    return {"PREFECT_API_URL": gateway.url, "PREFECT_API_AUTH_STRING": f"{user}:{user}-pw"}
