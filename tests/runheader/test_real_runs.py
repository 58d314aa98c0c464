"""Requests of real runs carry the run's id, all others none: through the plugin, and through the wrapper."""

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from lpaudit.plugin_wheel import write_wheel
from tests.conftest import find_lighttpd
from tests.realprefect import PYTHON
from tests.recording import gateway, truth
from tests.recording.api import FINAL, Api
from tests.recording.client import INSIDE, Clients
from tests.recording.upstream import wait_for

pytestmark = [pytest.mark.lighttpd, pytest.mark.prefect]

ENABLED = {"PREFECT_PLUGINS_ENABLED": "true"}
WRAPPED = {"command": "python -m lpaudit_prefect -- python -m prefect.engine"}
KEPT = {"X-Request-Id": "kept"}
# Deployment → its job variables.
IN_POOL = {
    "nested/plugin": {"env": ENABLED},
    "processes/plugin": {"env": ENABLED},
    "quick/wrapped": WRAPPED,
    "quick/neither": {},
}
SERVED = "nested/served"


@dataclass(frozen=True)
class Line:
    """A line of the log: who made the request, and what it says."""

    process: str
    run: str | None
    kept: str | None
    path: str


@dataclass(frozen=True)
class Seen:
    """What there is to judge."""

    lines: list[Line]
    truth: truth.Truth
    runs: dict[str, str]
    """Deployment → run."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The plugin as users install it: its wheel alone, beside Prefect."""
    folder = tmp_path_factory.mktemp("packages")
    install = ("install", "--quiet", "--no-deps", "--no-index", "--target", folder / "installed")
    subprocess.run([PYTHON, "-m", "pip", *install, write_wheel(folder)], check=True, stdin=subprocess.DEVNULL)
    return folder / "installed"


@pytest.fixture(scope="module")
def seen(prefect_server, packages, tmp_path_factory):
    """Run flows in every way; read the log."""
    lighttpd = find_lighttpd()
    assert lighttpd, "there is no lighttpd: sudo apt-get install lighttpd"
    folder = tmp_path_factory.mktemp("seen")
    with gateway.running(lighttpd, folder, prefect_server.port) as front:
        runs = ran(Clients(front, folder, {gateway.HEADERS: json.dumps(KEPT)}, packages), Api(front.url))
    names = truth.read(folder / "truth")
    return Seen(lines_of(front), names, runs)


def ran(clients, api):
    """Have a worker and a program that serves run each deployment once, and a script run; return the runs."""
    clients.deploy(
        "ci",
        *(
            {"flow": flow, "name": name, "pool": "header", "job_variables": variables}
            for (flow, name), variables in ((key.split("/"), value) for key, value in IN_POOL.items())
        ),
    )
    with clients.worker("worker", "header"), clients.serving("serve", "served", "nested", **ENABLED):
        wait_for(lambda: api.ask("alice", "GET", f"/deployments/name/{SERVED}")[0] == 200, 60, "serving")
        runs = {name: api.create_run("alice", api.deployment("alice", name)) for name in (*IN_POOL, SERVED)}
        clients.run("ci", "script", INSIDE / "script.py", **ENABLED)
        clients.run("ci", "bare", INSIDE / "flows.py", "quick")
        for name, run in runs.items():
            wait_for(lambda run=run: api.state("alice", run) in FINAL, 90, name)
            assert api.state("alice", run) == "COMPLETED", name
    return runs


def lines_of(front):
    """Read the log by its own keys: no other tool decides what is in it."""
    lines = []
    for line, process in zip(
        front.log.read_text().splitlines(), front.made_by.read_text().splitlines(), strict=True
    ):
        fields = dict(pair.split('="', 1) for pair in line.split('" ') if '="' in pair)
        said = {name.rpartition(" ")[2]: None if value == "-" else value for name, value in fields.items()}
        lines.append(Line(process, said["flow_run_id"], said["request_id"], said["path"]))
    return lines


WITH = [name for name in (*IN_POOL, SERVED) if name != "quick/neither"]


@pytest.mark.parametrize("name", WITH)
def test_every_request_of_a_run_carries_its_id(seen, name):
    run = seen.runs[name]
    inside = [line for line in seen.lines if seen.truth.root_of(line.process) == run]
    assert len(inside) > 10
    assert [line for line in inside if line.run != run] == []


def made_by(seen, role):
    """Lines that processes of a role sent."""
    return [line for line in seen.lines if seen.truth.processes.get(line.process, {}).get("role") == role]


