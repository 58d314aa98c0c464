"""A real Prefect server for tests: from an environment of its own, with an empty database and a port of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rig import free_ports

# Read when tests are collected: each test then runs without LPAUDIT_* in its environment.
PYTHON = Path(
    os.environ.get("LPAUDIT_PREFECT_PYTHON")
    or Path(__file__).resolve().parent.parent / ".venv-prefect" / "bin" / "python"
)
STARTS_WITHIN = 120  # seconds; about 7 on two idle processors, 20 without an empty database
_PASSED_ON = ("LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


@dataclass(frozen=True)
class PrefectServer:
    """A server that runs, and what others need to talk to it."""

    url: str
    """Of its API: ``http://127.0.0.1:<port>/api``."""
    python: Path
    """An interpreter that can ``import prefect``."""
    env: Mapping[str, str]
    """A whole environment for a process of Prefect's, with PREFECT_API_URL and a PREFECT_HOME."""
    port: int


def find() -> Path | None:
    """Return the interpreter that has Prefect, or None."""
    return PYTHON if PYTHON.with_name("prefect").exists() else None


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Return a whole environment for a process of Prefect's: it calls nobody, and finds nothing of the developer's."""
    home.mkdir(exist_ok=True)
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PATH": os.pathsep.join([str(PYTHON.parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # of the flows of tests; Prefect itself is compiled
        **settings,
    }


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[PrefectServer]:
    """Run a server in an empty folder, with Prefect's settings (``PREFECT_…="…"``), until the end of the block."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/api"
    around = environment(folder / "server", PREFECT_SERVER_UI_ENABLED="false", **settings)
    empty = PYTHON.parent.parent / "empty" / "prefect.db"
    if empty.exists():
        shutil.copy(empty, folder / "server" / "prefect.db")
    command = [PYTHON.with_name("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with started(command, around, folder / "server.out") as process:
        _wait_until_healthy(url, process, folder / "server.out")
        yield PrefectServer(url, PYTHON, environment(folder / "client", PREFECT_API_URL=url), port)
        assert process.poll() is None, f"Prefect's server ended by itself, with {process.returncode}"


@contextlib.contextmanager
def started(
    command: list[str | Path], env: Mapping[str, str], output: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and at the end stop it with everything that it started. What it says goes to ``output``."""
    with output.open("wb") as written:
        process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd or output.parent,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the group of a process to end, and make it."""
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
    assert process.poll() is not None, "it survives SIGKILL"


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
            return
        said = output.read_text("utf-8", "replace")[-2000:]
        assert process.poll() is None, f"Prefect's server ended with {process.returncode}:\n{said}"
        assert time.monotonic() < deadline, f"Prefect's server is not healthy in {STARTS_WITHIN} s:\n{said}"
        time.sleep(0.1)
