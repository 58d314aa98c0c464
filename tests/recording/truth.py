"""Which process was part of which run, from what processes and flows wrote themselves."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Truth:
    """What was noted."""

    processes: dict[str, dict[str, Any]]
    """A process → its first note: parent, role, run (as its environment said), command."""
    runs: list[dict[str, Any]]
    """What flows noted from inside: flow, run, root, process."""

    def root_of(self, process: str) -> str | None:
        """Return the run that a process is part of: because a flow ran in it, or in one that started it.

        A process that ran several flows, one after the other, is part of the first. Where no flow
        got so far (it was cancelled before), it is the run that the process was started for.
        """
        by_process = {note["process"]: note["root"] for note in reversed(self.runs)}
        started_for = self.processes.get(process, {}).get("run")
        while process in self.processes:
            if process in by_process:
                return by_process[process]
            process = self.processes[process]["parent"]
        return started_for


def read(folder: Path) -> Truth:
    """Read what was noted in a folder."""
    processes: dict[str, dict[str, Any]] = {}
    for note in _notes(folder / "processes.jsonl"):
        processes.setdefault(note["process"], {}).update(
            {key: value for key, value in note.items() if value is not None}
        )
    return Truth(processes, _notes(folder / "runs.jsonl"))


def _notes(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
