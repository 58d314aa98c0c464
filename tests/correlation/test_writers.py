"""Several correlations at once, and one that is killed: nothing twice, nothing missing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.correlation.recorded import Taken, lines, records
from tests.faults.crashing import child, die_at

SECONDS = 80
STRIDE = 6  # of the steps of a commit, each so many is where one is killed


def filled(folder: Path) -> Taken:
    store = Taken(folder)
    store.log(b"".join(lines(SECONDS, stretched=True)))
    store.sync(**{name: records(name, stretched=True) for name in ("flow_runs", "task_runs", "events")})
    return store


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    store = filled(tmp_path_factory.mktemp("undisturbed"))
    store.correlate()
    return store.links()


@pytest.mark.timeout(240)
def test_correlations_at_once_say_each_link_once(tmp_path, expected):
    store = filled(tmp_path)
    command = [sys.executable, "-m", "lpaudit", "correlate", "--all", "--quiet", "--store", store.root]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    assert store.links() == expected
    said = store.select(
        "select count(*), count(distinct (line_id, relation, flow_run_id, task_run_id)) from flow_run_link"
    )
    assert said == [(len(expected), len(expected))]
    assert store.select("select count(*) from correlation") == [(3,)]


def _killed(folder: Path, step: int) -> int:
    """Correlate in a child that is killed at its nth touch of the store; return its exit status."""

    def work() -> None:
        die_at(step, folder / "store")
        other = Taken(folder)
        other.correlate()

    return child(work)


KILLED = """
import shutil, sys
from itertools import count
from pathlib import Path
from tests.correlation import test_writers as here

top = Path(sys.argv[1])
for step in count(1, here.STRIDE):
    shutil.copytree(top / "pristine", top / str(step) / "store")
    print(step, flush=True)
    if here._killed(top / str(step), step) == 0:
        break
"""


@pytest.mark.timeout(280)
def test_after_a_kill_the_next_one_completes_it(tmp_path, expected):
    """Killed at every few touches of the store, in children of a process that has not started threads."""
    filled(tmp_path)
    (tmp_path / "store").rename(tmp_path / "pristine")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *killed, whole = ran.stdout.split()
    halves = set()
    for step in killed:
        store = Taken(tmp_path / step)
        halves.add(store.select("select count(*) from access_run")[0][0])
        store.correlate()
        assert store.links() == expected
        assert store.correlate().added == 0
    assert Taken(tmp_path / whole).links() == expected
    assert len(killed) >= 3
    assert 0 in halves
    assert len(halves) > 1, "it was never killed between commits"


def test_a_process_that_is_killed_is_killed():
    """What the test above takes for granted."""
    assert child(lambda: os.kill(os.getpid(), signal.SIGKILL)) == -signal.SIGKILL
