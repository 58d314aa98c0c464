"""A report copies its period's lines: every answer is the one that the whole store gives, and little is read."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from report.small import RUN, line

from lpaudit import focus, ingest, pipeline, query, report, routes
from lpaudit.errors import QueryError, StoreError
from lpaudit.model import Escaping, LogFormat, Observer, Period
from lpaudit.report.check import named_parameters
from lpaudit.schema import tables
from lpaudit.store import open_store

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PERIOD = Period(NOON, NOON + timedelta(hours=6))
TIMELESS = '192.0.2.7 prefect.example alice "GET /api/health HTTP/1.1" 200 22'
NO_TIME = LogFormat("custom-00000001", '%h %V %u "%r" %s %b', Escaping.DEFAULT, ZoneInfo("UTC"))
PATHS = (
    f"POST /api/flow_runs/{RUN}/set_state",
    "DELETE /api/deployments/0a000000-0000-4000-8000-000000000001",
    "GET /api/%62lock_documents/0a000000-0000-4000-8000-000000000001",
    "POST /prefect/api/flows/filter",
    "GET /api/../../etc/passwd?token=abcdefghijklmnop",
    "BREW /nowhere/%2e%2e/x",
)


def _lines(day, hours):
    """Lines of each of the hours, with every path, and a line that nobody can read."""
    for hour in hours:
        for minute, request in enumerate(PATHS):
            user = ("alice", "bob", "-")[minute % 3]
            status = (200, 204, 401, 403, 404)[(minute + hour) % 5]
            yield line(
                f"{day}/Nov/2026:{hour:02d}:{minute:02d}:30",
                request,
                status,
                user=user,
                client=f"192.0.2.{minute}",
            )
        yield "garbage"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A file of lines for each of three days, of which the middle one has the period; and lines without times."""
    folder = tmp_path_factory.mktemp("focus")
    unique = map("{:032x}".format, itertools.count(1))
    logs = {f"day{day}": list(_lines(day, range(24))) for day in (22, 23, 24)} | {"timeless": [TIMELESS] * 3}
    for name, lines in logs.items():
        (folder / f"{name}.log").write_text("".join(f"{text}\n" for text in lines))
        format_of = (lambda _: NO_TIME) if name == "timeless" else None
        options = ingest.IngestOptions("gw1", format_of, ZoneInfo("UTC"), 1 << 20)
        result = ingest.ingest(
            str(folder / "store"),
            [str(folder / f"{name}.log")],
            options,
            Observer(),
            now=lambda: datetime(2026, 11, 25, tzinfo=UTC),
            unique=lambda: next(unique),
        )
        assert not result.errors
    return folder / "store"


@pytest.fixture
def focused(store, tmp_path):
    """Open connections over the period's lines, closed again in the end."""
    opened = []

    def connect(period=PERIOD, *, by_duckdb=True, copied=True):
        target = open_store(str(store))
        table = target.table(focus.LINES)
        read = target.readable if by_duckdb else lambda name, _, files: target.dataset_of(name, files)
        what = focus.Focus(
            period,
            target.timed_files(focus.LINES, table),
            lambda files: read(focus.LINES, table, files),
            tmp_path / f"period{len(opened)}.duckdb",
        )
        datasets = pipeline._datasets(target, {name: target.table(name) for name in tables()})
        datasets[focus.LINES] = what.readable([file.path for file in what.files])
        opened.append(query.connect(datasets, target_unreadable, focused=what, copied=copied))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def target_unreadable(error):
    return StoreError(f"cannot read: {error}")


def _asked(check, period):
    values = {"start": period.start, "end": period.end} | {p.name: p.default for p in check.parameters}
    for sql in (check.population, check.sql):
        yield sql, {name: values[name] for name in named_parameters(sql, check.file)}


def test_every_check_has_the_same_answer(store, focused):
    near = focused()
    not_copied = set()
    with pipeline.opened(str(store)) as (far, _):
        for name in sorted(report.checks()):
            for sql, values in _asked(report.load_check(name), PERIOD):
                expected = far.select(sql, values)
                try:
                    answer = near.select(sql, values)
                except QueryError:
                    not_copied.add(name)
                    continue
                assert answer.equals(expected), name
    # What is not copied few ask for: if these become many, reports become slow.
    assert not_copied == {"path-traversal"}


