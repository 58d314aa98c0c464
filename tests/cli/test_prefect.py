"""`lpaudit prefect-config` and `lpaudit prefect-run`. What they do in real runs is in tests/runheader."""

import json
import os
import re
import subprocess
import sys
import zipfile

import pytest

from lpaudit.prefect_config import Kind

RUN = "0199d54e-2c32-7a5f-9d5a-7b9d3d5c1f11"
SHOW = (sys.executable, "-c", "import os; print(os.environ.get('PREFECT_CLIENT_CUSTOM_HEADERS'))")


@pytest.mark.parametrize("kind", Kind)
def test_what_it_prints_is_comments_json_and_commands(lpaudit, kind):
    """So that nothing but what is meant to be copied looks like it."""
    ran = lpaudit("prefect-config", "--pool-type", kind)
    assert ran.returncode == 0, ran.stderr
    for line in filter(None, ran.stdout.splitlines()):
        if line.startswith("{"):
            assert json.loads(line).keys() < {"env", "command"}
        else:
            assert re.match(r"#|pip install |lpaudit prefect-config |export |COPY |RUN pip install ", line)
    assert "PREFECT_PLUGINS_ENABLED" in ran.stdout


def test_without_a_kind_it_prints_each(lpaudit):
    every = lpaudit("prefect-config").stdout
    for kind in Kind:
        title = lpaudit("prefect-config", "--pool-type", kind).stdout.splitlines()[1]
        assert title in every


def test_the_wheel_is_small_whole_and_the_same_each_time(lpaudit, tmp_path):
    """pip checks RECORD; Prefect finds the plugin by its entry point."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        ran = lpaudit("prefect-config", "--wheel", folder)
        assert ran.returncode == 0, ran.stderr
    (one,), (two,) = ((tmp_path / folder).glob("*.whl") for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert len(one.read_bytes()) < 20_000
    install = ("install", "--quiet", "--no-deps", "--no-index", "--target", tmp_path / "installed", one)
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    with zipfile.ZipFile(one) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        target = re.search(
            r"^lpaudit-prefect = (.*):plugin$", archive.read(entry_points).decode(), re.MULTILINE
        )
        assert target[1].replace(".", "/") + ".py" in archive.namelist()
        assert (
            "Requires-Dist" not in archive.read(entry_points.replace("entry_points.txt", "METADATA")).decode()
        )


def test_a_wheel_that_cannot_be_written_is_an_error(lpaudit):
    ran = lpaudit("prefect-config", "--wheel", "not/there")
    assert ran.returncode == 3
    assert ran.stderr.startswith("lpaudit: cannot write not/there/lpaudit_prefect-")


@pytest.mark.parametrize(
    ("environment", "headers", "told"),
    [
        ({"PREFECT__FLOW_RUN_ID": RUN}, {"X-Prefect-Flow-Run-Id": RUN}, None),
        (
            {"PREFECT__FLOW_RUN_ID": RUN, "PREFECT_CLIENT_CUSTOM_HEADERS": '{"x-prefect-flow-run-id":"1","A":"é"}'},
            {"A": "é", "X-Prefect-Flow-Run-Id": RUN},
            None,
        ),
        ({"PREFECT__FLOW_RUN_ID": RUN, "PREFECT_CLIENT_CUSTOM_HEADERS": ""}, {"X-Prefect-Flow-Run-Id": RUN}, None),
        ({}, None, "is not the process of a flow run"),
        ({"PREFECT_CLIENT_CUSTOM_HEADERS": '{"A":"1"}'}, {"A": "1"}, "is not the process of a flow run"),
        ({"PREFECT__FLOW_RUN_ID": "x\r\nB: 2"}, None, "no X-Prefect-Flow-Run-Id header: badly formed"),
        (
            {"PREFECT__FLOW_RUN_ID": RUN, "PREFECT_CLIENT_CUSTOM_HEADERS": "[1]"},
            [1],
            "PREFECT_CLIENT_CUSTOM_HEADERS is not a JSON object",
        ),
        ({"PREFECT__FLOW_RUN_ID": RUN, "PREFECT_CLIENT_CUSTOM_HEADERS": "1 2"}, "1 2", "no X-Prefect-Flow-Run-Id header"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("module", [True, False], ids=["module", "command"])
def test_the_command_runs_with_the_header_if_that_can_be_made(
    lpaudit, checkout, tmp_path, environment, headers, told, module
):
    """And without it, and with what was there, if not."""
    if module:
        ran = subprocess.run(
            [sys.executable, "-m", "lpaudit.runheader", "--", *SHOW],
            env={**os.environ, **environment},
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
    else:
        ran = lpaudit("prefect-run", "--", *SHOW, env=environment)
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.strip()
    expected = "None" if headers is None else headers
    assert (said if isinstance(expected, str) else json.loads(said)) == expected
    assert (told in ran.stderr) if told else ran.stderr == ""


def test_the_commands_status_is_passed_on(lpaudit):
    environment = {"PREFECT__FLOW_RUN_ID": RUN}
    assert lpaudit("prefect-run", "--", "sh", "-c", "exit 7", env=environment).returncode == 7
    missing = lpaudit("prefect-run", "--", "no-such-command", env=environment)
    assert (missing.returncode, missing.stderr) == (
        127,
        "lpaudit: cannot run no-such-command: No such file or directory\n",
    )


def test_the_wrapper_and_the_header_load_nothing_heavy(checkout):
    """They start with each flow run."""
    code = (
        "import sys, lpaudit.runheader.header, lpaudit.runheader.__main__; "
        "print({m.partition('.')[0] for m in sys.modules} - sys.stdlib_module_names)"
    )
    said = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() in ("{'lpaudit', '__main__'}", "{'__main__', 'lpaudit'}", "{'lpaudit'}")
