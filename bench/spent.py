"""Runs a command, and says what it took: of all its processes together."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.process import memory

TICK = 0.02


@dataclass(frozen=True, slots=True)
class Spent:
    """Wall seconds, processor seconds (user and system), MiB at the peak, and what was printed."""

    seconds: float
    cpu: float
    memory: float
    printed: str


def run(command: Sequence[str], folder: Path, **variables: str) -> Spent:
    """Run a command to its end. Raises ChildProcessError if it fails.

    ``folder`` is where lpaudit keeps its state, ``variables`` are for the environment. What earlier commands wrote is on the disk
    before this one begins.
    """
    os.sync()
    environ = _environment() | {"XDG_STATE_HOME": str(folder / "state")} | variables
    began = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ
    ) as process:
        peaks = [0.0]
        watcher = threading.Thread(target=_watch, args=(process, peaks))
        watcher.start()
        assert process.stdout is not None
        printed = process.stdout.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
    if process.returncode:
        raise ChildProcessError(f"{' '.join(command)}\n{printed}")
    cpu = usage.ru_utime + usage.ru_stime
    return Spent(seconds, cpu, max(usage.ru_maxrss / 1024, *peaks), printed)


def _environment() -> dict[str, str]:
    """Return the environment of what is measured: modules stay compiled, as those of installed programs are."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def first_output(command: Sequence[str]) -> float:
    """Return how many seconds pass until a command prints something."""
    began = time.monotonic()
    environ = _environment()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        seconds = time.monotonic() - began
        process.stdout.read()
    return seconds


def _watch(process: subprocess.Popen[bytes], peaks: list[float]) -> None:
    """Note how much memory the process and its descendants have, until it ends."""
    while process.returncode is None:
        total = 0.0
        for one in _tree(process.pid):
            with suppress(OSError, StopIteration):  # it has just ended
                total += memory(one, "VmRSS")
        peaks.append(total)
        time.sleep(TICK)


def _tree(process: int) -> Iterator[int]:
    yield process
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text("ascii").split():
                yield from _tree(int(child))
