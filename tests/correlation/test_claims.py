"""Headers that name a flow run: whom to believe, and who is found out."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.correlation.made import claims, line, made, origins, run, said, started, uid
from tests.correlation.recorded import Taken, lines, records

ONE = run(1, 10, 60)
OTHER = run(2, 10, 60)


def forged(lines, runs=(ONE, OTHER)):
    """Why the line `x` is not believed. It must be said to be nobody's."""
    assert "x" not in origins(lines, list(runs))
    evidence = claims(lines, list(runs)).get("x")
    return None if evidence is None else json.loads(evidence)["forged"]


def test_a_claim_is_believed_from_whoever_started_the_run():
    lines = [started(ONE, worker="w1"), line("x", 20, run=ONE.id, worker="w1")]
    assert said(lines, [ONE, OTHER])["x"] == {("origin", ONE.id, "header", "exact")}


def test_a_websocket_without_an_identity_is_believed_for_its_address():
    silent = {"run": ONE.id, "user": None, "status": 401, "route": "GET /events/out"}
    assert origins([started(ONE), line("x", 20, **silent)], [ONE])["x"] == ONE.id
    assert "address" in forged([started(ONE), line("x", 20, client="192.0.2.9", **silent)])


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"user": "bob"}, "the run's identity is another: worker"),
        ({"client": "192.0.2.9"}, "the run's address is another: 192.0.2.1"),
        ({"worker": "w2"}, "the run's worker is another: w1"),
        ({"deployment": OTHER.deployment}, "another deployment's header beside it"),
        ({"begin": ONE.begin - 60_000_000, "end": ONE.begin - 59_000_000}, "the run did not exist yet"),
        ({"begin": ONE.end + 900_000_000, "end": ONE.end + 900_000_001}, "the run had ended"),
    ],
)
def test_a_claim_that_cannot_be_is_told_and_never_an_origin(lie, why):
    assert forged([started(ONE, worker="w1"), line("x", 20, **{"run": ONE.id, **lie})]) == why


@pytest.mark.parametrize(
    "name", [uid(99), "{{ ctx.flow_run.id }}", "$PREFECT__FLOW_RUN_ID", "aaa, bbb", "", "\x1b"]
)
def test_a_name_of_no_run_says_nothing(name):
    lines = [started(ONE), line("x", 20, run=name, user="bob")]
    assert "x" not in said(lines, [ONE])


def test_a_claim_of_a_subflow_is_that_of_its_process():
    child = run(3, 20, 30, process=ONE.id, root=ONE.id, deployment=None)
    lines = [started(ONE), line("x", 25, run=child.id), line("y", 25, run=child.id, user="bob")]
    assert origins(lines, [ONE, child]) == {"x": ONE.id}
    assert claims(lines, [ONE, child]).keys() == {"y"}


def test_who_sends_more_does_not_win_over_who_started_the_run():
    mine = [line(f"m{n}", 20 + n, run=ONE.id) for n in range(3)]
    lies = [line(f"b{n}", 20 + n / 10, run=ONE.id, user="bob", client="192.0.2.9") for n in range(100)]
    lines = [started(ONE), *mine, *lies]
    assert origins(lines, [ONE]) == {one.line_id: ONE.id for one in mine}
    assert claims(lines, [ONE]).keys() == {one.line_id for one in lies}


def test_a_process_may_outlive_its_run_by_minutes():
    lines = [started(ONE), line("x", 300, run=ONE.id), line("y", 400, run=ONE.id)]
    assert "x" in origins(lines, [ONE])
    assert claims(lines, [ONE]).keys() == {"y"}


def test_who_set_the_state_five_seconds_off_did_not_start_it():
    state = {"route": "POST /flow_runs/{id}/set_state", "named": (ONE.id,), "user": "bob"}
    mine = [line(f"m{n}", 20 + n, run=ONE.id) for n in range(3)]
    for at in (4.9, 15):
        lines = [line("s", at, **state), *mine, line("x", 20, run=ONE.id, user="bob")]
        assert claims(lines, [ONE]).keys() == {"x"}


def test_where_the_start_is_not_in_the_log_who_claims_most_is_believed_but_not_for_sure():
    mine = [line(f"m{n}", 20 + n, run=ONE.id) for n in range(3)]
    lie = line("b", 21, run=ONE.id, user="bob")
    found = said([*mine, lie], [ONE])
    assert [found[one.line_id] for one in mine] == [{("origin", ONE.id, "header", "strong")}] * 3
    assert found["b"] == {("claim", ONE.id, "header", "weak")}