def test_no_other_request_carries_one(seen):
    """Those of the worker, of the program that serves, of people, and of a script and a run without plugin."""
    inside, scripts = {seen.runs[name] for name in WITH}, made_by(seen, "script")
    others = [line for line in seen.lines if line not in scripts]
    outside = [line for line in others if seen.truth.root_of(line.process) not in inside]
    assert len(outside) > 50
    assert [line for line in outside if line.run is not None] == []


def test_in_a_script_each_request_of_a_run_carries_the_id_of_the_run_that_sent_it(seen):
    """Its paths say who asks: flows after each other, at the same time, nested and again; tasks, threads, processes."""
    asked = re.compile(r"/api/variables/name/asked-([a-z-]+?)-(nobody|[0-9a-f-]{36})")
    found = [(match, line.run) for line in made_by(seen, "script") if (match := asked.fullmatch(line.path))]
    wrong = [
        (match[0], run)
        for match, run in found
        if run != (None if match[2] == "nobody" or match[1] == "ended" else match[2])
    ]
    assert wrong == []
    # Three runs of `outer`, each tried twice; two of `beside`.
    assert Counter(match[1] for match, _ in found) == {
        **dict.fromkeys(("flow", "task", "thread", "subflow", "after-subflow", "client"), 2 * 3),
        **dict.fromkeys(("before", "between", "after", "process", "ended"), 1),
        "async": 2 * 3,
    }
    assert len({match[2] for match, _ in found}) > 9


def test_what_a_script_sends_for_several_runs_or_before_and_after_them_carries_none(seen):
    """Creating a run, and logs, which one service sends for all of them."""
    lines = made_by(seen, "script")
    assert {line.run for line in lines if line.path == "/api/logs/"} == {None}
    named = re.compile(r"/api/flow_runs/([0-9a-f-]{36})(?:/set_state)?")
    own = [(match[1], line.run) for line in lines if (match := named.fullmatch(line.path))]
    assert sum(run == named for named, run in own) > 8  # from inside: it has ended
    assert lines[-1].run is None


def test_headers_that_were_set_are_kept(seen):
    """On requests and websockets, with and without the plugin."""
    made = [line for line in seen.lines if line.process != "-"]
    assert [line for line in made if line.kept != "kept"] == []
    assert {"/api/events/in", "/api/logs/"} <= {line.path for line in made if line.run}


def test_a_subflow_carries_the_id_of_the_run_that_it_is_part_of(seen):
    for name in ("nested/plugin", "nested/served"):
        (child,) = [
            n["run"] for n in seen.truth.runs if n["root"] == seen.runs[name] and n["flow"] == "child"
        ]
        about_child = [line for line in seen.lines if child in line.path and line.process != "-"]
        assert about_child
        assert {line.run for line in about_child} == {seen.runs[name]}


def test_processes_that_a_run_starts_carry_its_id(seen):
    """Prefect's command line; the settings of a task in a process pool are the run's."""
    run = seen.runs["processes/plugin"]
    (engine,) = [note["process"] for note in seen.truth.runs if note["run"] == run]
    others = [
        line for line in seen.lines if seen.truth.root_of(line.process) == run and line.process != engine
    ]
    assert "/api/variables/filter" in {line.path for line in others}
    assert {line.run for line in others} == {run}


BROKEN = {
    "no UUID": {"PREFECT__FLOW_RUN_ID": "x\r\nX-Injected: 1"},
    "strict, and no UUID": {"PREFECT__FLOW_RUN_ID": "1", "PREFECT_PLUGINS_STRICT": "true"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_variable_that_is_broken_costs_the_header_and_not_the_run(packages, prefect_server, name):
    code = "import prefect.settings as s; print(s.get_current_settings().client.custom_headers)"
    ran = subprocess.run(
        [PYTHON, "-c", code],
        env={
            **prefect_server.env,
            **ENABLED,
            **BROKEN[name],
            "PYTHONPATH": str(packages),
            gateway.HEADERS: json.dumps(KEPT),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, str(KEPT)), ran.stderr
    assert "no X-Prefect-Flow-Run-Id header: ValueError" in ran.stderr


def test_the_plugin_needs_nothing_but_prefect(packages):
    """It is the whole of what is installed, and what is lpaudit's own is not there to be imported."""
    assert sorted(path.name.partition("-")[0] for path in Path(packages).iterdir()) == ["lpaudit_prefect"] * 2
    code = "import importlib.util as u, lpaudit_prefect.plugin; print(u.find_spec('lpaudit'), u.find_spec('polars'))"
    environment = {"PYTHONPATH": str(packages), "PREFECT_HOME": str(packages), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        [PYTHON, "-c", code], cwd=packages.parent, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["None", "None"]
