"""A recording from beginning to end: a server, a gateway, `lpaudit ingest --follow` beside them, and the truth."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lpaudit.plugin_wheel import write_wheel
from tests import realprefect
from tests.follower import stored_lines
from tests.realprefect import PYTHON
from tests.recording import gateway, truth
from tests.recording.api import Api
from tests.recording.client import Clients
from tests.recording.dump import dump
from tests.recording.scenario import Played, play
from tests.recording.upstream import wait_for

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Recording:
    """What was recorded; nothing of it runs any more."""

    store: Path
    """What the follower made of the logs, with Prefect's records from its API, correlated."""
    log: Path
    error_log: Path
    made_by: tuple[str | None, ...]
    """For each line of the log, the process that made the request; None: no Python process of the rig."""
    origin: tuple[str | None, ...]
    """For each line of the log, the (root) flow run that it was made inside of."""
    prefect: Path
    """Prefect's records: a directory for `lpaudit sync --from-dump`."""
    truth: dict[str, Any]
    """``deeds``: user, did, status, run, now. ``requests`` of the rig itself: user, method, path, status.
    ``runs``: run → deployment. ``bypassed``: a run that was created around the gateway. ``inside``: what flows noted. ``processes`` → role, parent, run, command, root."""


def record(lighttpd: str, folder: Path, *, header: bool, rounds: int = 1) -> Recording:
    """Record in an empty folder; ``header``: runs of some deployments have the plugin."""
    store = folder / "store"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(realprefect.running(folder))
        direct = Api(server.url)
        with gateway.running(lighttpd, folder, server.port) as front:
            follower = stack.enter_context(_following(folder, store, front.log, front.error_log))
            api = Api(front.url)
            installed = packages(folder) if header else None
            played = play(Clients(front, folder, {}, installed), api, direct, header=header, rounds=rounds)
        count = front.log.read_bytes().count(b"\n")
        wait_for(lambda: stored_lines(store) == count, 60, f"{count} lines in the store")
        _finish(follower)
        _lpaudit(folder, "sync", "--url", server.url, "--store", store)
        dump(direct, folder / "prefect")
    _lpaudit(folder, "correlate", "--store", store)
    notes = truth.read(folder / "truth")
    made_by = tuple(name if name != "-" else None for name in front.made_by.read_text().splitlines())
    found = Recording(
        store=store,
        log=front.log,
        error_log=front.error_log,
        made_by=made_by,
        origin=tuple(name and notes.root_of(name) for name in made_by),
        prefect=folder / "prefect",
        truth=_truth(played, api, notes),
    )
    (folder / "truth.json").write_text(json.dumps(found.truth, indent=1))
    return found


def _truth(played: Played, api: Api, notes: truth.Truth) -> dict[str, Any]:
    return {
        "deeds": [asdict(deed) for deed in played.deeds],
        "requests": [asdict(request) for request in api.sent],
        "runs": played.runs,
        "bypassed": played.bypassed,
        "inside": notes.runs,
        "processes": {name: {**note, "root": notes.root_of(name)} for name, note in notes.processes.items()},
    }


def packages(folder: Path) -> Path:
    """Install the plugin as users do; return where it is."""
    (folder / "packages").mkdir()
    install = ("install", "--quiet", "--no-deps", "--no-index", "--target", folder / "packages")
    subprocess.run([PYTHON, "-m", "pip", *install, write_wheel(folder)], check=True, stdin=subprocess.DEVNULL)
    return folder / "packages"


@contextlib.contextmanager
def _following(folder: Path, store: Path, *logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Follow logs while they are written."""
    options = ("--flush-interval", "0.5", "--timezone", "UTC", "--store", store)
    command = [sys.executable, "-m", "lpaudit", "ingest", "--follow", *options, *logs]
    with realprefect.started(command, _environment(folder), folder / "follower.out") as process:
        wait_for(lambda: "event=following" in (folder / "follower.out").read_text(), 60, "a follower")
        yield process


def _finish(follower: subprocess.Popen[bytes]) -> None:
    time.sleep(1)  # the error log's last line has no number to wait for
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(timeout=60) == 0, "the follower did not end in order"


def _lpaudit(folder: Path, *arguments: object) -> None:
    command = [sys.executable, "-m", "lpaudit", *map(str, arguments)]
    subprocess.run(command, env=_environment(folder), cwd=folder, check=True, capture_output=True)


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(CHECKOUT), "LC_ALL": "C.UTF-8"}
