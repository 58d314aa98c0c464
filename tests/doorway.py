"""`lpaudit` for shells, without the half second that Python and its libraries take to load.

A process that has loaded them listens at a socket and forks for every command. What is called ``lpaudit``
hands it its arguments, directory, environment and files, and waits for the exit status.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.nursery import LOADED

SERVER = """\
import json, signal, socket, tempfile, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen(64)
while True:
    visitor, _ = door.accept()
    if os.fork():
        visitor.close()
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    door.close()
    told, files, _, _ = socket.recv_fds(visitor, 1 << 20, 3)
    size, told = int.from_bytes(told[:4], "big"), told[4:]
    while len(told) < size:
        told += visitor.recv(1 << 20)
    asked = json.loads(told)
    pid = os.fork()
    if pid:
        for number in files:
            os.close(number)
        visitor.sendall(b"%d\\n" % pid)
        visitor.sendall(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    visitor.close()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    tempfile.tempdir = None
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", 1, encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = ["lpaudit", *asked["arguments"]]
    run()
"""

VISITOR = """\
#!{python} -ISE
import json, os, signal, socket, sys
asked = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
told = json.dumps(asked).encode("utf-8", "surrogateescape")
door = socket.socket(socket.AF_UNIX)
door.connect({door!r})
socket.send_fds(door, [len(told).to_bytes(4, "big")], [0, 1, 2])
door.sendall(told)
answer = door.makefile("rb")
child = int(answer.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(child, number))
status = int(answer.read())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


class Doorway:
    """A directory for PATH in which `lpaudit` is quick."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.path.mkdir()
        door = folder / "door"
        visitor = self.path / "lpaudit"
        visitor.write_text(VISITOR.format(python=sys.executable, door=str(door)))
        visitor.chmod(0o755)
        self._process = subprocess.Popen([sys.executable, "-c", LOADED + SERVER, str(door)], cwd="/")
        until = time.monotonic() + 60
        while not door.exists() and self._process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert door.exists()

    def environment(self) -> dict[str, str]:
        """Return this process's environment, with the directory in PATH before all others."""
        others = [str(self.path), str(Path(sys.executable).parent), os.environ["PATH"]]
        return {**os.environ, "PATH": os.pathsep.join(others)}

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
