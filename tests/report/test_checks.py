"""Each check against a store of which the right answer is known: counted here, by other means."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from report.small import DAY, OTHER, RUN, gap, line

from lpaudit.model import Period
from lpaudit.routes import catalogue
from lpaudit.schema import tables

READS = [
    "GET /api/flows/1",
    "HEAD /api/health",
    "OPTIONS *",
    "POST /api/flow_runs/filter",
    "POST /api/flow_runs/count",
    "POST /api/flow_runs/paginate",
    "POST /api/flow_runs/history",
    "POST /api/work_pools/proc/get_scheduled_flow_runs",
    "POST /api/work_pools/proc/workers/heartbeat",
    "POST /api/logs/",
    "POST /api/events",
    "GET /api/csrf-token?client=x",
]
WRITES = ["POST /api/flow_runs/", "PUT /api/x", "PATCH /api/variables/name/filter", "POST /api/variables/"]
DELETES = ["DELETE /api/flows/1", "POST /api/flow_runs/bulk_delete"]
OTHERS = ["PROPFIND /", "CONNECT x:1"]


def at(hour, minute=0, second=0):
    return datetime(2026, 11, 23, hour, minute, second, tzinfo=UTC)


def test_the_result_counts_the_store_and_the_period(store_of):
    store = store_of(
        one=[line("10:00:00", "GET /", user="alice"), "garbage", line("22/Nov/2026:23:59:59", "GET /")],
        two=[line("10:59:59", "GET /", 401), line("00:00:00", "GET /", 429, user="bob"), ""],
        three=[line("24/Nov/2026:00:00:00", "GET /", user="carol")],
    )
    figures = {row["figure"]: row["value"] for row in store.rows("result-in-numbers")}
    assert figures == {
        "sources": 3,
        "lines": 7,
        "access": 5,
        "quarantine": 2,
        "without_time": 0,
        "in_period": 3,
        "identities": 2,
        "unauthenticated": 1,
        "denied": 2,
        "hours": 24,
        "silent_hours": 22,
        "api": 0,
        "unmatched": 0,
        "catalogue": catalogue().version,
        "purged": 0,
    }


def test_sources_reconcile(store_of):
    lines = [
        line("10:00:00", "GET /"),
        "garbage",
        line("11:00:00", "GET /"),
        line("25/Nov/2026:00:00:00", "GET /"),
    ]
    [row] = store_of(access=lines).rows("sources")
    assert (row["lines"], row["access"], row["quarantine"], row["difference"]) == (4, 3, 1, 0)
    assert (row["bytes"], row["missing_bytes"]) == (sum(len(text) + 1 for text in lines), 0)
    assert (row["in_period"], row["without_time"], row["host"]) == (2, 0, "gw1")
    assert (row["first_time"], row["last_time"]) == (at(10), datetime(2026, 11, 25, tzinfo=UTC))


def test_a_source_of_rejected_lines_after_a_good_one_reconciles(store_of):
    rows = store_of(a=[line("10:00:00", "GET /")], b=[line("10:00:01", "GET /"), *["x"] * 5]).rows("sources")
    assert [(r["access"], r["quarantine"]) for r in rows] == [(1, 0), (1, 5)]


def test_no_source_is_unreconciled_when_all_is_well(store_of):
    result = store_of(a=[line("10:00:00", "GET /"), "x"], b=[line("10:00:01", "GET /")]).result(
        "unreconciled-sources"
    )
    assert (result.rows.num_rows, result.population) == (0, 2)


@pytest.mark.parametrize(
    "change", ["where byte_offset > 0", "union all select * from log_line where byte_offset = 0"]
)
def test_a_lost_or_doubled_line_is_unreconciled(store_of, change):
    store = store_of(a=[line("10:00:00", "GET /"), "x", line("10:00:01", "GET /")])
    query = store.result("unreconciled-sources").check.sql
    [segment] = [view.sql for view in tables()["access_event"].views if view.name == "segment"]
    segments = segment.replace("from log_line", f"from (select * from log_line {change})")
    assert segments != segment
    broken = query.replace("from segment", f"from ({segments})")
    assert broken != query
    assert store.select(broken, {}).num_rows == 1


def test_segments_can_be_recomputed_from_the_source(store_of, tmp_path):
    [row] = store_of(access=[line("10:00:00", "GET /"), "x"]).rows("segments")
    data = (tmp_path / "access.log").read_bytes()
    start, length = int(row["start"]), int(row["length"])
    assert sha256(data[start : start + length]).hexdigest() == row["sha256"]
    assert (start, length, row["lines"], row["access"], row["quarantine"]) == (0, len(data), 2, 1, 1)


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        ("10:00", "10:30", True),
        ("2026-11-22T23:00", "00:00", True),  # its end is the period's first moment
        ("2026-11-22T23:00", "2026-11-22T23:59", False),
        ("2026-11-22T23:00", "2026-11-25T00:00", True),
        ("2026-11-24T00:00", "2026-11-24T01:00", False),  # the period's end does not belong to it
        ("23:59", "2026-11-24T01:00", True),
        (None, "10:00", True),
        (None, "2026-11-22T23:00", False),
        ("10:00", None, True),
        ("2026-11-24T00:00", None, False),
        (None, None, True),
    ],
)
def test_a_gap_counts_for_the_period_that_it_overlaps(store_of, start, end, counts):
    result = store_of(a=[line("10:00:00", "GET /")], gaps=[gap(start, end)]).result("coverage-gaps")
    assert result.rows.num_rows == counts
    assert result.population == 2, "the source that is stored, and the one of which nothing is"


def test_gaps_say_what_is_known_of_them_and_whether_they_were_closed(store_of, tmp_path):
    lines = [line("10:00:00", "GET /")]
    known = (
        store_of(a=lines).select("select distinct source_id from access_event", {})["source_id"][0].as_py()
    )
    closed = gap("11:00", "12:00", source_id=known, from_offset=0)
    rows = store_of(a=lines, gaps=[closed, gap(None, "10:00", bytes=None)]).rows("coverage-gaps")
    assert [(r["from"], r["to"], r["bytes"], r["open"]) for r in rows] == [
        (None, at(10), None, True),
        (at(11), at(12), 45534, False),
    ]
    assert rows[0] | {"from": None, "to": None} == {
        "source": "/var/log/lighttpd/access.log",
        "source_id": "3f9a2c01b7d4e6f8",
        "host": "gw1",
        "from": None,
        "to": None,
        "bytes": None,
        "lines": None,
        "cause": "truncated",
        "from_offset": 4779,
        "detected_at": datetime(2026, 11, 24, tzinfo=UTC),
        "open": True,
    }


def test_no_gap_is_zero_exceptions_of_the_sources(store_of):
    result = store_of(a=[line("10:00:00", "GET /")]).result("coverage-gaps")
    assert (result.rows.num_rows, result.population) == (0, 1)


def test_quarantine_is_counted_by_reason_and_source(store_of):
    good = line("10:00:00", "GET /")
    rows = store_of(a=[good, "x", "", "y"], b=[good.replace("GET", "PUT"), "z"]).rows("quarantine")
    found = [
        (r["reason"], r["source"].rpartition("/")[2], r["lines"], r["first_line"], r["last_line"])
        for r in rows
    ]
    assert found == [
        ("blank", "a.log", 1, 3, 3),
        ("no-match", "a.log", 2, 2, 4),
        ("no-match", "b.log", 1, 2, 2),
    ]


def test_identities_are_sorted_into_reads_writes_deletes_and_other(store_of):
    lines = [
        line(f"10:00:{i:02d}", request, user="alice", client=f"192.0.2.{i % 3}")
        for i, request in enumerate(READS + WRITES + DELETES + OTHERS)
    ]
    lines += [line("11:00:00", "GET /", 401), line("11:00:01", "GET /", 404)]
    lines += [line("12:00:00", "DELETE /api/flows/1", 403, user="(unauthenticated)")]
    lines += [line("24/Nov/2026:00:00:00", "GET /", user="alice")]
    rows = store_of(access=lines).rows("identities")
    assert [(r["identity"], r["authenticated"]) for r in rows] == [
        ("(unauthenticated)", True),  # somebody's real name: not the row of nobody
        ("alice", True),
        ("(unauthenticated)", False),
    ]
    impostor, alice, nobody = rows
    assert (alice["reads"], alice["writes"], alice["deletes"], alice["other"]) == (12, 4, 2, 2)
    assert (alice["requests"], alice["denied"], alice["clients"]) == (20, 0, 3)
    assert (alice["first"], alice["last"]) == (at(10), at(10, 0, 19))
    assert (impostor["deletes"], impostor["denied"]) == (1, 1)
    assert (nobody["requests"], nobody["denied"]) == (2, 1)


def test_denied_attempts_are_grouped_and_known_noise_is_marked_but_kept(store_of):
    lines = [
        line("10:00:00", f"GET /api/flow_runs/{RUN}", 403, user="bob"),
        line("10:00:05", f"GET /api/flow_runs/{OTHER.upper()}", 403, user="bob"),
        line("10:00:06", f"GET /api/flow_runs/{RUN.replace('-', '')}?token=secret", 403, user="bob"),
        line("10:01:00", "GET /api/events/out", 401),
        line("10:01:01", "GET /api/events/out", 401, user="mallory"),
        line("10:01:02", "POST /api/events/out", 401),
        line("10:01:03", "GET /api/work_pools/proc/workers/connect", 401),
        line("10:02:00", "GET /", 429, client="192.0.2.8"),
        line("10:02:00", "GET /", 407),
        line("10:03:00", "GET /", 404),
        line("10:03:00", "GET /", 503),
        line("24/Nov/2026:10:00:00", "GET /", 401),
    ]
    result = store_of(access=lines).result("denied")
    rows = result.rows.to_pylist()
    assert sum(r["requests"] for r in rows) == 9
    assert result.population == 11
    assert rows[0] == {
        "identity": "bob",
        "authenticated": True,
        "client": "192.0.2.7",
        "method": "GET",
        "path_template": "/api/flow_runs/{id}",
        "status": 403,
        "known_noise": False,
        "requests": 3,
        "first": at(10),
        "last": at(10, 0, 6),
    }
    noise = [(r["method"], r["path_template"], r["requests"]) for r in rows if r["known_noise"]]
    assert noise == [("GET", "/api/events/out", 1), ("GET", "/api/work_pools/proc/workers/connect", 1)]
    assert [r["known_noise"] for r in rows] == sorted(r["known_noise"] for r in rows)
    assert "secret" not in str(rows)


PRIVILEGED = {
    f"DELETE /api/flow_runs/{RUN}": ("delete", "flow_run"),
    "DELETE /anything": ("(no route)", None),
    "PUT /api/anything": ("(no route)", None),
    "POST /api/flow_runs/bulk_delete": ("bulk_delete", "flow_run"),
    "POST /api/flow_runs/bulk_set_state": ("execute", "flow_run"),
    f"POST /api/flow_runs/{RUN}/set_state": ("execute", "flow_run"),
    f"POST /api/task_runs/{RUN}/set_state": ("execute", "task_run"),
    f"POST /api/flow_runs/{RUN}/resume": ("approve", "flow_run"),
    f"POST /api/deployments/{RUN}/create_flow_run": ("execute", "deployment"),
    f"POST /api/deployments/{RUN}/create_flow_run/bulk": ("execute", "deployment"),
    "POST /api/admin/database/clear": ("admin", "server"),
    "POST /api/deployments/": ("create", "deployment"),
    f"PATCH /api/deployments/{RUN}/schedules/{OTHER}": ("update", "deployment_schedule"),
    f"POST /api/deployments/{RUN}/pause_deployment": ("update", "deployment"),
    f"PATCH /api/automations/{RUN}": ("update", "automation"),
    "POST /api/block_documents/": ("create", "block_document"),
    f"GET /api/block_documents/{RUN}?include_secrets=true": ("secret_read", "block_document"),
    "PATCH /api/variables/name/filter": ("update", "variable"),
    "POST /api/work_pools/": ("create", "work_pool"),
    "PATCH /api/work_pools/proc/queues/default": ("update", "work_queue"),
    f"PATCH /api/work_queues/{RUN}": ("update", "work_queue"),
    "POST /api/v2/concurrency_limits/": ("create", "concurrency_limit"),
    f"POST /prefect/api/flow_runs/{RUN}/set_state": ("execute", "flow_run"),
}
ROUTINE = [
    *READS,
    "GET /api/admin/settings",
    "POST /api/deployments/get_scheduled_flow_runs",
    "POST /api/deployments/filter",
    "POST /api/work_pools/proc/queues/filter",
    "POST /api/v2/concurrency_limits/increment-with-lease",
    f"POST /api/v2/concurrency_limits/leases/{RUN}/renew",
    "POST /api/flow_runs/",
    f"PATCH /api/flow_runs/{RUN}/labels",
    "POST /api/artifacts/",
]


def test_privileged_requests_are_told_from_routine(store_of):
    requests = [*PRIVILEGED, *ROUTINE]
    lines = [line(f"10:00:{i:02d}", request, user="alice") for i, request in enumerate(requests)]
    rows = store_of(access=lines).rows("privileged")
    wanted = Counter(
        (*kind, method, path.replace(RUN, "{id}").replace(OTHER, "{id}").partition("?")[0])
        for (method, path), kind in ((r.split(), a) for r, a in PRIVILEGED.items())
    )
    columns = ("action", "resource_type", "method", "path_template")
    assert Counter({tuple(r[c] for c in columns): r["requests"] for r in rows}) == wanted


def test_privileged_requests_say_who_and_how_they_ended(store_of):
    outcomes = [(201, "bob"), (302, "alice"), (403, "bob"), (401, "-"), (404, "bob"), (503, "bob")]
    lines = [line(f"10:00:0{i}", f"DELETE /api/flows/{RUN}", s, user=u) for i, (s, u) in enumerate(outcomes)]
    [row] = store_of(access=lines).rows("privileged")
    assert (row["requests"], row["succeeded"], row["refused"], row["failed"]) == (6, 2, 2, 2)
    assert row["users"] == "(unauthenticated), alice, bob"
    assert (row["first"], row["last"]) == (at(10), at(10, 0, 5))


def test_requests_of_the_api_without_a_route_are_counted_of_all_its_requests(store_of):
    lines = [
        line("10:00:00", f"GET /api/nothing/{RUN}", 404, user="alice"),
        line("10:00:01", f"GET /api/nothing/{OTHER.upper()}", 200, user="bob"),
        line("10:00:02", "POST /prefect/api/flow_runs/filter"),
        line("10:00:03", "GET /runs"),
    ]
    store = store_of(access=lines)
    result = store.result("unmatched-routes")
    [row] = result.rows.to_pylist()
    assert result.population == 3
    assert (row["method"], row["path_shape"], row["requests"], row["succeeded"]) == (
        "GET",
        "/nothing/{id}",
        2,
        1,
    )
    assert (row["statuses"], row["users"], row["first"], row["last"]) == (
        "200, 404",
        "alice, bob",
        at(10),
        at(10, 0, 1),
    )
    figures = {r["figure"]: r["value"] for r in store.rows("result-in-numbers")}
    assert (figures["api"], figures["unmatched"]) == (3, 2)


def test_with_another_prefix_nothing_is_the_apis(store_of):
    result = store_of(access=[line("10:00:00", "GET /orion/nothing")]).result("unmatched-routes")
    assert (result.rows.num_rows, result.population) == (0, 0)


def test_nothing_privileged_is_zero_of_the_population(store_of):
    result = store_of(access=[line("10:00:00", "GET /")]).result("privileged")
    assert (result.rows.num_rows, result.population) == (0, 1)


def test_flow_runs_are_named_by_prefect_if_it_was_asked(store_of):
    lines = [
        line("10:00:00", f"GET /api/flow_runs/{RUN}", user="alice"),
        line("10:00:01", f"POST /api/flow_runs/{RUN.upper()}/set_state", user="bob"),
        line("10:00:02", f"GET /api/flow_runs/{RUN}/graph", 403, user="bob"),
        line("10:00:03", f"GET /api/flow_runs/{OTHER}", user="bob"),
        line("10:00:04", "POST /api/flow_runs/filter", user="bob"),
        line("10:00:04", f"GET /api/flows/{OTHER}", user="bob"),
    ]
    result = store_of(
        access=lines, runs=[{"id": RUN, "name": "rousing-whale", "state_name": "Completed"}]
    ).result("flow-runs")
    assert result.population == 2
    first, second = result.rows.to_pylist()
    assert (first["flow_run_id"], first["name"], first["state"]) == (RUN, "rousing-whale", "Completed")
    assert (first["requests"], first["other_than_get"], first["denied"], first["users"]) == (3, 1, 1, 2)
    assert (second["flow_run_id"], second["name"], second["requests"]) == (OTHER, None, 1)


def test_flow_runs_are_the_top_ones_of_a_population_that_is_said(store_of):
    ids = [f"00000000-0000-4000-8000-{i:012x}" for i in range(60)]
    result = store_of(access=[line("10:00:00", f"GET /api/flow_runs/{i}") for i in [*ids, ids[59]]]).result(
        "flow-runs"
    )
    assert (result.rows.num_rows, result.population) == (50, 60)
    assert result.rows.column("flow_run_id")[0].as_py() == ids[59]
    assert result.parameters["top"] == 50


def test_every_hour_of_the_period_is_there_also_those_without_lines(store_of):
    store = store_of(a=[line("10:00:00", "GET /"), line("10:59:59", "GET /")], b=[line("10:30:00", "GET /")])
    rows = store.rows("hours")
    assert [r["hour"] for r in rows] == [at(0) + timedelta(hours=i) for i in range(24)]
    assert [(r["lines"], r["sources"]) for r in rows] == [(3, 2) if i == 10 else (0, 0) for i in range(24)]


def test_a_period_that_cuts_hours_counts_only_what_is_inside(store_of):
    store = store_of(a=[line("10:15:00", "GET /"), line("10:29:59", "GET /"), line("11:00:00", "GET /")])
    rows = store.rows("hours", Period(at(10, 29, 59), at(11)))
    assert [(r["hour"], r["lines"]) for r in rows] == [(at(10), 1)]


@pytest.mark.parametrize("check_id", ["identities", "denied", "privileged", "flow-runs"])
def test_a_period_without_lines_has_no_rows_and_no_population(no_lines, check_id):
    result = no_lines.result(check_id, DAY)
    assert (result.rows.num_rows, result.population) == (0, 0)


@pytest.mark.parametrize("value", ["True", "%74rue", "tr%75E", "%6fn", "1"])
@pytest.mark.parametrize(
    "name", ["include_secrets", "include%5Fsecrets", "%69nclude_secret%73", "include_%73ecrets"]
)
def test_a_question_for_secrets_is_found_also_where_redaction_took_it_for_one(store_of, name, value):
    asked = line("10:00:00", f"GET /api/block_documents/{RUN}?{name}={value}", user="bob", agent="curl/8")
    not_asked = line("10:00:01", f"GET /api/block_documents/{RUN}?{name}=false", user="alice", agent="curl/8")
    [row] = store_of(access=[asked, not_asked]).rows("secret-reads")
    assert (row["identity"], row["by_other_programs"]) == ("bob", 1)
