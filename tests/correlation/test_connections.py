"""What is one TCP connection, and what is not: all that is on one is said to be of one process."""

import random

import pytest

from lpaudit.correlation.connections import connections
from tests.correlation.made import line, origins, run, said, started

ONE, OTHER = run(1, 10, 100), run(2, 10, 100)
RUNS = {ONE.id: ONE, OTHER.id: OTHER}


def of(one, **what):
    """What tells that a line is of a run's process."""
    return {"named": (one.id,), "deployment": one.deployment, "route": "GET /flow_runs/{id}", **what}


def parts(*lines):
    """The names of the lines of each connection."""
    return ["".join(one.line_id for one in each.lines) for each in connections(lines, RUNS)]


def test_requests_that_are_counted_on_are_one_connection():
    assert parts(*(line(name, at, port=7, number=at) for at, name in enumerate("abc"))) == ["abc"]


def test_where_counting_begins_again_the_port_is_used_again():
    lines = [
        line(name, at, port=7, number=n)
        for at, (name, n) in enumerate(zip("abcd", (0, 1, 0, 1), strict=False))
    ]
    assert parts(*lines) == ["ab", "cd"]
    lines[0] = line("a", 20, port=7, number=0, **of(ONE))
    lines[1] = line("b", 21, port=7, number=1)
    lines[2] = line("c", 22, port=7, number=0, **of(OTHER))
    lines[3] = line("d", 23, port=7, number=1)
    assert origins(lines, [ONE, OTHER]) == {"a": ONE.id, "b": ONE.id, "c": OTHER.id, "d": OTHER.id}


def test_two_first_requests_of_a_port_are_two_connections():
    assert parts(*(line(name, at, port=7, number=0) for at, name in enumerate("ab"))) == ["a", "b"]


def test_the_order_of_the_lines_in_the_log_is_no_matter():
    lines = [line(f"{n:02}", n / 10, 5.0, port=7 + n % 2, number=n // 2) for n in range(20)]
    shuffled = lines[:]
    random.Random(1).shuffle(shuffled)
    assert parts(*shuffled) == parts(*lines)
    assert len(parts(*lines)) == 2


def test_without_a_count_silence_ends_a_connection():
    lines = [line(name, at, port=7, number=None) for name, at in (("a", 0), ("b", 50), ("c", 200))]
    assert parts(*lines) == ["ab", "c"]


def test_a_long_answer_is_no_silence():
    assert parts(line("a", 0, 7200, port=7, number=None), line("b", 7210, port=7, number=None)) == ["ab"]


def test_a_connection_may_last_for_hours():
    lines = [
        line(name, at, port=7, number=n) for n, (name, at) in enumerate((("a", 0), ("b", 4000), ("c", 8000)))
    ]
    assert parts(*lines) == ["abc"]


@pytest.mark.parametrize(
    "what", [{"port": None}, {"port": 0}, {"client": None, "port": 7}, {"client": "", "port": 7}]
)
def test_where_the_place_is_not_known_each_line_stands_alone(what):
    lines = [line(name, n, **{"number": n, **what}) for n, name in enumerate("ab")]
    assert parts(*lines) == ["a", "b"]
    lines = [line("a", 20, **{**of(ONE), **what}), line("b", 20.1, **{"number": 1, **what})]
    assert ("origin", ONE.id, "connection", "strong") not in said(lines, [ONE, OTHER]).get("b", set())


def test_two_hosts_have_ports_of_their_own():
    lines = [line(name, n, port=7, number=n, host=f"gw{name}") for n, name in enumerate("ab")]
    assert parts(*lines) == ["a", "b"]


def test_two_addresses_have_ports_of_their_own():
    lines = [line(name, n, port=7, number=n, client=f"192.0.2.{n}") for n, name in enumerate("ab")]
    assert parts(*lines) == ["a", "b"]


def test_streams_of_http2_that_end_out_of_order_are_of_nobody_else():
    # Each stream's line has the count that held when it ended; they overlap.
    lines = [line(f"{n}", 20 + n / 100, 1 - n / 10, port=7, number=5 - n, **of(ONE)) for n in range(5)]
    assert origins(lines, [ONE, OTHER]) == {f"{n}": ONE.id for n in range(5)}


@pytest.mark.parametrize("field", ["user", "deployment", "worker"])
def test_a_forwarder_that_carries_several_says_nothing(field):
    lines = [
        line("a", 20, port=7, number=0, **of(ONE, **{field: ONE.deployment})),
        line("b", 21, port=7, number=1, **{field: "another"}),
        line("c", 22, port=7, number=2),
    ]
    assert origins(lines, [ONE, OTHER]) == {}


def test_requests_about_two_runs_are_a_workers():
    lines = [line("a", 20, port=7, number=0, **of(ONE)), line("b", 21, port=7, number=1, named=(OTHER.id,))]
    assert origins(lines, [ONE, OTHER]) == {}


def test_a_line_without_an_identity_is_of_its_connection():
    lines = [
        line("a", 20, port=7, number=0, **of(ONE)),
        line("b", 21, port=7, number=1, user=None, status=401),
    ]
    assert origins(lines, [ONE, OTHER])["b"] == ONE.id


def test_a_worker_that_acts_on_a_run_is_not_its_process():
    lines = [started(ONE), line("a", 20, named=(ONE.id,), route="PATCH /flow_runs/{id}")]
    assert {each for each in said(lines, [ONE, OTHER])["a"] if each[3] in ("exact", "strong")} == {
        ("target", ONE.id, "path", "exact")
    }


def test_nothing_is_said_of_a_run_that_was_not_there():
    late = line("a", 4000, deployment=ONE.deployment)
    assert origins([late], [ONE]) == {}
    assert origins([line("b", 50, deployment=ONE.deployment)], [ONE]) == {"b": ONE.id}
    assert (
        origins([line("c", 50, deployment=ONE.deployment)], [ONE, run(3, 20, 90, deployment=ONE.deployment)])
        == {}
    )


def test_of_two_workers_with_one_login_the_runs_of_the_named_one_are_asked():
    other = run(3, 10, 90, deployment=ONE.deployment, flow=ONE.flow)
    starts = [started(ONE, worker="w1"), started(other, worker="w2")]
    said = {"deployment": ONE.deployment, "flow": ONE.flow}
    assert origins([*starts, line("c", 50, **said)], [ONE, other]) == {}
    assert origins([*starts, line("c", 50, worker="w2", **said)], [ONE, other]) == {"c": other.id}


def test_nothing_is_of_a_run_before_it_was_created():
    """Prefect gives also a run a start that was cancelled as soon as it was made: it never had a process."""
    later = run(1, 100, None)
    lines = [
        line(name, at, port=port, number=0, deployment=later.deployment, route="GET /deployments/{id}")
        for name, at, port in (("a", 90, 7), ("b", 97, 8))
    ]
    assert origins(lines, [later]) == {"b": later.id}
