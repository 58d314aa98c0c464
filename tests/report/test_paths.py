"""Whoever is looked at chooses how a path is written: what a check finds does not depend on it."""

import re
from dataclasses import replace

import pytest

from lpaudit import query, report, trial

# Below the prefix, in a line of an example.
_PATH = re.compile(r'(?<= /api/)[^ ?"]+')

WRITINGS = {
    "encoded": lambda path: re.sub(r"[a-z_]", lambda found: f"%{ord(found[0]):02X}", path),
    "doubled slashes": lambda path: path.replace("/", "//"),
    "dots": lambda path: path.replace("/", "/./"),
    "other routes' words": lambda path: f"set_state/create_flow_run/filter/heartbeat/../../../../{path}",
}

ABOUT_PATHS = {"path-traversal", "scanner-probes", "secrets-in-urls"}
"""What these look for is how a path is written."""

SHOWN = {"denied", "privileged"}
"""These count by paths, as they are written."""


def named():
    """The checks that name a path anywhere."""
    checks = map(report.load_check, set(report.checks()) - ABOUT_PATHS - SHOWN)
    return sorted(check.id for check in checks if re.search(r"\bpath\b", check.sql + check.population))


@pytest.fixture(scope="module")
def connection():
    opened = query.connect({})
    yield opened
    opened.close()


@pytest.mark.parametrize("check_id", named())
def test_a_check_finds_the_same_however_paths_are_written(check_id, connection):
    check = report.load_check(check_id)
    for example in report.load_examples(check):
        plain = answer(check, example, connection)
        for writing, write in WRITINGS.items():
            log = {host: _written(text, write) for host, text in example.log.items()}
            assert answer(check, replace(example, log=log), connection) == plain, writing


def _written(text, write):
    return _PATH.sub(lambda path: write(path[0]), text)


def answer(check, example, connection):
    """The population and the rows of an example, without lines' ids: they say where in a log a line is."""
    connection.replace(trial.datasets(example))
    population, rows, _ = report.ask(check, example.period, connection.select, example.parameters)
    return population, rows.drop_columns(
        [name for name in rows.column_names if name == "line_id"]
    ).to_pylist()
