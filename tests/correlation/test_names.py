"""Names in access_run are those of the time of the line, and no line is there twice because of them."""

from datetime import UTC, datetime, timedelta

from tests.correlation.recorded import Taken, lines, records


def renamed(rows, more):
    return [{**row, "name": f"{row['name']}{more}"} for row in rows]


def test_names_are_those_of_the_time_of_the_line(tmp_path):
    """Each piece of the stretched log is 25 minutes after the one before; everything was renamed in between."""
    store = Taken(tmp_path)
    store.log(b"".join(lines(80, stretched=True)))
    tables = {name: records(name, stretched=True) for name in ("flow_runs", "flows", "deployments")}
    store.time, middle = (
        datetime(2026, 11, 23, 10, 10, tzinfo=UTC),
        datetime(2026, 11, 23, 11, 30, tzinfo=UTC),
    )
    store.sync(**tables)
    store.time = middle
    store.sync(**{name: renamed(rows, "-new") for name, rows in tables.items()})
    store.correlate()
    rows = store.select(
        "select time, flow_run_name, root_flow_run_name, flow_name, deployment_name from access_run"
    )
    seen = set()
    for time, *names in rows:
        now = time >= middle + timedelta(minutes=1)  # the store's clock goes on by a minute for each sync
        assert {name.endswith("-new") for name in names if name is not None} == {now}
        seen.add(now)
    assert seen == {True, False}
    assert any(None not in names for _, *names in rows)


def test_before_the_first_record_it_is_the_first_name(tmp_path):
    store = Taken(tmp_path)
    store.log(b"".join(lines(80)))
    runs = [{**one, "created": None} for one in records("flow_runs")]
    store.sync(flow_runs=renamed(runs, " first"))
    store.sync(flow_runs=renamed(runs, " second"))
    store.correlate()
    assert store.select("select count(*), min(time) < '2026-11-24' from access_run")[0][1]
    names = store.select("select distinct flow_run_name from access_run")
    assert len(names) > 5
    assert all(name.endswith(" first") for (name,) in names)


def test_two_records_of_one_moment_make_no_line_twice(tmp_path):
    store = Taken(tmp_path)
    store.log(b"".join(lines(40)))
    now = store.time
    for more in ("", " a", " b"):
        store.time = now
        store.sync(flow_runs=renamed(records("flow_runs"), more), flows=renamed(records("flows"), more))
    store.correlate()
    assert store.select("select count(*) from access_run") == store.select(
        "select count(*) from flow_run_link where flow_run_id is not null"
    )