def test_the_copy_has_no_name_that_could_be_left_behind(focused, tmp_path):
    """Whoever is killed leaves no lines of the log in a temporary directory."""
    near = focused()
    assert near.select("select count(*) as n from access").column("n")[0].as_py() > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by_duckdb", [True, False])
def test_lines_around_the_period_and_without_time_are_there(store, focused, by_duckdb):
    near = focused(by_duckdb=by_duckdb)
    everything = 'select count(*) as n, count(time) as timed, count(distinct "user") as users from access'
    by_route = "select route, action, resource_id, count(*) as n from access group by all order by all"
    ids = "select line_id, time, path, status from access order by line_id"
    with pipeline.opened(str(store)) as (far, _):
        for sql in (everything, by_route, ids):
            assert near.select(sql).equals(far.select(sql))
    assert near.select(everything).to_pylist()[0]["n"] == 3 * 24 * len(PATHS) + 3
    inside = near.duckdb.execute("select count(*) from focus.line").fetchone()
    assert inside == (6 * len(PATHS),)


def test_of_a_period_nothing_else_is_read(focused):
    near = focused()
    times = {"start": PERIOD.start, "end": PERIOD.end}

    def scans(where):
        sql = f"select count(*) as n from access where {where} and status < 500"
        [[_, plan]] = near.duckdb.execute(f"explain {sql}", times).fetchall()
        [[answer]] = near.duckdb.execute(sql, times).fetchall()
        return plan.upper().count("READ_PARQUET"), plan.count("focus.main.line"), answer

    lines = len(PATHS)
    assert scans("time >= $start and time < $end") == (0, 1, 6 * lines)
    assert scans("time >= $start - to_hours(6) and time < $end") == (1, 1, 12 * lines)
    assert scans("time >= $start - to_days(2) and time < $end") == (2, 1, 42 * lines)
    assert scans("time < $start and time >= $start - to_hours(1) and $end > $start") == (1, 0, lines)


@pytest.mark.parametrize("copied", [True, False])
def test_a_question_reads_once_how_a_route_is_found_however_far_lines_go_back(focused, copied):
    """It is the longest part of the view, and for each of a hundred questions DuckDB reads all of it."""
    connection = focused(copied=copied).duckdb
    [[_, plan]] = connection.execute("explain select route, time from access").fetchall()
    assert plan.upper().count("READ_PARQUET") > 2
    [[views]] = connection.execute(
        "select string_agg(sql) from duckdb_views() where sql ilike '%from%stretch_%'"
    ).fetchall()
    assert views.count("prefect_operation(") == (
        1 if copied else 2
    )  # the second one is for lines without a time


def test_what_was_not_copied_is_read_from_the_files_of_its_time_and_no_others(focused, store):
    apart = focused(copied=False)
    sql = "select count(*) as n from access where url_original like '%passwd%' and time >= $start and time < $end"
    times = {"start": PERIOD.start, "end": PERIOD.end}
    [[_, plan]] = apart.duckdb.execute(f"explain {sql}", times).fetchall()
    assert plan.upper().count("READ_PARQUET") == 1
    assert apart.select(sql, times).to_pylist() == [{"n": 6}]
    with pipeline.opened(str(store)) as (far, _):
        for where in ("true", "time is null", "time < $start and $end > $start"):
            asked = f"select route, url_original, count(*) as n from access where {where} group by all order by all"
            given = times if "$" in where else {}
            assert apart.select(asked, given).equals(far.select(asked, given))


@pytest.mark.parametrize(
    "error",
    [
        duckdb.InterruptException("INTERRUPT Error: Interrupted!"),
        RuntimeError("Query interrupted"),
        # What DuckDB says when it had asked Python for rows.
        duckdb.InvalidInputException("Invalid Input Error: Python exception occurred: KeyboardInterrupt: "),
    ],
)
def test_ctrl_c_while_lines_are_copied_is_an_interruption(focused, error):
    with pytest.raises(KeyboardInterrupt), focused().explained():
        raise error


