"""The fixtures that every other test relies on."""

import json
import os
import subprocess
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest


def test_the_developers_settings_do_not_reach_a_test():
    assert not [name for name in os.environ if name.startswith(("LPAUDIT_", "PREFECT_", "XDG_"))]
    assert "NO_COLOR" not in os.environ


def test_home_is_empty():
    assert not list(Path.home().iterdir())


def test_local_time_is_far_from_utc():
    assert time.strftime("%z", time.localtime(0)) == "+1245"
    assert datetime.fromtimestamp(0, UTC).astimezone().utcoffset().total_seconds() == 12.75 * 3600


def test_the_command_line_runs_in_a_process_of_its_own(lpaudit, tmp_path):
    (tmp_path / "lpaudit.toml").write_text('host = "näher"\n', "utf-8")
    result = lpaudit("config", "--format", "csv")
    assert result.returncode == 0, result.stderr
    assert "host,näher,lpaudit.toml" in result.stdout


@pytest.mark.prefect
def test_prefects_server_and_client_are_real(prefect_server):
    with urllib.request.urlopen(f"{prefect_server.url}/admin/version") as answer:
        version = json.load(answer)
    said = subprocess.run(
        [prefect_server.python, "-m", "prefect", "version"],
        env=prefect_server.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert version in said
    assert "server" in said.split("Server type:")[1].splitlines()[0]