def test_without_an_identity_a_claim_is_not_sure_where_the_run_has_one():
    lines = [started(ONE), line("x", 20, run=ONE.id, user=None)]
    assert said(lines, [ONE])["x"] == {("origin", ONE.id, "header", "strong")}
    lines = [started(ONE, user=None), line("x", 20, run=ONE.id, user=None)]
    assert said(lines, [ONE])["x"] == {("origin", ONE.id, "header", "exact")}


THERE = {"user": "other", "client": "192.0.2.9", "worker": "w2"}
RETRIED = run(1, 10, 5000, starts=(ONE.start, ONE.start + 2000 * 1_000_000))


def test_a_run_that_is_retried_elsewhere_is_believed_there_and_here():
    lines = [
        started(RETRIED, worker="w1"),
        started(RETRIED, number=1, **THERE),
        line("first", 100, run=ONE.id, worker="w1"),
        line("early", 500, run=ONE.id, **THERE),  # before anybody can have started it there
        line("starting", 1900, run=ONE.id, **THERE),
        line("second", 2100, run=ONE.id, **THERE),
        line("still", 2200, run=ONE.id, worker="w1"),  # the first process may live on
        line("bob", 2300, run=ONE.id, user="bob", client="192.0.2.9", worker="w2"),
        line("mixed", 2300, run=ONE.id, **{**THERE, "client": "192.0.2.1"}),
    ]
    found = said(lines, [RETRIED])
    for name in ("first", "starting", "second", "still"):
        assert found[name] == {("origin", ONE.id, "header", "exact")}, name
    assert claims(lines, [RETRIED]).keys() == {"early", "bob", "mixed"}


def test_a_retry_of_whose_start_there_is_no_line_is_no_forgery_and_not_for_sure():
    lines = [
        started(RETRIED),
        line("x", 2100, run=ONE.id, **THERE),
        line("y", 500, run=ONE.id, **THERE),
        line("z", 2100, run=ONE.id),
    ]
    found = said(lines, [RETRIED])
    assert found["x"] == {("origin", ONE.id, "header", "strong")}
    assert found["z"] == {("origin", ONE.id, "header", "exact")}
    assert claims(lines, [RETRIED]).keys() == {"y"}


def test_a_retry_elsewhere_shows_itself_by_its_connections_too():
    header = {"route": "GET /flow_runs/{id}", "deployment": ONE.deployment}
    lines = [
        started(RETRIED),
        started(RETRIED, number=1, **THERE),
        line("a", 100, named=(ONE.id,), **header),
        line("b", 2100, named=(ONE.id,), **header, **THERE),
        line("c", 2101, **header, **THERE),
        line("d", 2101, named=(ONE.id,), **header, user="bob", client="192.0.2.9"),
    ]
    found = origins(lines, [RETRIED])
    assert (found["a"], found["b"], found["c"]) == (ONE.id, ONE.id, ONE.id)
    assert "d" not in found


def test_a_request_that_was_kept_open_around_the_start_makes_nobody_the_executor():
    slow = line("slow", 5, 30, route="POST /flow_runs/{id}/set_state", named=(ONE.id,), user="bob")
    lines = [slow, started(ONE), line("x", 20, run=ONE.id, user="bob"), line("y", 20, run=ONE.id)]
    assert forged(lines) == "the run's identity is another: worker"
    assert origins(lines, [ONE])["y"] == ONE.id


@pytest.mark.parametrize("status", [None, 401, 403, 404, 503])
def test_a_refused_set_state_makes_nobody_the_executor(status):
    refused = started(ONE, user="bob", status=status, line_id="refused")
    lines = [refused, started(ONE), line("x", 20, run=ONE.id, user="bob")]
    assert forged(lines) is not None


def test_a_set_state_at_another_time_makes_nobody_the_executor():
    state = {"route": "POST /flow_runs/{id}/set_state", "named": (ONE.id,), "user": "bob"}
    early = [line(f"s{at}", at, **state) for at in (7, 9.5, 10.5, 13, 20)]
    assert forged([*early, started(ONE), line("x", 20, run=ONE.id, user="bob")]) is not None


