"""Subflows: which run is the uppermost, and in whose process one is executed."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from lpaudit import query
from lpaudit.schema import tables
from tests.correlation.made import line, origins, run, started, uid

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def tree(runs: dict[int, tuple[int | None, bool]], tasks: dict[int, int]) -> dict[int, tuple[int, int, int]]:
    """Run → (parent task, of a deployment), task → run; gives run → (root, process, depth)."""

    def table(name, rows):
        return pa.Table.from_pylist(
            [{"snapshot_id": "s", "fetched_at": NOW, "document": "{}", **row} for row in rows],
            schema=tables()[name].arrow,
        )

    flow_runs = [
        {
            "id": uid(one),
            "parent_task_run_id": None if parent is None else uid(10_000 + parent),
            "deployment_id": uid(1) if own else None,
        }
        for one, (parent, own) in runs.items()
    ]
    task_runs = [{"id": uid(10_000 + task), "flow_run_id": uid(of)} for task, of in tasks.items()]
    connection = query.connect(
        {"flow_run": table("flow_run", flow_runs), "task_run": table("task_run", task_runs)}
    )
    try:
        rows = connection.select("select * from flow_run_tree").to_pylist()
    finally:
        connection.close()
    numbers = {uid(one): one for one in runs}
    assert len(rows) == len(runs)
    return {
        numbers[row["flow_run_id"]]: (
            numbers[row["root_flow_run_id"]],
            numbers[row["process_flow_run_id"]],
            row["depth"],
        )
        for row in rows
    }


def test_a_subflow_is_executed_in_its_parents_process():
    assert tree({1: (None, True), 2: (11, False), 3: (12, False)}, {11: 1, 12: 2}) == {
        1: (1, 1, 0),
        2: (1, 1, 1),
        3: (1, 1, 2),
    }


def test_a_subflow_that_is_a_deployments_run_has_a_process_of_its_own():
    assert tree({1: (None, True), 2: (11, True), 3: (12, False)}, {11: 1, 12: 2}) == {
        1: (1, 1, 0),
        2: (1, 2, 1),
        3: (1, 2, 2),
    }


def test_a_run_by_hand_is_its_own_process():
    assert tree({1: (None, False), 2: (11, False)}, {11: 1}) == {1: (1, 1, 0), 2: (1, 1, 1)}


def test_a_run_whose_parent_is_not_known_stands_alone():
    assert tree({1: (11, False), 2: (12, True)}, {11: 99}) == {1: (1, 1, 0), 2: (2, 2, 0)}


def test_records_in_a_circle_come_to_an_end():
    found = tree({1: (12, False), 2: (11, False), 3: (13, True)}, {11: 1, 12: 2, 13: 3})
    assert found.keys() == {1, 2, 3}
    assert found[3][1] == 3


@pytest.mark.timeout(60)
def test_a_hundred_levels_are_one_process():
    runs = {1: (None, True)} | {n: (n, False) for n in range(2, 102)}
    found = tree(runs, {n: n - 1 for n in range(2, 102)})
    assert {(root, process) for root, process, _ in found.values()} == {(1, 1)}
    assert found[101][2] == 100


def test_a_subflows_request_is_of_its_parents_process_and_a_deployments_of_its_own():
    parent = run(1, 10, 60)
    child = run(2, 20, 30, process=parent.id, root=parent.id, deployment=None)
    other = run(3, 20, 30, root=parent.id)
    lines = [
        started(parent, deployment=parent.deployment),
        line("c", 25, named=(child.id,), deployment=parent.deployment, flow=child.flow),
        line("o", 25, named=(other.id,), deployment=other.deployment, flow=other.flow),
    ]
    found = origins(lines, [parent, child, other])
    assert (found["c"], found["o"]) == (parent.id, other.id)
