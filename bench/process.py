"""What a process costs, as the kernel counts it."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds of a process, and of the children that it has started."""

    own: float
    children: float

    def since(self, before: "Used") -> "Used":
        """Return what was used since ``before``."""
        return Used(self.own - before.own, self.children - before.children)


def used(process: int) -> Used:
    """Return what a process has used so far, with children that run and those that have ended."""
    _, own, ended = _stat(process)
    running = 0.0
    for other in Path("/proc").iterdir():
        if other.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                parent, itself, its_children = _stat(int(other.name))
                running += itself + its_children if parent == process else 0
    return Used(own, ended + running)


def _stat(process: int) -> tuple[int, float, float]:
    """Return a process's parent, its own seconds, and those of the children that it has waited for."""
    text = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
    fields = text.rpartition(")")[2].split()
    user, system, ended_user, ended_system = map(int, fields[11:15])
    return int(fields[1]), (user + system) / _TICKS, (ended_user + ended_system) / _TICKS


def memory(process: int, which: str = "VmHWM") -> float:
    """Return a process's peak memory in MiB; with ``VmRSS`` what it has now."""
    lines = Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which + ":")) / 1024
