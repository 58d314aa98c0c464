"""A request that made Prefect create a run: told by the time of the creation, where no other can have."""

import pytest

from tests.correlation.made import SECOND, T, line, run, said

ONE = run(1, 30, 60)


def created(at, **what):
    return run(1, 30, 60, **{"created": T + round(at * SECOND), **what})


def asks(name, at, took=0.02, **what):
    return line(
        name,
        at,
        took,
        **{"route": "POST /deployments/{id}/create_flow_run", "named": (ONE.deployment,), **what},
    )


def makers(lines, *runs):
    found = said(list(lines), list(runs))
    return {
        name: of
        for name, links in found.items()
        for relation, of, method, _ in links
        if relation == "created"
    }


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (10.011, True),
        (10.001, True),
        (10.021, True),
        (9.95, True),
        (10.07, True),
        (9.89, False),
        (10.13, False),
    ],
)
def test_clocks_may_differ_by_a_tenth_of_a_second(at, told):
    assert makers([asks("x", 10.001)], created(at)) == ({"x": ONE.id} if told else {})


def test_a_request_that_agrees_wins_over_one_that_only_may():
    lines = [asks("x", 10.001), asks("y", 10.041)]
    assert makers(lines, created(10.011)) == {"x": ONE.id}


def test_where_two_can_have_nobody_is_told():
    assert makers([asks("x", 10.001), asks("y", 10.002)], created(10.011)) == {}
    two = created(10.011), run(2, 30, 60, created=T + 10_012_000, deployment=ONE.deployment)
    assert makers([asks("x", 10.001)], *two) == {}


@pytest.mark.parametrize(
    "other", [{"status": 409}, {"named": (run(2, 1, 2).deployment,)}, {"route": "POST /flow_runs/"}]
)
def test_what_cannot_have_created_it_is_not_told(other):
    assert makers([asks("x", 10.001, **other)], created(10.011)) == {}


def test_in_whole_seconds_nothing_is_told():
    assert makers([asks("x", 10, took=1)], created(10.5)) == {}
    by_hand = created(10.011, deployment=None)
    assert makers([asks("x", 10.001, route="POST /flow_runs/", named=())], by_hand) == {"x": ONE.id}