@pytest.mark.parametrize("header", [{"deployment": ONE.deployment}, {"flow": ONE.flow}])
@pytest.mark.parametrize("lie", [{"user": "bob"}, {"client": "192.0.2.9"}, {"worker": "w2"}])
def test_a_deployments_header_and_a_runs_id_do_not_make_a_stranger_its_process(header, lie):
    asks = line("x", 20, port=7, named=(ONE.id,), route="GET /flow_runs/{id}", **header, **lie)
    deletes = line("y", 21, port=7, number=1, route="DELETE /variables/name/{name}", **lie)
    honest = line("h", 20, named=(ONE.id,), route="GET /flow_runs/{id}", worker="w1", **header)
    found = origins([started(ONE, worker="w1"), asks, deletes, honest], [ONE, OTHER])
    assert found.get("h") == ONE.id
    assert not found.keys() & {"x", "y"}


def test_a_deployments_header_alone_does_not_make_a_stranger_its_process():
    lines = [started(ONE), line("x", 20, deployment=ONE.deployment, user="bob")]
    assert "x" not in origins(lines, [ONE])
    assert origins([*lines, line("h", 20, deployment=ONE.deployment)], [ONE])["h"] == ONE.id


def test_a_claim_is_also_a_request_about_what_its_path_names():
    lines = [started(ONE), line("x", 20, run=ONE.id, user="bob", named=(OTHER.id,))]
    assert said(lines, [ONE, OTHER])["x"] == {
        ("claim", ONE.id, "header", "weak"),
        ("target", OTHER.id, "path", "exact"),
    }


def test_evidence_holds_no_more_than_json():
    lines = [started(ONE, user='"\x1b[31m</script>'), line("x", 20, run=ONE.id, user="bob")]
    (link,) = [each for each in made(lines, [ONE]) if each.relation == "claim"]
    assert "\x1b" not in link.evidence
    json.loads(link.evidence)


def test_a_long_runs_executor_is_known_hours_later(tmp_path):
    """Who set a run to Running is looked for when that was, not only near the line that claims the run."""
    template = next(raw for raw in lines(80) if b"/set_state" in raw and b" st=201 " in raw)
    long, begin = records("flow_runs")[0], datetime(2026, 11, 23, 10, tzinfo=UTC)
    moment = {
        "start_time": begin,
        "created": begin,
        "expected_start_time": begin,
        "end_time": begin + timedelta(hours=9),
    }
    store = Taken(tmp_path)
    store.sync(flow_runs=[{**long, **{name: at.isoformat() for name, at in moment.items()}}])

    def wrote(hours, user, port, path="logs/"):
        at = round((begin + timedelta(hours=hours)).timestamp() * 1_000_000) - 5000
        raw = re.sub(
            rb"ts=\S+ end=\S+", b"ts=%d.%06d end=%d" % (at // 10**6, at % 10**6, at + 10_000), template
        )
        raw = re.sub(rb'user="[^"]*"', b'user="%s"' % user, re.sub(rb"rp=\d+", b"rp=%d" % port, raw))
        raw = re.sub(rb"/api/[^ \"]*", f"/api/{path}".encode(), raw)
        spelt = long["id"] if user == b"worker-etl" else long["id"].upper().replace("-", "")
        return raw.replace(b'frid="-"', b'frid="%s"' % spelt.encode())

    store.log(wrote(0, b"worker-etl", 5000, f"flow_runs/{long['id']}/set_state"))
    store.correlate()
    store.log(
        b"".join(wrote(6 + n / 100, b"bob", 5001 + n) for n in range(9)) + wrote(6.5, b"worker-etl", 6000)
    )
    store.log(
        wrote(3, b"worker-ml", 7000, f"flow_runs/{long['id']}/set_state") + wrote(8, b"worker-ml", 7001)
    )
    store.correlate()
    said = "select relation, \"user\", count(*) from access_run where relation <> 'target' group by all order by all"
    # Who sets a run to Running when Prefect knows of no start is nobody: it may be a forger.
    assert store.select(said) == [("claim", "bob", 9), ("claim", "worker-ml", 2), ("origin", "worker-etl", 2)]
    resource = {"prefect.resource.id": f"prefect.flow-run.{long['id']}"}
    retried = {"id": uid(5), "event": "prefect.flow-run.Running", "resource": resource}
    store.sync(events=[{**retried, "occurred": (begin + timedelta(hours=3)).isoformat()}])
    store.correlate()
    expected = [("claim", "bob", 9), ("origin", "worker-etl", 2), ("origin", "worker-ml", 2)]
    assert store.select(said) == expected
    store.correlate(everything=True)
    assert store.select(said) == expected
