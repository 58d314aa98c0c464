"""Loaded by each Python process of a recording: it says which one it is, in all its requests and in a file.

A process is ``<pid>-<its start in clock ticks>``: exec changes neither, so it also stays one
when a worker's child becomes the flow run's engine.
"""

import json
import os
import sys
from pathlib import Path

HEADERS = "PREFECT_CLIENT_CUSTOM_HEADERS"


def process(pid):
    """Return a process's name and its parent's pid."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return f"{pid}-{fields[19]}", int(fields[1])


def note(file, **said):
    """Append a line to a file of the truth. One write: many processes do it."""
    line = (json.dumps(said) + "\n").encode()
    handle = os.open(Path(os.environ["RIG_TRUTH"], file), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, line)
    os.close(handle)


if "RIG_TRUTH" in os.environ:
    NAME, _parent = process(os.getpid())
    try:
        _headers = json.loads(os.environ.get(HEADERS) or "{}")
        os.environ[HEADERS] = json.dumps({**_headers, "X-Rig-Process": NAME})
    except ValueError:
        pass  # somebody tests what a broken variable does
    note(
        "processes.jsonl",
        process=NAME,
        parent=process(_parent)[0],
        role=os.environ.get("RIG_ROLE"),
        run=os.environ.get("PREFECT__FLOW_RUN_ID"),
        command=sys.orig_argv,
    )
