"""A lighttpd that writes an access log, and wrk, which has it write as fast as it can."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CONNECTIONS = 32

# Debian's lighttpd is in /usr/sbin, which is not in everybody's PATH.
LIGHTTPD = shutil.which("lighttpd") or shutil.which("lighttpd", path="/usr/sbin")
WRK = shutil.which("wrk")


def configuration(log: Path, log_format: str) -> str:
    """Return what has lighttpd write the log: nothing but its name, or what lpaudit recommends."""
    if log_format == "default":
        return f'server.modules += ( "mod_accesslog" )\naccesslog.filename = "{log}"\n'
    command = [sys.executable, "-m", "lpaudit", "lighttpd-config", "--file", str(log)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def running(folder: Path, log: Path, log_format: str) -> Iterator[str]:
    """Run lighttpd; yield its URL. At the end it has answered everything and flushed its log."""
    assert LIGHTTPD is not None
    port = _free_port()
    (folder / "www").mkdir()
    (folder / "www" / "index.txt").write_text("hello\n")
    (folder / "lighttpd.conf").write_text(
        f'server.document-root = "{folder / "www"}"\n'
        f'server.errorlog = "{folder / "error.log"}"\n'
        f'server.bind = "127.0.0.1"\nserver.port = {port}\n' + configuration(log, log_format)
    )
    process = subprocess.Popen([LIGHTTPD, "-D", "-f", str(folder / "lighttpd.conf")])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/index.txt"
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()


def request(url: str, seconds: int) -> int:
    """Have wrk ask for ``url`` as often as it can; return how many answers it has counted."""
    assert WRK is not None
    command = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in", told)
    assert found, told
    return int(found[1])


def version() -> str:
    """Return what lighttpd calls itself."""
    if LIGHTTPD is None:
        return "none"
    told = subprocess.run([LIGHTTPD, "-v"], check=True, capture_output=True, text=True).stdout
    return told.split(" ")[0]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError("lighttpd does not answer")
