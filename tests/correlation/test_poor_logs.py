"""Logs that say less: only what can be known is said, and nothing falls over."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from lpaudit import ingest
from lpaudit.logformat.presets import find
from lpaudit.model import LogKind, Observer
from tests import oracle
from tests.correlation.made import T, line, run, said, started
from tests.correlation.recorded import Taken, lines, records, unique
from tests.correlation.test_recording import FORMAT

RECORDS = ("flow_runs", "task_runs", "events", "deployments", "flows")


def plain(raw: bytes) -> bytes:
    """A line of the recording as lighttpd's default format has it."""
    row = oracle.read(raw, FORMAT)
    end: datetime = row["event_end"]
    said = row.get("url_path", ""), row["http_request_method"], row.get("network_protocol", "HTTP/1.1")
    path, method, protocol = said
    return (
        f"{row['client_address']} gw {row.get('user_name', '-')} [{end:%d/%b/%Y:%H:%M:%S} +0000]"
        f' "{method} {path} {protocol}" {row["http_response_status_code"]} 0 "-" "-"\n'
    ).encode()


@pytest.mark.parametrize("name", ["default", "combined"])
def test_formats_without_ports_and_headers_tell_targets_alone(tmp_path, name):
    store = Taken(tmp_path)
    some = [raw for raw in lines(80) if b'"Upgrade' not in raw][:1200]
    store.log(b"".join(map(plain, some)), format_of=lambda _: find(name).log_format(ZoneInfo("UTC")))
    store.sync(**{each: records(each) for each in RECORDS})
    assert store.select("select count(*) from access") == [(len(some),)]
    store.correlate()
    found = set(store.select("select distinct relation, method, confidence from access_run"))
    assert found == {("target", "path", "exact")}
    known = {one["id"] for one in records("flow_runs")}
    count = sum(any(one in raw.decode("latin-1") for one in known) for raw in map(plain, some))
    assert store.select("select count(distinct line_id) from access_run") == [(count,)]
    assert store.correlate().added == 0


def test_whole_seconds_never_give_a_sequence():
    one, other = run(1, 10, 60), run(2, 10, 60)
    known = [
        line(
            f"k{n}",
            20 + n,
            port=7 + n,
            named=(each.id,),
            deployment=each.deployment,
            route="GET /flow_runs/{id}",
        )
        for n, each in enumerate((one, other))
    ]
    seconds = [
        replace(each, begin=T + (each.begin - T) // 1_000_000 * 1_000_000)
        for each in (line(f"s{n}", 20 + n / 10, port=100 + n, route="GET /admin/version") for n in range(20))
    ]
    found = said([*known, *seconds], [one, other])
    assert not any(
        method == "sequence" for each in seconds for _, _, method, _ in found.get(each.line_id, ())
    )


def test_lines_of_nulls_do_no_harm():
    nothing = {"client": None, "port": None, "number": None, "user": None, "route": None, "status": None}
    one = run(1, 10, None, deployment=None, flow=None)
    assert said(
        [started(one), line("a", 20, **nothing), line("b", 21, host="", **nothing)], [one]
    ).keys() <= {f"start {one.id}"}
    assert said([line("c", 20, run=one.id, **nothing)], [run(1, None, None)]).keys() == {"c"}


def test_a_store_without_lines(tmp_path):
    store = Taken(tmp_path)
    store.sync(flow_runs=records("flow_runs"))
    assert store.correlate().lines == 0
    assert store.correlate(everything=True).added == 0
    assert store.links() == set()


def test_a_store_without_records(tmp_path):
    store = Taken(tmp_path)
    store.log(b"".join(lines(10)))
    assert store.correlate().links == 0
    assert store.correlate().lines == 0


def test_a_store_of_error_logs_alone(tmp_path):
    store = Taken(tmp_path)
    log = tmp_path / "error.log"
    log.write_bytes(b"2026-11-23 10:15:45: (server.c.1939) server started (lighttpd/1.4.69)\n")
    options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20, kind=LogKind.ERROR)
    ran = ingest.ingest(
        store.root, [str(log)], options, Observer(), now=store.now, unique=lambda: next(unique)
    )
    assert not ran.errors
    assert store.correlate().lines == 0


def test_records_without_times_or_parents(tmp_path):
    store = Taken(tmp_path)
    bare = [{"id": one["id"]} for one in records("flow_runs")]
    store.log(b"".join(lines(10)))
    store.sync(flow_runs=bare)
    store.correlate()
    assert set(store.select("select distinct relation from access_run")) == {("target",)}
