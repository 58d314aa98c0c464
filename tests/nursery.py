"""The command line without the half second that Python and its libraries take to load, thousands of times.

One process has loaded them and forks for every command: a process of its own, with its own
arguments, directory, environment and files, that runs the program's ``main``. What it costs when
each command loads only its own part is what those tests see that start a process.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

LOADED = """\
import atexit, importlib, os, pkgutil, sys, threading
import lpaudit, lpaudit.__main__, lpaudit.routes, lpaudit.schema, typer._adapters
for module in pkgutil.walk_packages(lpaudit.__path__, "lpaudit."):
    if module.name not in ("lpaudit.flows", "lpaudit.core.libcore") and ".runheader." not in module.name:
        importlib.import_module(module.name)
lpaudit.schema.tables()
lpaudit.routes.catalogue()

def run():
    try:
        lpaudit.__main__.main()
    except SystemExit as ended:
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.closed or stream.flush()
        os._exit(ended.code)
"""
"""Loads what any command may need but Prefect, and what is read from the package's own files; then it may fork.

``run()`` is what a child does: the program's ``main``, and in the end what the interpreter does then. Only that it
does not take apart all that was loaded, which takes longer than most commands.
"""

SERVER = """\
import json, tempfile, time
for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if not pid:
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        time.tzset()
        tempfile.tempdir = None
        for number, (path, flags) in enumerate(asked["files"]):
            opened = os.open(path, flags)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin = open(0, encoding=asked["encoding"], closefd=False)
        sys.stdout = open(1, "w", encoding=asked["encoding"], closefd=False)
        sys.stderr = open(2, "w", encoding=asked["encoding"], errors="backslashreplace", closefd=False)
        sys.argv = ["lpaudit", *asked["arguments"]]
        run()
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Nursery:
    """Runs commands one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOADED + SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            cwd="/",
        )

    def run(
        self,
        arguments: Iterable[str],
        cwd: Path,
        env: Mapping[str, str],
        given: bytes | None,
        timeout: float,
    ) -> tuple[int, bytes, bytes]:
        """Run a command; return its exit status and what it wrote. Raises TimeoutExpired."""
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, name) for name in ("in", "out", "err")]
            for path, content in zip(paths, (given or b"", b"", b""), strict=True):
                path.write_bytes(content)
            asked = {
                "arguments": list(arguments),
                "cwd": str(cwd),
                "env": dict(env),
                "encoding": "utf-8",
                "files": [
                    (os.devnull if given is None else str(paths[0]), os.O_RDONLY),
                    *((str(path), os.O_WRONLY) for path in paths[1:]),
                ],
            }
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            child = int(self._process.stdout.readline())
            previous = signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, timeout)
            try:
                status = int(self._process.stdout.readline())
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, previous)
            return status, paths[1].read_bytes(), paths[2].read_bytes()

    def close(self) -> None:
        """End it."""
        self._process.communicate()
