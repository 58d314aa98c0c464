"""Processes of Prefect's that talk to a gateway: workers, programs that serve, scripts, the command line."""

import json
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests import realprefect
from tests.realprefect import PYTHON
from tests.recording.gateway import Gateway

INSIDE = Path(__file__).with_name("inside")
TIMES_OUT = 300  # seconds; for what takes five on an idle machine


@dataclass(frozen=True)
class Clients:
    """Where they run, and what they all get."""

    gateway: Gateway
    folder: Path
    """For their homes, their output, and ``truth/``."""
    settings: dict[str, str]
    """More environment variables."""
    packages: Path | None = None
    """A directory of installed packages, such as the plugin."""

    def environment(self, user: str, role: str, **settings: str) -> dict[str, str]:
        """Return the environment of a process that acts for a user. ``role`` is what the truth calls it."""
        (self.folder / "truth").mkdir(exist_ok=True)
        return realprefect.environment(
            self.folder / f"home-{role}",
            **self.gateway.as_user(user),
            PYTHONPATH=":".join(map(str, filter(None, [INSIDE, self.packages]))),
            RIG_TRUTH=str(self.folder / "truth"),
            RIG_ROLE=role,
            **self.settings,
            **settings,
        )

    def worker(
        self, user: str, pool: str, **settings: str
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run a worker of a process pool, which looks for runs every second."""
        return realprefect.started(
            [PYTHON, "-m", "prefect", "worker", "start", "--pool", pool, "--name", f"{pool}-1"],
            self.environment(user, f"worker-{pool}", PREFECT_WORKER_QUERY_SECONDS="1", **settings),
            self.folder / f"worker-{pool}.out",
        )

    def serving(
        self, user: str, name: str, *flows: str, **settings: str
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run a program that serves flows, as deployments ``name``."""
        return realprefect.started(
            [PYTHON, INSIDE / "serving.py", name, *flows],
            self.environment(user, f"serve-{name}", PREFECT_RUNNER_POLL_FREQUENCY="1", **settings),
            self.folder / f"serve-{name}.out",
        )

    def run(
        self, user: str, role: str, *arguments: str | Path, check: bool = True, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with arguments until it ends."""
        ran = subprocess.run(
            [PYTHON, *arguments],
            env=self.environment(user, role, **settings),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMES_OUT,
            check=False,
        )
        assert not check or ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    def deploy(self, user: str, *deployments: dict[str, object]) -> None:
        """Make deployments (see inside/deploy.py) and their work pools."""
        self.run(user, "deploying", INSIDE / "deploy.py", json.dumps(deployments))
