"""Small binders: of a store with every kind of file and a key, and of one without."""

import itertools
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from evidence.conftest import Evidence
from report.hostile import ESCAPED, USERS
from report.small import DAY, line

from lpaudit import report
from lpaudit.binder import Wanted, bind

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "verify_store.py"

CHECKS = {
    "mine-lines": ("control", "select count(*) from access where time >= $start and time < $end", "delete"),
    "mine-denied": (
        "control",
        "select count(*) from access where time >= $start and time < $end and status >= 400",
        "get",
    ),
    "mine-broken": ("table", "select count(*) from access where time >= $start and time < $end", "broken"),
    "mine-sum": ("table", "select 1 + (select count(*) from access where time >= $start)", "get"),
}
_CHECK = """/*
id = "{id}"
title = "Mine"
question = "Which?"
kind = "{kind}"
population = "{population}"
unit = "lines"
limits = "-"
{more}
*/
select time, line_id, "user", path{broken} from access
where time >= $start and time < $end and lower(method) = '{method}' order by all
"""
_FRAMEWORK = """
id = "{id}"
title = "Mine"
description = "Of tests alone."
summary = "result-in-numbers"
completeness = "incomplete-period"
result = ["{{lines}} lines."]
method = ["-"]
not_shown = ["-"]
show = {{default = 20, why = "-"}}
section = [{{check = "result-in-numbers"}}, {{check = "incomplete-period"}}, {{check = "segments"}}, {sections}]
"""


def own_library(folder):
    """Few checks, quick ones: `mine` of good ones, `worse` with one that cannot be asked."""
    for name in ("checks/own", "frameworks"):
        (folder / name).mkdir(parents=True)
    for check_id, (kind, population, method) in CHECKS.items():
        more = 'key = ["line_id"]\nseverity = "low"' if kind == "control" else ""
        text = _CHECK.format(
            id=check_id, kind=kind, population=population, more=more, method=method,
            broken=", error('cannot be')" if method == "broken" else "",
        ).replace("'broken'", "'get'")  # fmt: skip
        (folder / "checks" / "own" / f"{check_id}.sql").write_text(text)
    for name, checks in (("mine", [*CHECKS][:2]), ("worse", [*CHECKS])):
        sections = ", ".join(f'{{check = "{check}"}}' for check in checks)
        (folder / "frameworks" / f"{name}.toml").write_text(_FRAMEWORK.format(id=name, sections=sections))
    return report.Library(own=(folder,))


class Binders:
    """A store, and binders of it."""

    def __init__(self, folder):
        self.folder = folder
        self.library = own_library(folder / "own")
        self.evidence = Evidence(folder)
        self.numbers = itertools.count()

    def make(self, name, *, frameworks=("mine",), period=DAY, key=None, **wanted):
        return bind(
            str(self.evidence.root),
            Wanted(period, frameworks, **wanted),
            self.folder / name,
            key or self.evidence.key,
            api_prefixes=["/api"],
            about={"entity": "Acme | <b>", "system": ""},
            library=self.library,
        )

    @property
    def key(self):
        return str(self.evidence.signer.public)


def unpacked(path, where):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(where)
    return where


def verify(where, *options, script=SCRIPT):
    """Run verify.py as an auditor does, with nothing but Python's standard library."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, *options, *([where] if where else [])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def binders(tmp_path_factory):
    """A signed store with hostile lines in packs and in files of their own: never write there."""
    made = Binders(tmp_path_factory.mktemp("binders"))
    evidence = made.evidence
    evidence.write("access.log", *(line("10:00:00", f"DELETE /api/{text}", 403) for text in ESCAPED))
    evidence.sign()
    for number in range(5):
        evidence.write("access.log", line(f"11:0{number}:00", "GET /api/x", 401, user=USERS[number]))
    evidence.write("access.log", line("25/Nov/2026:09:00:00", "GET /api/later"), "garbage")
    evidence.write("error.log", "2026-11-23 10:00:00: (server.c.1513) server started (lighttpd/1.4.69)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lpaudit.store.packing.LEAST", 4)
        evidence.compact()
    evidence.sign()
    evidence.write("access.log", line("12:00:00", "DELETE /api/flows/1", user="bob"))
    evidence.sign()
    return made


@pytest.fixture(scope="session")
def signed(binders):
    """A signed binder with segments, as it was made: never write there."""
    return binders.make("signed.zip", segments=True).path


@pytest.fixture(scope="session")
def folder(signed, tmp_path_factory):
    """The same, unpacked: never write there."""
    return unpacked(signed, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(folder, tmp_path / "binder")


NEVER = datetime(2020, 1, 1, tzinfo=UTC)