@pytest.mark.parametrize(
    "period",
    [
        Period(NOON, NOON),
        Period(NOON + timedelta(400), NOON + timedelta(500)),
        Period(datetime(1, 1, 1, tzinfo=UTC), NOON),
        Period(NOON, datetime(9999, 12, 31, tzinfo=UTC)),
    ],
    ids=["nothing", "future", "ever before", "ever after"],
)
def test_any_period_can_be_looked_at(store, focused, period):
    near = focused(period)
    counted = "select count(*) filter (where time >= $start and time < $end) as n, count(*) as of from access"
    with pipeline.opened(str(store)) as (far, _):
        times = {"start": period.start, "end": period.end}
        assert near.select(counted, times).equals(far.select(counted, times))


def test_files_without_statistics_may_hold_any_time(store):
    target = open_store(str(store))
    files = target.timed_files(focus.LINES, target.table(focus.LINES))
    assert sorted((f.rows, f.timeless) for f in files) == [(3, True), *[(24 * (len(PATHS) + 1), True)] * 3]
    from lpaudit.store.tables import _timed

    unknown = _timed("t", {"num_records": 5, "path": "x"})
    assert unknown.timeless
    assert unknown.touches(Period(NOON, NOON + timedelta(seconds=1)))


def test_a_locked_connection_reads_these_files_and_no_others(store, focused, tmp_path):
    near = focused()
    other = tmp_path / "other.csv"
    other.write_text("secret\n1\n")
    marker = store / "lpaudit-store.json"
    for path in (
        other,
        marker if marker.exists() else next(p for p in store.iterdir() if p.is_file()),
        Path("/etc/passwd"),
    ):
        for function in ("read_text", "read_blob", "read_csv"):
            with pytest.raises(QueryError, match=r"(?i)permission|disabled|not allowed"):
                near.select(f"select * from {function}('{path}')")
    for sql in (
        f"attach '{tmp_path}/x.db'",
        f"copy (select 1) to '{tmp_path}/x.csv'",
        "set enable_external_access = true",
    ):
        with pytest.raises(QueryError):
            near.select(sql)


def test_a_question_of_the_whole_store_is_read_by_duckdb_itself_and_not_by_arrow(store):
    """The last ten of some million lines took more memory than there was."""
    with pipeline.opened(str(store)) as (connection, _):
        [[_, plan]] = connection.duckdb.execute("explain select * from access order by time desc").fetchall()
        [last] = connection.select(
            "select time from access order by time desc nulls last limit 1"
        ).to_pylist()
    assert "READ_PARQUET" in plan.upper()
    assert "ARROW_SCAN" not in plan.upper()
    assert last["time"] == datetime(2026, 11, 24, 23, 5, 30, tzinfo=UTC)


def test_what_was_not_copied_is_asked_of_the_store(store, focused):
    with pipeline.opened(str(store)) as (far, _):
        select = query.either(focused(), far)
        assert select(
            "select count(*) as n from access where url_original like '%passwd%'", {}
        ).to_pylist() == [{"n": 72}]
        with pytest.raises(QueryError, match="no_such_column"):
            select("select no_such_column from access", {})


def test_prefixes_hold_for_the_copy_too(store, tmp_path):
    target = open_store(str(store))
    table = target.table(focus.LINES)
    what = focus.Focus(
        PERIOD,
        target.timed_files(focus.LINES, table),
        lambda f: target.readable(focus.LINES, table, f),
        tmp_path / "p.duckdb",
    )
    near = query.connect(
        {focus.LINES: what.readable([f.path for f in what.files])}, None, ("/prefect/api",), focused=what
    )
    try:
        found = near.select("select distinct route from access where route is not null")
        assert found.to_pylist() == [{"route": "/flows/filter"}]
    finally:
        near.close()
    assert routes.PREFIXES != ("/prefect/api",)
