"""What to set, and where, so that each request of a flow run carries the run's id: text to copy from."""

import json
from dataclasses import dataclass
from enum import StrEnum

from lpaudit.plugin_wheel import NAME, wheel
from lpaudit.runheader.header import CUSTOM_HEADERS, HEADER, RUN_ID

ENABLE = "PREFECT_PLUGINS_ENABLED"


class Kind(StrEnum):
    """How flow runs get their processes."""

    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"
    SERVE = "serve"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class _Way:
    """A kind's own part. ``command`` is what its worker runs for a flow run; none: nothing to be wrapped."""

    title: str
    install: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    command: str | None = None
    notes: tuple[str, ...] = ()


_POOL = (
    "# For all runs of the work pool: the default of `env` in its base job template (in the UI: Edit; or",
    "# `prefect work-pool inspect POOL --output json`, and `update POOL --base-job-template FILE`):",
    f'#   "variables": {{"properties": {{"env": {{"default": {json.dumps({ENABLE: "true"})}}}}}}}',
    "# For one deployment: its job variables, which are added to those of the pool.",
    "# In prefect.yaml under `work_pool: job_variables:`, in Python `flow.deploy(job_variables=…)`:",
    json.dumps({"env": {ENABLE: "true"}}),
)
_IMAGE = (
    "# Into the image that runs flows (the worker itself needs nothing):",
    f"COPY {NAME}-*.whl /tmp/",
    f"RUN pip install --no-deps --no-index /tmp/{NAME}-*.whl",
)
_ENVIRONMENT = (f"pip install --no-deps --no-index ./{NAME}-*.whl",)

_WAYS = {
    Kind.PROCESS: _Way(
        "A process work pool",
        ("# Into the environment of the worker, or whichever runs its flows:", *_ENVIRONMENT),
        (
            "# For all runs of a worker: in its own environment, which its runs inherit.",
            f"export {ENABLE}=true",
            *_POOL,
        ),
        "python -m prefect.engine",
    ),
    Kind.DOCKER: _Way("A Docker work pool", _IMAGE, _POOL, "prefect flow-run execute"),
    Kind.KUBERNETES: _Way("A Kubernetes work pool", _IMAGE, _POOL, "prefect flow-run execute"),
    Kind.SERVE: _Way(
        "`flow.serve()` and `serve()`",
        ("# Into the environment of the program that serves:", *_ENVIRONMENT),
        (
            "# In the environment of that program: each run is a process of its own, and inherits it.",
            f"export {ENABLE}=true",
        ),
        notes=(
            "# There is no command to be wrapped: before Prefect 3.7 there is no header.",
            "# What the serving program itself does (looking for runs, cancelling one) carries none, either.",
        ),
    ),
    Kind.SCRIPT: _Way(
        "A script that calls its flow (`python flow.py`)",
        ("# Into the environment of the script:", *_ENVIRONMENT),
        ("# In the environment of the script:", f"export {ENABLE}=true"),
        notes=(
            "# The server chooses the run's id when the script asks for a run. So the requests before that",
            "# carry none, nor do logs and events, which the script sends for all of its runs together.",
            "# Where each request must say it, have the script serve its flow, or deploy it.",
            "# Before Prefect 3.7 there is no header.",
        ),
    ),
}


def instructions(kind: Kind) -> str:
    """Return what to do for one kind: comments, and lines to be copied."""
    way = _WAYS[kind]
    lines = [f"# The flow run's id as {HEADER} in each of its requests:", f"# {way.title}."]
    if way.install:
        lines += ["", "# 1. Install the plugin, without lpaudit and what it needs:"]
        lines += ["lpaudit prefect-config --wheel .", *way.install]
        lines += ["", "# 2. Enable plugins (Prefect 3.7 or newer) for the processes of runs.", *way.enable]
    if way.command:
        wrapped = json.dumps({"command": f"python -m {NAME} -- {way.command}"})
        lines += ["", "#    Or, instead of 2, wrap the command of runs, as a job variable (any Prefect 3"]
        lines += [f"#    that has {CUSTOM_HEADERS}):", wrapped]
    if way.notes:
        lines += ["", *way.notes]
    return "\n".join(lines) + "\n"


def common() -> str:
    """Return what is true of all kinds."""
    name, _ = wheel()
    return f"""\
# Headers that are set stay: the plugin adds its own to what Prefect has read from {CUSTOM_HEADERS},
# a profile or prefect.toml. The wrapper sees the environment only, and its variable hides the other two.
# A subflow is part of its parent's process, so its requests carry the id of the parent's run;
# in a script they carry the subflow's own.
# Whatever goes wrong (say {RUN_ID} is no UUID), the run goes on without the header, and its log says so.
#
# lighttpd logs the header in the format of `lpaudit lighttpd-config`:
# column prefect_flow_run_id of access_event.
# A header is what a client claims; user and address, on the same line, are what lighttpd saw.
# The plugin is {name}.
"""
