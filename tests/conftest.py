"""What every test gets: an environment of its own, far from UTC, and the real command line."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import browser, realprefect
from tests.nursery import Nursery

CHECKOUT = Path(__file__).resolve().parent.parent

# Deadlines measure the machine, not the code. CI must fail for the commit, not for its luck: campaigns find luck.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

_CLEANED = ("AWS_", "LPAUDIT_", "PREFECT_", "XDG_", "PYTEST_DEBUG")
_CLEANED_NAMES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "LINES", "PAGER", "PYTHONWARNINGS")

# Half an hour off, another date than UTC's for half of the day, and summer time: what works here works elsewhere.
FAR_FROM_UTC = "Pacific/Chatham"


SHARING = (
    "correlation/test_increments",
    "correlation/test_recording",
    "correlation/test_writers",
    "faults/test_read_back",
    "logformat/test_changes",
    "questions/test_questions",
    "report/test_formats",
    "routes/test_matching",
    "store/test_commitlog",
    "tests/test_packaging",
)
"""Modules whose tests share something that takes seconds to make."""


@pytest.hookimpl(tryfirst=True)  # xdist looks for groups here, too
def pytest_collection_modifyitems(items):
    """Have tests that need a real program fail without it; skip them only if that was asked for."""
    for item in items:
        # One worker runs all that share a server or a recording, which take seconds to make.
        if item.get_closest_marker("xdist_group"):
            continue
        if "prefect" in item.keywords:
            item.add_marker(pytest.mark.xdist_group("prefect"))
        elif any(str(item.path).endswith(f"/{module}.py") for module in SHARING):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    for program in ("lighttpd", "logrotate", "prefect", "chromium"):
        setting = f"LPAUDIT_SKIP_{program.upper()}"
        if find(program) is not None or os.environ.get(setting) != "1":
            continue
        skip = pytest.mark.skip(reason=f"{setting}=1: not tested against a real {program}")
        for item in items:
            if program in item.keywords:
                item.add_marker(skip)


def find(program):
    """Return a program's path, or None. Debian's are in /usr/sbin, which is not in everybody's PATH."""
    if program == "prefect":
        return realprefect.find()
    if program == "chromium":
        return browser.find()
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


def find_lighttpd():
    """Return lighttpd's path, or None."""
    return find("lighttpd")


@pytest.fixture(scope="session")
def lighttpd():
    """Path of the real lighttpd: fails without one. For tests marked ``lighttpd``."""
    found = find_lighttpd()
    if found is None:
        pytest.fail("there is no lighttpd: sudo apt-get install lighttpd, or LPAUDIT_SKIP_LIGHTTPD=1")
    return found


@pytest.fixture
def logrotate():
    """Path of the real logrotate: fails without one. For tests marked ``logrotate``."""
    found = find("logrotate")
    if found is None:
        pytest.fail("there is no logrotate: sudo apt-get install logrotate, or LPAUDIT_SKIP_LOGROTATE=1")
    return found


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A real Prefect server that tests share (realprefect.PrefectServer): fails without one. For tests marked ``prefect``."""
    if realprefect.find() is None:
        pytest.fail("there is no Prefect: make prefect, or LPAUDIT_SKIP_PREFECT=1")
    with realprefect.running(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory):
    """Forget the developer's settings, home and time zone."""
    for name in list(os.environ):
        if name.startswith(_CLEANED) or name in _CLEANED_NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TERM", "dumb")
    with monkeypatch.context() as zone:
        zone.setenv("TZ", FAR_FROM_UTC)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="session")
def checkout():
    """The top of the checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def sample_logs():
    """The checkout's sample_logs/: read it, never write there."""
    return CHECKOUT / "sample_logs"


@pytest.fixture(scope="session")
def nursery():
    """Where commands are born."""
    where = Nursery()
    yield where
    where.close()


@pytest.fixture
def lpaudit(tmp_path, nursery):
    """Run the real command line in tmp_path: ``lpaudit("ingest", log)`` → CompletedProcess.

    Keywords go to subprocess.run; ``env`` is added to the environment. It never waits on a terminal.
    """

    def run(*arguments, env=None, timeout=120, cwd=tmp_path, **keywords):
        words, environment = [*map(str, arguments)], {**os.environ, **(env or {})}
        plain = keywords.keys() <= {"input"} and isinstance(keywords.get("input", ""), str)
        if plain and not any(name.startswith("PYTHON") for name in env or ()):
            given = keywords["input"].encode() if "input" in keywords else None
            status, out, err = nursery.run(words, cwd, environment, given, timeout)
            return subprocess.CompletedProcess(
                words, status, *(said.decode().replace("\r\n", "\n") for said in (out, err))
            )
        if "input" not in keywords:
            keywords.setdefault("stdin", subprocess.DEVNULL)
        keywords.setdefault("text", True)
        if keywords["text"]:
            keywords.setdefault("encoding", "utf-8")
        return subprocess.run(
            [sys.executable, "-m", "lpaudit", *words],
            capture_output=True,
            cwd=cwd,
            env=environment,
            timeout=timeout,
            check=False,
            **keywords,
        )

    return run
