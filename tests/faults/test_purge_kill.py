"""kill -9 at the steps of a purge: whatever is left verifies, and the next purge finishes it."""

import os
import subprocess
import sys

import pytest


def campaign(checkout, tmp_path, first, stride, timeout):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.purging", tmp_path, str(first), str(stride)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_purge_that_is_killed_is_finished(checkout, tmp_path):
    assert campaign(checkout, tmp_path, 3, 41, 280) >= 3


@pytest.mark.soak
def test_a_purge_that_is_killed_at_any_step_is_finished(checkout, tmp_path):
    assert campaign(checkout, tmp_path, 1, 1, None) > 100
