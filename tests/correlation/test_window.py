"""The last method: a header, and the only run of that client that was there. Nothing is said where it is a guess."""

import json
from dataclasses import replace

import pytest

from bench.correlate import recording, score
from lpaudit.correlation import Confidence, Facts, Method, Relation, links, shipped
from tests.correlation.made import SECOND, T, facts, line, made, run, said, started
from tests.correlation.recorded import SAMPLES

ONE, OTHER = run(1, 10, 60), run(2, 10, 60)
SILENT = {"route": "GET /nothing/that/is/known"}  # of which no sequence tells
FLOW = {**SILENT, "flow": ONE.flow}


def window(lines, runs=(ONE, OTHER)):
    """What is said of the line `x`: the run, or None."""
    (told,) = said([*lines], [*runs]).get("x", {None})
    if told is None:
        return None
    relation, of, method, confidence = told
    assert (relation, method, confidence) == ("origin", "window", "weak")
    return of


def test_the_only_run_of_a_flow_is_told_as_weak_with_how_many_there_were():
    lines = [started(ONE), started(OTHER), line("x", 20, **FLOW)]
    assert window(lines) == ONE.id
    (link,) = [link for link in made(lines, [ONE, OTHER]) if link.line_id == "x"]
    assert json.loads(link.evidence) == {"candidates": 1, "runs": 2}
    its = line("o", 15, client="192.0.2.9", named=(OTHER.id,), deployment=OTHER.deployment)
    elsewhere = [
        started(ONE),
        its,
        replace(its, line_id="p", begin=its.begin + 9 * SECOND),
        line("x", 20, **FLOW),
    ]
    (link,) = [link for link in made(elsewhere, [ONE, OTHER]) if link.line_id == "x"]
    assert json.loads(link.evidence) == {"candidates": 1, "runs": 1}


def test_of_two_runs_of_a_flow_neither_is_told():
    same = replace(OTHER, flow=ONE.flow)
    assert window([started(ONE), started(same), line("x", 20, **FLOW)], (ONE, same)) is None
    gone = replace(same, end=T + 15 * SECOND)
    assert window([started(ONE), started(gone), line("x", 20, **FLOW)], (ONE, gone)) == ONE.id
    not_yet = replace(same, begin=T + 45 * SECOND, start=T + 46 * SECOND)
    assert window([started(ONE), line("x", 20, **FLOW)], (ONE, not_yet)) == ONE.id
    never = replace(same, start=None, end=None)  # it may have a process that never got so far
    assert window([started(ONE), line("x", 20, **FLOW)], (ONE, never)) is None


def test_a_client_that_has_only_one_run_is_not_told_to_be_it_without_a_header():
    assert window([started(ONE), line("x", 20, **SILENT)], (ONE,)) is None


@pytest.mark.parametrize("who", [{"client": "192.0.2.9"}, {"user": "bob"}, {"worker": "w2"}])
def test_another_client_is_not_told_to_be_the_run(who):
    assert window([started(ONE, worker="w1"), line("x", 20, **FLOW, **who)]) is None


def test_a_process_is_there_since_its_run_is_due_also_where_it_starts_slowly():
    slow = run(1, 50, 60, begin=ONE.begin)
    header = {**SILENT, "deployment": ONE.deployment}
    assert window([started(slow), line("x", 12, **header)], (slow, OTHER)) == ONE.id
    assert window([started(slow), line("x", 4, **header)], (slow, OTHER)) is None
    assert window([started(slow), line("x", 66, **header)], (slow, OTHER)) is None


def test_a_process_that_showed_itself_early_is_there_until_its_run_has_ended():
    showed = line("s", 20, named=(ONE.id,), deployment=ONE.deployment)
    for at, told in ((40, ONE.id), (62.5, ONE.id), (63.5, None)):
        assert window([showed, line("x", at, **FLOW)], (ONE,)) == told


def test_a_connection_of_several_and_one_after_the_last_sync_say_nothing():
    mixed = [line("x", 20, port=7, **FLOW), line("y", 20.1, port=7, number=1, user="bob")]
    assert window([started(ONE), *mixed]) is None
    going = replace(ONE, end=None)
    late = facts([started(going), line("x", 20, **FLOW)], [going])
    assert [each.line_id for each in links(late, shipped())][-1] == "x"
    cut = replace(late, horizon=T + 15 * SECOND)
    assert "x" not in {each.line_id for each in links(cut, shipped())}
    headed = facts([started(going), line("x", 16.5, **SILENT, deployment=ONE.deployment)], [going])
    assert "x" in {each.line_id for each in links(headed, shipped())}
    cut = replace(headed, horizon=T + 15 * SECOND)
    assert "x" not in {each.line_id for each in links(cut, shipped())}


def test_it_is_right_on_what_was_recorded_also_where_times_are_in_whole_seconds():
    recorded = recording(SAMPLES, "audit.log.gz", "audit.truth.csv.gz", ["worker-ml"])
    for of in (recorded, replace(recorded, facts=whole_seconds(recorded.facts))):
        found = [link for link in links(of.facts, shipped()) if link.method is Method.WINDOW]
        assert {(link.relation, link.confidence) for link in found} == {(Relation.ORIGIN, Confidence.WEAK)}
        told = score(of, found)
        assert told.links > 25
        assert told.precision >= 0.95


def whole_seconds(of: Facts) -> Facts:
    def cut(lines):
        return [replace(x, begin=x.begin // SECOND * SECOND, end=x.end // SECOND * SECOND) for x in lines]

    return replace(of, lines=cut(of.lines), starts=cut(of.starts))
