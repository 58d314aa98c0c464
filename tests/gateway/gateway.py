"""A real lighttpd with exactly what `lpaudit lighttpd-config --prefect` prints, but for paths of a machine."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import find_lighttpd
from tests.rig import exchange, free_ports

SAID = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass
class Gateway:
    """A gateway that runs: its port, its folder, and what it writes.

    Tests share it: each sees what has been logged since it began.
    """

    folder: Path
    port: int
    process: subprocess.Popen
    begun: tuple[int, int] = (0, 0)
    """Lengths of its access log and its error log when the test began."""

    def begin(self, lpaudit, tmp_path):
        """Begin a test, which has a store of its own."""
        self.lpaudit, self.place = lpaudit, tmp_path
        self.begun = len(self._flushed()), len(self._read("error.log"))
        return self

    def ask(self, method, target, *headers, body=b""):
        """Send one request; return the status and the whole answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: gateway", "Connection: close", *headers]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        answer = self.send("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body)
        match = SAID.match(answer)
        return (int(match[1]) if match else 0), answer

    def status(self, method, target, *headers, body=b""):
        return self.ask(method, target, *headers, body=body)[0]

    def statuses(self, requests):
        """Ask many at once, in any order: lighttpd takes its time to answer with 401."""
        with ThreadPoolExecutor(24) as pool:
            return list(pool.map(lambda request: self.status(*request), requests))

    def send(self, raw):
        """Send bytes; what else lighttpd says before it closes is the answer."""
        return exchange(self.port, raw)

    def stop(self):
        """End lighttpd in order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)

    def lines(self):
        """What has been logged."""
        return self._flushed()[self.begun[0] :].decode().splitlines()

    def rows(self):
        """The rows of what has been logged, its format recognised without being told."""
        log = self.place / "seen.log"
        log.write_bytes(self._flushed()[self.begun[0] :])
        ran = self.lpaudit("ingest", "--host", "gw", log)
        assert ran.returncode == 0, ran.stderr
        self.said = ran.stdout
        ran = self.lpaudit("sql", "--format", "jsonl", "select * from access_event order by byte_offset")
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    @property
    def errors(self):
        return self._read("error.log")[self.begun[1] :].decode("utf-8", "backslashreplace")

    def _read(self, name):
        path = self.folder / name
        return path.read_bytes() if path.exists() else b""

    def _flushed(self):
        """The access log, when lighttpd has written all that it has: SIGHUP makes it."""
        cycled = self._read("error.log").count(b"logfiles cycled")
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while self._read("error.log").count(b"logfiles cycled") == cycled:
            assert time.monotonic() < deadline, "lighttpd does not write its log"
            time.sleep(0.01)
        return self._read("access.log")


@contextlib.contextmanager
def running(folder, upstream, *options, port=None, changed=lambda lua: lua):
    """Print a configuration, check it as its comments say, start it, and wait until it answers."""
    folder.mkdir(exist_ok=True)
    port = port or free_ports(1)[0]
    common = ["lighttpd-config", "--prefect", upstream, "--file", folder / "access.log", *options]
    if "--listen" not in options:
        common += ["--listen", f"127.0.0.1:{port}"]
    script = folder / "gateway.lua"
    text = elsewhere(printed(*common, "--script", script), folder)
    (folder / "lighttpd.conf").write_text(text)
    if "magnet" in text:
        script.write_text(changed(printed(*common, "--lua")))
    lighttpd = find_lighttpd()
    assert lighttpd, "there is no lighttpd: sudo apt-get install lighttpd"
    checked = subprocess.run(
        [lighttpd, "-tt", "-f", folder / "lighttpd.conf"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
    process = subprocess.Popen([lighttpd, "-D", "-f", folder / "lighttpd.conf"])
    gateway = Gateway(folder, port, process)
    try:
        _wait(port, process)
        yield gateway
        gateway.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def printed(*options):
    """What the command line prints."""
    command = [sys.executable, "-m", "lpaudit", *map(str, options)]
    home = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **home})
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def elsewhere(text, folder):
    """Have lighttpd run as whoever runs the tests, and keep its process id in the folder."""
    text = re.sub(r"(?m)^server\.(username|groupname) = .*\n", "", text)
    return text.replace('"/run/lighttpd.pid"', f'"{folder}/lighttpd.pid"')


def _wait(port, process):
    deadline = time.monotonic() + 15
    while True:
        assert process.poll() is None, "lighttpd has ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "lighttpd does not answer"
            time.sleep(0.02)
        else:
            return
