"""Bit by bit or at once: the links that hold are the same."""

import itertools
import random
from datetime import timedelta

import pytest

from lpaudit import pipeline
from lpaudit.correlation import links, read, read_runs, shipped
from tests.correlation.recorded import Taken, lines, records

SECONDS = 80  # nine pieces of 9 s, over three hours and a half
OTHERS = ("task_runs", "deployments", "flows")


def dump(*names):
    return {name: records(name, stretched=True) for name in names}


@pytest.fixture(scope="module")
def log():
    return lines(SECONDS, stretched=True)


@pytest.fixture(scope="module")
def at_once(log, tmp_path_factory):
    """Everything there, and correlated once."""
    store = Taken(tmp_path_factory.mktemp("at_once"))
    store.log(b"".join(log))
    store.sync(**dump("flow_runs", "events", *OTHERS))
    result = store.correlate()
    assert result.added == result.links > 500
    return store


def test_it_is_over_several_hours(at_once):
    ((hours,),) = at_once.select(
        "select count(distinct date_trunc('hour', time)) from access_run where relation = 'origin'"
    )
    assert hours >= 4


def test_again_adds_nothing(at_once):
    rows = at_once.select("select count(*) from flow_run_link")
    assert at_once.correlate().added == 0
    again = at_once.correlate(everything=True)
    assert (again.added, again.lines) == (0, len(lines(SECONDS, stretched=True)))
    assert at_once.select("select count(*) from flow_run_link") == rows


def test_each_hour_is_judged_by_its_own_surroundings(at_once):
    """What else is read beside an hour and its neighbours makes no difference."""
    hour = timedelta(hours=1)
    with pipeline.opened(at_once.root) as (connection, _):
        ((first,), *_) = at_once.select("select min(date_trunc('hour', time)) from access")
        wide = read(connection.select, read_runs(connection.select), first - hour, first + 8 * hour)
        for start in (first + n * hour for n in range(5)):
            narrow = read(connection.select, read_runs(connection.select), start - hour, start + 2 * hour)
            low, high = (round(time.timestamp()) * 1_000_000 for time in (start - hour, start + 2 * hour))
            cut = wide.within(low, high)
            assert set(cut.lines) == set(narrow.lines)
            assert cut.runs == narrow.runs
            assert set(cut.starts) == set(narrow.starts)
            for facts in (cut.events, narrow.events):
                for events in facts.values():
                    events.sort()
            assert {k: v for k, v in cut.events.items() if v} == narrow.events
            assert links(cut, shipped()) == links(narrow, shipped())


@pytest.mark.parametrize("seed", range(2))
def test_a_log_in_pieces_and_late_records_end_in_the_same_links(at_once, log, tmp_path, seed):
    rng = random.Random(seed)
    cuts = [0, *sorted(rng.sample(range(1, len(log)), 3)), len(log)]
    pieces = [b"".join(log[a:b]) for a, b in itertools.pairwise(cuts)]
    if seed:
        rng.shuffle(pieces)  # rotated files that are taken in late
    runs = list(records("flow_runs", stretched=True))
    rng.shuffle(runs)
    unfinished = [{**run, "end_time": None, "state_name": "Running"} for run in runs[: len(runs) // 2]]
    store = Taken(tmp_path)
    store.log(pieces[0])
    store.correlate()  # nothing is known yet
    store.sync(flow_runs=unfinished)
    store.correlate()
    store.log(pieces[1])
    store.correlate()
    store.log(pieces[2])
    store.sync(flow_runs=runs)  # more of them, and those have ended
    store.correlate()
    store.log(pieces[3])
    store.correlate()
    store.sync(**dump("events"))
    store.correlate()
    store.sync(**dump(*OTHERS))
    store.correlate()
    assert store.links() == at_once.links()
    assert store.correlate().added == 0
    assert store.correlate(everything=True).added == 0


def test_what_is_no_longer_right_is_taken_back(tmp_path, log):
    store = Taken(tmp_path)
    store.log(b"".join(log[:500]))
    runs = records("flow_runs", stretched=True)
    store.sync(flow_runs=[{**run, "deployment_id": "x", "start_time": None} for run in runs])
    store.sync(flow_runs=runs)
    store.correlate()
    before = store.links()
    # Prefect says now that all of them had ended long ago: nobody can have been their process.
    ended = [
        {
            **run,
            "start_time": "2026-11-23T10:13:44Z",
            "end_time": "2026-11-23T10:13:45Z",
            "deployment_id": None,
        }
        for run in runs
    ]
    store.sync(flow_runs=ended)
    assert store.correlate().added > 0
    after = store.links()
    gone = before - after
    assert gone
    assert {link[4] for link in gone} == {"origin", "created"}
    back = store.select(
        "select distinct relation, root_flow_run_id, method, evidence from flow_run_link where flow_run_id is null"
    )
    assert set(back) == {("origin", None, None, None), ("created", None, None, None)}
    store.sync(flow_runs=runs[:-1])
    store.sync(flow_runs=[*runs, {**runs[0], "name": "again"}])
    store.correlate()
    assert store.links() == before


def test_a_clock_that_was_set_back_changes_nothing(tmp_path, log):
    store = Taken(tmp_path)
    store.log(b"".join(log[:400]))
    runs = records("flow_runs", stretched=True)
    store.sync(flow_runs=[{**run, "deployment_id": None} for run in runs])
    store.time += timedelta(days=365)
    store.correlate()
    store.time -= timedelta(days=364)
    store.sync(flow_runs=runs)
    store.time -= timedelta(days=1)
    assert store.correlate().added > 0
    held = store.links()
    assert store.correlate(everything=True).added == 0
    assert store.links() == held
    assert any(link[8:10] == ("deployment", "strong") for link in held)
