"""Bit by bit or at once: the links that hold are the same."""

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from deltalake import DeltaTable

from lpaudit import pipeline, sync
from lpaudit import store as room
from lpaudit.correlate import _HOUR, _MANY, _due, _Last, _New, _spans
from lpaudit.correlation import links, read, read_runs, shipped
from tests.correlation.recorded import Taken, lines, records, unique

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


def test_a_snapshot_as_an_earlier_one_makes_that_one_hold_again(tmp_path, log):
    """It adds no rows: only its record says that Prefect says so again."""
    store = Taken(tmp_path)
    store.log(b"".join(log[:300]))
    runs = records("flow_runs", stretched=True)
    folders = []
    for number, more in enumerate(({}, {"deployment_id": None, "start_time": None}, {})):
        data = (json.dumps([{**run, **more} for run in runs]) + "\n").encode()
        folder = tmp_path / f"dump{number}"
        folder.mkdir()
        (folder / "flow_runs.json").write_bytes(data)
        told = {
            "sync_id": f"s{number}",
            "table_name": "flow_run",
            "snapshot_id": sha256(data).hexdigest(),
            "complete": True,
            "fetched_at": store.now().isoformat(),
            "records": len(runs),
            "missing": [],
            "lpaudit_version": "1",
            **dict.fromkeys(("started_at", "window_start", "window_end")),
        }
        (folder / "snapshots.json").write_text(json.dumps([told]))
        folders.append(folder)
    held = []
    for folder in folders:
        sync.from_dump(store.root, folder, now=store.now, unique=lambda: next(unique))
        store.correlate()
        held.append(store.links())
    assert store.select("select count(distinct snapshot_id) from flow_run") == [(2,)]
    assert held[0] == held[2] != held[1]
    assert store.correlate(everything=True).added == 0


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


@pytest.fixture
def half(tmp_path, log):
    """A store with half of the log, and with its records: correlated."""
    store = Taken(tmp_path)
    store.log(b"".join(log[:600]))
    store.sync(**dump("flow_runs", "task_runs", "events"))
    store.correlate()
    return store


def test_what_comes_late_or_by_a_clock_that_was_set_back_is_found(half, log):
    """New is what a later version of a table added, whenever it says that it was taken in."""
    half.time -= timedelta(days=30)
    half.log(b"".join(log[600:]))
    assert half.correlate().lines > 0
    half.time -= timedelta(days=30)
    half.sync(**dump("deployments"), flow_runs=[{**one, "name": "x"} for one in records("flow_runs")[:3]])
    half.correlate()
    held = half.links()
    assert half.correlate(everything=True).added == 0
    assert half.links() == held


def test_a_few_new_lines_do_not_make_all_of_them_due(half, log):
    half.log(log[-1])
    looked_at = half.correlate().lines
    assert 0 < looked_at < 400
    assert half.correlate().lines == 0


def test_compaction_makes_nothing_new(half, log):
    for one in log[600:608]:
        half.log(one)
    half.correlate()
    (before,) = half.select("select versions from correlation order by made_at desc limit 1")[0]
    done = pipeline.compact(half.root, keep_replaced=0, unique=lambda: next(unique))
    assert done.tables["access_event"].files >= 8
    result = half.correlate()
    assert (result.lines, result.again) == (0, "")
    (after,) = half.select("select versions from correlation order by made_at desc limit 1")[0]
    assert json.loads(before)["access_event"] < json.loads(after)["access_event"]
    # What came before a compaction that is looked at after it is new all the same.
    for one in log[608:616]:
        half.log(one)
    pipeline.compact(half.root, keep_replaced=0, unique=lambda: next(unique))
    assert half.correlate().lines > 0
    assert half.correlate(everything=True).added == 0


@pytest.mark.parametrize("table", ["access_event", "flow_run"])
def test_where_the_log_no_longer_tells_everything_is_looked_at_again_and_that_is_said(half, log, table):
    half.log(b"".join(log[600:]))
    half.sync(flow_runs=[{**one, "name": "x"} for one in records("flow_runs", stretched=True)])
    DeltaTable(f"{half.root}/{table}").create_checkpoint()
    for entry in (Path(half.root) / table / "_delta_log").glob("0*.json"):
        entry.unlink()
    result = half.correlate()
    assert result.again.startswith(f"the log of {table} does not tell what came after version")
    assert result.lines == len(log)
    assert half.correlate(everything=True).added == 0


def test_a_commit_that_does_not_say_which_times_it_holds_makes_everything_due(half, log, monkeypatch):
    def silent(*about):
        return [replace(each, bounds={}) for each in room.added(*about)]

    half.log(log[-1])
    with monkeypatch.context() as patch:
        patch.setattr("lpaudit.correlate.store", SimpleNamespace(**{**vars(room), "added": silent}))
        result = half.correlate()
    assert "does not say which times" in result.again
    assert result.lines == 601


def test_hours_of_many_lines_are_read_one_by_one_and_all_hours_once():
    """What is in memory together is bounded by lines, not by hours: those of the neighbouring hours count."""
    at = datetime(2026, 11, 23, tzinfo=UTC)
    hours = [at + timedelta(hours=n) for n in range(24) if n not in {5, 17}]
    for lines_of, longest in ((0, 6), (1000, 6), (_MANY // 3 + 1, 1), (_MANY // 5 + 1, 3), (_MANY, 1)):
        spans = list(_spans(hours, dict.fromkeys(hours, lines_of)))
        read = [start + timedelta(hours=n) for start, end in spans for n in range((end - start) // _HOUR)]
        assert read == hours
        assert max((end - start) // _HOUR for start, end in spans) == longest


def test_new_lines_make_their_hours_and_those_beside_them_due():
    at = datetime(2026, 11, 23, tzinfo=UTC)
    rows = [{"hour": at + timedelta(hours=n), "lines": n} for n in range(24)]
    last = _Last({}, at)

    def due(low, high):
        period = tuple(at + timedelta(hours=hours) for hours in (low, high))
        table = SimpleNamespace(to_pylist=lambda: rows)
        hours, counts = _due(lambda *_: table, _New([period], {}), last, at)
        assert counts == {row["hour"]: row["lines"] for row in rows}
        return [round((hour - at) / timedelta(hours=1)) for hour in hours]

    assert due(5, 5) == due(5.99, 5.99) == [4, 5, 6]
    assert due(5.99, 6) == [4, 5, 6, 7]
    assert due(0, 0.5) == [0, 1]
    assert due(7.5, 9.5) == [6, 7, 8, 9, 10]
    assert due(30, 40) == []
