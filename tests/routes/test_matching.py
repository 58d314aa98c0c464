"""Which route a logged request has: against Prefect's own router, and by hand for hostile paths."""

import csv
import gzip
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from lpaudit import ingest, pipeline, query, routes
from lpaudit.errors import ConfigError
from lpaudit.model import Observer
from lpaudit.schema import tables

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "sample_logs"
ID = "34a1e685-aad5-47b0-af6e-921ad94366d9"
BARE = ID.replace("-", "")
OTHER = "01a207e3-f87d-7b75-923a-f85ac72ede2f"


def asked(requests, prefixes=routes.PREFIXES, sql="select * from access order by byte_offset"):
    """What `access` says of (method, path) pairs, in their order."""
    schema = tables()["access_event"].arrow
    given = [
        dict.fromkeys(schema.names) | {"http_request_method": method, "url_path": path, "byte_offset": number}
        for number, (method, path) in enumerate(requests)
    ]
    # Not the schema's own: these rows have nothing where a stored one must have something.
    columns = pa.schema([pa.field(f.name, f.type) for f in schema])
    connection = query.connect({"access_event": pa.Table.from_pylist(given, schema=columns)}, None, prefixes)
    try:
        return connection.select(sql).to_pylist()
    finally:
        connection.close()


CASES = [
    # method, path, route, action, resource_id
    ("GET", f"/api/flow_runs/{ID}", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/{ID.upper()}", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/{BARE}", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/{BARE.upper()}/", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/{{{ID}}}", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/%7B{ID}%7D", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/urn:uuid:{ID}", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/{ID.replace('-', '%2D')}", "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/flow_runs/{ID.replace('-', '%252D')}", "/flow_runs/{id}", "read", None),
    ("GET", f"/api/flow_runs/%33{ID[1:]}", "/flow_runs/{id}", "read", ID),
    ("GET", "/api/flow_runs/not-a-uuid", "/flow_runs/{id}", "read", None),
    ("GET", f"/api/flow_runs/{ID}0", "/flow_runs/{id}", "read", None),
    ("GET", f"/api/flow_runs/{ID[:-1]}g", "/flow_runs/{id}", "read", None),
    ("GET", f"/api/flow_runs/{BARE}-", "/flow_runs/{id}", "read", None),
    ("GET", f"/api/flow_runs/{ID}%0A", "/flow_runs/{id}", "read", None),
    ("GET", "/api/flow_runs/' or 1=1 --", "/flow_runs/{id}", "read", None),
    ("POST", f"/api/flow_runs/{ID}/set_state", "/flow_runs/{id}/set_state", "execute", ID),
    ("POST", f"/prefect/api/flow_runs/{ID}/resume", "/flow_runs/{id}/resume", "approve", ID),
    ("POST", f"/api/flow%5Fruns/{ID}/%72esume", "/flow_runs/{id}/resume", "approve", ID),
    ("POST", f"/%61pi/flow_runs/{ID}/resume", "/flow_runs/{id}/resume", "approve", ID),
    ("POST", f"/api/flow_runs%2F{ID}%2fresume", "/flow_runs/{id}/resume", "approve", ID),
    # Two ids: the resource is the second, the first is the parent's.
    ("DELETE", f"/api/deployments/{OTHER}/schedules/{ID.upper()}", "/deployments/{id}/schedules/{schedule_id}", "delete", ID),
    ("DELETE", f"/api/flow_runs/{OTHER}/input/{ID.upper()}", "/flow_runs/{id}/input/{key}", "delete", ID.upper()),
    # Literal segments go before parameters, but only for their own method.
    ("POST", "/api/work_pools/filter", "/work_pools/filter", "read", None),
    ("GET", "/api/work_pools/filter", "/work_pools/{name}", "read", "filter"),
    ("POST", "/api/artifacts/latest/filter", "/artifacts/latest/filter", "read", None),
    ("GET", "/api/artifacts/latest/latest", "/artifacts/{key}/latest", "read", "latest"),
    # Names are text, decoded once.
    ("GET", "/api/work_pools/my%20pool", "/work_pools/{name}", "read", "my pool"),
    ("GET", "/api/work_pools/a%252Fb", "/work_pools/{name}", "read", "a%2Fb"),
    ("GET", "/api/work_pools/a%2Fb", None, None, None),
    ("GET", "/api/work_pools/%C3%BC", "/work_pools/{name}", "read", "ü"),
    ("GET", "/api/work_pools/ü", "/work_pools/{name}", "read", "ü"),
    ("GET", "/api/work_pools/a%FFb", "/work_pools/{name}", "read", "a\ufffdb"),
    ("GET", "/api/work_pools/a\\xffb", "/work_pools/{name}", "read", "a\\xffb"),
    ("GET", "/api/work_pools/100%", "/work_pools/{name}", "read", "100%"),
    ("GET", "/api/work_pools/%zz+", "/work_pools/{name}", "read", "%zz+"),
    ("GET", "/api/work_pools/%1b[31m", "/work_pools/{name}", "read", "\x1b[31m"),
    ("GET", "/api/work_pools/" + "x" * 70000, "/work_pools/{name}", "read", "x" * 70000),
    ("GET", f"/api/work_pools/{ID.upper()}", "/work_pools/{name}", "read", ID.upper()),
    ("DELETE", f"/api/v2/concurrency_limits/{BARE}", "/v2/concurrency_limits/{id_or_name}", "delete", ID),
    ("DELETE", "/api/v2/concurrency_limits/db", "/v2/concurrency_limits/{id_or_name}", "delete", "db"),
    # A slash at the end is none, as Starlette redirects; elsewhere it counts.
    ("POST", "/api/flow_runs", "/flow_runs/", "create", None),
    ("POST", "/api/flow_runs/filter//", "/flow_runs/filter", "read", None),
    ("GET", "/api/work_pools//", None, None, None),
    ("PATCH", "/api/work_pools//queues/x", None, None, None),
    # lighttpd takes doubled slashes and dots out before it asks Prefect.
    ("POST", "/api//flow_runs/filter", "/flow_runs/filter", "read", None),
    ("POST", f"//api/deployments/{ID}/create_flow_run", "/deployments/{id}/create_flow_run", "execute", ID),
    ("POST", f"/./api/deployments/./{ID}//create_flow_run/.", "/deployments/{id}/create_flow_run", "execute", ID),
    ("POST", f"/x/../api/flow_runs/{OTHER}/../{ID}/resume", "/flow_runs/{id}/resume", "approve", ID),
    ("POST", f"/x/y/../../../%2e%2E/%2fapi/flow_runs/{ID}/resume", "/flow_runs/{id}/resume", "approve", ID),
    ("GET", "/api/flows/../flow_runs/" + ID, "/flow_runs/{id}", "read", ID),
    ("GET", f"/api/../flow_runs/{ID}", None, None, None),
    ("GET", "/api/work_pools/..a", "/work_pools/{name}", "read", "..a"),
    ("GET", "/" + "../" * 5000 + "api/work_pools/a", "/work_pools/{name}", "read", "a"),
    # A websocket over HTTP/2 is a CONNECT (RFC 8441), of which lighttpd makes a GET.
    ("CONNECT", "/api/events/out", "/events/out", "read", None),
    ("CONNECT", "prefect:4200", None, None, None),
    # What Prefect would not take for any route.
    ("get", f"/api/flow_runs/{ID}", None, None, None),
    ("GET", f"/api/Flow_Runs/{ID}", None, None, None),
    ("PUT", f"/api/flow_runs/{ID}", None, None, None),
    ("GET", "/api/" + "a/" * 5000, None, None, None),
    ("GET", "/api/", None, None, None),
    (None, f"/api/flow_runs/{ID}", None, None, None),
    ("", "", None, None, None),
    ("GET", "/", None, None, None),
    ("GET", None, None, None, None),
    ("GET", "/api", None, None, None),
    ("GET", f"/apix/flow_runs/{ID}", None, None, None),
    ("GET", f"/x/api/flow_runs/{ID}", None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}"[:60])
def test_a_request_has_its_route(case):
    method, path, *wanted = case
    [row] = asked([(method, path)])
    assert [row["route"], row["action"], row["resource_id"]] == wanted
    assert (row["privileged"] is None, row["resource_type"] is None) == (wanted[0] is None,) * 2


def test_a_path_with_two_ids_tells_which_is_whose():
    [schedule, item] = asked(
        [
            ("PATCH", f"/api/deployments/{OTHER.upper()}/schedules/{BARE}"),
            ("DELETE", f"/api/flow_runs/{OTHER.upper()}/input/{ID}"),
        ]
    )
    facts = ("resource_type", "resource_id", "parent_type", "parent_id")
    assert [schedule[f] for f in facts] == ["deployment_schedule", ID, "deployment", OTHER]
    assert [item[f] for f in facts] == ["flow_run_input", ID, "flow_run", OTHER]


@pytest.mark.parametrize(
    ("setting", "path", "api_path"),
    [
        ("/api", "/api/flows/", "/flows/"),
        ("/api", "/prefect/api/flows/", None),
        ("/prefect/api/ , /api", "/prefect/api/flows/", "/flows/"),
        ("/a, /a/b", "/a/b/flows/", "/flows/"),
        ("/o'brien/api", "/o'brien/api/flows/", "/flows/"),
        ("*/api", "/api/flows/", "/flows/"),
        ("*/api", "/team/one/api/variables/name/api/x", "/variables/name/api/x"),
        ("*/api", "/teamapi/flows/", None),
        ("/", "/flows/", "/flows/"),
    ],
)
def test_the_prefix_is_configurable(setting, path, api_path):
    [row] = asked([("POST", path)], routes.prefixes(setting, "test"))
    assert row["api_path"] == api_path


@pytest.mark.parametrize("setting", ["", ",", "api", "/a*", "/a/*/b", "**/api"])
def test_what_is_no_list_of_prefixes_is_refused(setting):
    with pytest.raises(ConfigError, match="api_prefix"):
        routes.prefixes(setting, "LPAUDIT_API_PREFIX")


def decided(version):
    text = gzip.decompress((HERE / f"decided-{version}.csv.gz").read_bytes()).decode()
    return [tuple(row) for row in csv.reader(text.splitlines())][1:]


@pytest.mark.parametrize("version", ["3.4.0", "3.9.1"])
def test_prefects_own_router_decides_the_same(version):
    """decide.py asked it about random requests.

    Where a parameter must be a UUID, some routes take anything and answer 422 (most up to 3.4),
    and others do not match (most since 3.6). The catalogue covers both: route, but no resource_id.
    """
    at = routes.catalogue().prefect.index(version)
    there = {
        (r.method, r.template)
        for r in routes.catalogue().routes
        if routes.catalogue().prefect.index(r.since) <= at
        and (not r.until or routes.catalogue().prefect.index(r.until) >= at)
    }
    truth = [one for one in decided(version) if as_lighttpd_asks(one[1])]
    rows = asked([(method, "/api" + path) for method, path, _ in truth])
    agreed = 0
    for (method, path, template), row in zip(truth, rows, strict=True):
        if row["route"] == (template or None):
            agreed += template != ""
            continue
        assert template == "", f"{method} {path}: {row['route']} instead of {template}"
        # Another version's, or no UUID where this one needs it to be one.
        assert (method, row["route"]) not in there or a_uuid_is_missing(row)
    assert agreed > 800


def as_lighttpd_asks(path):
    """The router was asked for these as well, and lighttpd would not ask so: see CASES."""
    return not re.search("//|/[.]", unquote(path))


def a_uuid_is_missing(row):
    """Whether a parameter that is named like an id is not what Starlette's converter takes for a UUID."""
    converter = r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
    return any(
        name in {"{id}", "{schedule_id}"} and not re.fullmatch(converter, value)
        for name, value in zip(row["route"].split("/"), row["api_path"].split("/"), strict=False)
    )


@pytest.mark.parametrize("version", routes.catalogue().prefect)
def test_the_first_template_in_starlettes_order_is_the_one(version):
    """A second matcher: regular expressions over the recording, tried one after the other."""
    text = (routes.folder("schemas") / "routes" / "recorded" / f"{version}.csv").read_text("utf-8")
    ordered = [
        (row["method"], row["template"], re.compile(re.sub(r"\{\w+\}", "[^/]+", row["template"].rstrip("/"))))
        for row in csv.DictReader(text.splitlines())
    ]
    known = {(method, template) for method, template, _ in ordered}
    requests = [(method, path) for method, path, _ in decided("3.4.0") if as_lighttpd_asks(path)]
    rows = asked([(method, "/api" + path) for method, path in requests])
    found = 0
    for (method, path), row in zip(requests, rows, strict=True):
        decoded = unquote(path).rstrip("/")
        first = next((t for m, t, shape in ordered if m == method and shape.fullmatch(decoded)), None)
        if first is None:
            assert (method, row["route"]) not in known
        else:
            found += 1
            # A route that only another version has may be more literal.
            assert row["route"] == first or (method, row["route"]) not in known
    assert found > 1000


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    root = str(tmp_path_factory.mktemp("samples") / "store")
    options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
    files = [
        str(SAMPLES / name) for name in ("audit.log.gz", "default.log", "combined.log", "audit.json.log")
    ]
    unique = map("{:032x}".format, range(1, 1000))
    now = datetime(2026, 11, 24, tzinfo=UTC)
    result = ingest.ingest(root, files, options, Observer(), now=lambda: now, unique=lambda: next(unique))
    assert not result.errors
    with pipeline.opened(root) as (connection, _):
        yield connection


def test_of_the_recorded_logs_only_what_prefect_refused_has_no_route(samples):
    """/ui/flow_runs/history takes POST only (405); the API has no /ui-settings (404)."""
    rows = samples.select("select * from unmatched_route").to_pylist()
    found = Counter({(r["method"], r["path_shape"], tuple(r["statuses"])): r["n"] for r in rows})
    assert found == {("GET", "/ui/flow_runs/history", (405,)): 4, ("GET", "/ui-settings", (404,)): 4}


def test_every_line_of_the_recorded_logs_keeps_its_resource(samples):
    """Counted by hand from the text: a UUID after its resource's name."""
    sql = """
        select path, resource_type, resource_id from access
        where regexp_matches(path, '^/api/(flow_runs|flows|work_queues|artifacts)/[0-9a-f]{8}-')"""
    rows = samples.select(sql).to_pylist()
    assert len(rows) > 5000
    for row in rows:
        _, _, kind, ident, *_ = row["path"].split("/")
        assert (row["resource_type"], row["resource_id"]) == (kind.removesuffix("s"), ident)


def test_who_does_not_ask_for_a_route_does_not_pay_for_it(samples):
    for columns in ("count(*)", "status, count(*)"):
        [(_, plan)] = samples.duckdb.execute(f"explain select {columns} from access group by all").fetchall()
        assert "url_path" not in plan
        assert "string_split" not in plan


def test_the_view_route_is_the_catalogue(samples):
    rows = samples.select("select * from route").to_pylist()
    assert {(r["method"], r["route"], r["action"]) for r in rows} == {
        (r.method, r.template, r.action) for r in routes.catalogue().routes
    }
    assert {(r["catalogue"], r["covered"]) for r in rows} == {
        (routes.catalogue().version, ", ".join(routes.catalogue().prefect))
    }
    assert {r["privileged"] for r in rows} == {True, False}
