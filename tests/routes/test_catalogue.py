"""The catalogue against what real Prefect servers have: schemas/routes/recorded."""

import csv
import subprocess
import sys
from itertools import pairwise

import pytest

from lpaudit.resources import folder
from lpaudit.routes import catalogue

ROUTES = folder("schemas") / "routes"
RECORDED = {
    path.stem: list(csv.DictReader(path.read_text("utf-8").splitlines()))
    for path in (ROUTES / "recorded").glob("*.csv")
}
OPERATIONS = {(r.method, r.template): r for r in catalogue().routes}
ORDER = sorted(RECORDED, key=lambda version: tuple(map(int, version.split("."))))


def operations(version):
    return {(row["method"], row["template"]) for row in RECORDED[version]}


def test_the_catalogue_is_what_the_rules_make_of_the_recordings():
    done = subprocess.run(
        [sys.executable, ROUTES / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_versions_that_are_said_to_be_covered_are_those_that_were_recorded():
    assert list(catalogue().prefect) == ORDER


@pytest.mark.parametrize("version", ORDER)
def test_every_operation_of_a_prefect_is_in_the_catalogue_and_nothing_else(version):
    at = ORDER.index(version)
    ours = {
        key
        for key, route in OPERATIONS.items()
        if ORDER.index(route.since) <= at and (not route.until or ORDER.index(route.until) >= at)
    }
    assert ours == operations(version)


def test_no_operation_came_back_after_it_had_gone():
    """Else since and until would say too much."""
    for key in OPERATIONS:
        has = [key in operations(version) for version in ORDER]
        assert sum(before != after for before, after in pairwise([False, *has, False])) == 2


def test_no_two_routes_have_the_same_shape():
    keys = [route.key for route in catalogue().routes]
    assert len(keys) == len(set(keys))


def test_a_resource_is_a_parameter_of_its_template():
    for route in catalogue().routes:
        for parameter, kind in (
            (route.resource_parameter, route.resource_kind),
            (route.parent_parameter, route.parent_kind),
        ):
            assert bool(parameter) == bool(kind)
            assert not parameter or f"{{{parameter}}}" in route.template.split("/")
        assert bool(route.parent_type) == bool(route.parent_parameter)


@pytest.mark.parametrize("version", ORDER)
def test_a_uuid_is_what_prefect_declares_as_one(version):
    for row in RECORDED[version]:
        route = OPERATIONS[row["method"], row["template"]]
        declared = dict(part.split(":") for part in row["parameters"].split())
        for parameter, kind in (
            (route.resource_parameter, route.resource_kind),
            (route.parent_parameter, route.parent_kind),
        ):
            if parameter == "id_or_name":
                assert (kind, declared[parameter]) == ("either", "text")
            elif parameter:
                assert kind == declared[parameter]


def test_what_deletes_is_privileged_and_what_asks_is_not():
    for route in catalogue().routes:
        if route.method == "DELETE" or "delete" in route.action:
            assert route.privileged == "true"
            assert route.action in {"delete", "bulk_delete", "admin"}
        if route.action in {"read", "poll", "telemetry"}:
            assert route.privileged == "false"
        if route.template.endswith("/filter"):
            assert route.action in {"read", "secret_read"}
        assert route.why
