"""`lpaudit explain`, `denied`, `bypass`, `orphans`: on a recording, whole and with something taken away."""

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

CREATE = re.compile(rb' m=POST url="/api/deployments/([0-9a-f-]{36})/create_flow_run"')
RUN = re.compile(rb'url="/api/flow_runs/([0-9a-f-]{36})')
Ask = Callable[..., tuple[int, list[dict[str, object]]]]


@pytest.fixture
def ask(lpaudit):
    """Return what asks a store, and gives the exit status and the rows."""

    def run(store: Path, *arguments: str) -> tuple[int, list[dict[str, object]]]:
        ran = lpaudit(*arguments, "--store", store, "--format", "json")
        assert ran.returncode in (0, 1), ran.stderr
        return ran.returncode, json.loads(ran.stdout)

    return run


def records(folder: Path, table: str) -> list[dict]:
    return json.loads(gzip.decompress((folder / f"{table}.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, checkout, nursery):
    """A store of the recording as it is; it is only asked."""
    folder = tmp_path_factory.mktemp("whole")
    for command in (
        ("ingest", "--host", "gw1", "-q", checkout / "sample_logs" / "audit.log.gz"),
        ("sync", "-q", "--from-dump", checkout / "sample_logs" / "prefect"),
        ("correlate", "-q"),
    ):
        environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        status, _, errors = nursery.run(
            [*map(str, command), "--store", "store"], folder, environment, None, 120
        )
        assert status == 0, errors
    return folder / "store"


@pytest.fixture
def stored(tmp_path, lpaudit, sample_logs):
    """Return what makes a store of the recording, changed as the test wants it."""

    def make(lines=lambda all_: all_, runs=lambda all_: all_, events=lambda all_: all_, *, links=True):
        log = gzip.decompress((sample_logs / "audit.log.gz").read_bytes()).splitlines(keepends=True)
        (tmp_path / "audit.log").write_bytes(b"".join(lines(log)))
        dump = tmp_path / "dump"
        dump.mkdir()
        for path in (sample_logs / "prefect").iterdir():
            table = path.name.removesuffix(".json.gz")
            change = {"flow_runs": runs, "events": events}.get(table, lambda all_: all_)
            (dump / f"{table}.json").write_text(json.dumps(change(records(path.parent, table))))
        store = tmp_path / "store"
        for command in (
            ("ingest", "--host", "gw1", "-q", tmp_path / "audit.log"),
            ("sync", "-q", "--from-dump", dump),
            *([("correlate", "-q")] if links else []),
        ):
            ran = lpaudit(*command, "--store", store)
            assert ran.returncode == 0, ran.stderr
        return store

    return make


def test_the_recording_whole(whole, ask, sample_logs) -> None:
    """Nobody went around its gateway, and no path names a run that Prefect does not know; bob's header invents one."""
    store = whole
    status, rows = ask(store, "bypass")
    assert status == 0
    assert rows, "schedules made runs: they are listed, and explained"
    assert {row["explanation"] for row in rows} == {"a schedule made it", "the server says that it is late"}
    assert not any(row["finding"] for row in rows)
    status, rows = ask(store, "orphans")
    invented = [(row["flow_run_id"], row["requests"], row["claims"], row["users"]) for row in rows]
    assert (status, invented) == (1, [("00000000-0000-4000-8000-000000000001", 0, 1, "bob")])

    status, rows = ask(store, "denied")
    assert status == 1
    noise = [row for row in rows if not row["finding"]]
    assert {row["route"] for row in noise} == {"/events/out", "/work_pools/{work_pool_name}/workers/connect"}
    layers = {(row["status"], row["layer"]) for row in rows}
    assert layers == {("401", "proxy_auth"), ("403", "proxy_rule")}
    log = gzip.decompress((sample_logs / "audit.log.gz").read_bytes())
    refused = len(re.findall(rb" st=40[13] ", log)) + len(re.findall(rb" st=4(?:07|29) ", log))
    assert sum(row["requests"] for row in rows) == refused
    assert ask(store, "denied", "--since", "2026-11-24") == (0, [])


def test_a_run_whose_creation_is_not_in_the_log(stored, ask) -> None:
    """Somebody created it without the gateway: the one request that did it is taken away."""
    taken: list[bytes] = []

    def without(log: list[bytes]) -> list[bytes]:
        at = next(i for i, line in enumerate(log) if CREATE.search(line) and b" st=201 " in line)
        taken.append(log[at])
        return [*log[:at], *log[at + 1 :]]

    store = stored(lines=without)
    status, rows = ask(store, "bypass")
    found = [row for row in rows if row["finding"]]
    assert status == 1
    assert [row["what"] for row in found] == ["created"]
    deployment = CREATE.search(taken[0])[1].decode()
    dump = json.loads((store.parent / "dump" / "flow_runs.json").read_text())
    run = next(r for r in dump if r["id"] == found[0]["flow_run_id"])
    assert run["deployment_id"] == deployment


def test_a_state_that_nobody_set_through_the_gateway(stored, ask) -> None:
    """All that was sent about one run is taken away: its states stay in Prefect's events."""
    chosen: list[str] = []

    def without(log: list[bytes]) -> list[bytes]:
        later = log[len(log) // 2 :]
        first = next(line for line in later if b"/set_state" in line and RUN.search(line))
        run = RUN.search(first)[1]
        chosen.append(run.decode())
        return [line for line in log if run not in line]

    status, rows = ask(stored(lines=without), "bypass")
    found = [row for row in rows if row["finding"]]
    assert status == 1
    assert {row["flow_run_id"] for row in found} == set(chosen)
    assert {"Running"} <= {row["what"] for row in found}


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_run_that_prefect_does_not_know(stored, ask, sample_logs, forgotten) -> None:
    """It was deleted, and no record of it was ever fetched."""
    log = gzip.decompress((sample_logs / "audit.log.gz").read_bytes())
    gone = RUN.search(log)[1].decode()
    asked = len(re.findall(rb'url="/api/flow_runs/' + gone.encode(), log))
    store = stored(
        runs=lambda all_: [r for r in all_ if r["id"] != gone],
        links=forgotten,
        events=lambda all_: [e for e in all_ if gone not in json.dumps(e)] if forgotten else all_,
    )
    status, rows = ask(store, "orphans")
    rows = [row for row in rows if row["requests"]]  # beside the one that a header invents
    assert status == 1
    assert [(row["flow_run_id"], row["requests"]) for row in rows] == [(gone, asked)]
    assert (rows[0]["flow_run_name"] is None) is forgotten, "its events still have its name"
    _, rows = ask(store, "explain", gone.upper())
    assert rows, "the log still tells of it"
    assert {row["flow_run_id"] for row in rows} == {gone}


def test_explain_tells_who_created_it_and_what_failed(whole, ask, lpaudit, sample_logs) -> None:
    """A run of alice's that met a busy Prefect."""
    store = whole
    log = gzip.decompress((sample_logs / "audit.log.gz").read_bytes()).splitlines()
    busy = next(RUN.search(line)[1].decode() for line in log if b" st=503 " in line and RUN.search(line))
    run = next(r for r in records(sample_logs / "prefect", "flow_runs") if r["id"] == busy)
    _, rows = ask(store, "explain", run["name"])
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    made = [row for row in rows if row["relation"] == "created" and row["flow_run_id"] == busy]
    assert [(row["what"], row["source"]) for row in made] == [("created the run", "access")]
    assert made[0]["user"] is not None
    failed = [row for row in rows if row["status"] == 503]
    assert failed
    assert {row["layer"] for row in failed} == {"prefect_app"}
    assert {row["cause"] for row in failed} == {"Prefect was busy"}
    assert all(row["outcome"].startswith(("recovered after", "not recovered")) for row in failed)
    states = [row["what"] for row in rows if row["source"] == "prefect" and row["flow_run_id"] == busy]
    assert {"state Running"} <= set(states)
    assert {row["confidence"] for row in rows} <= {None, "exact", "strong", "likely", "weak"}
    _, everything = ask(store, "explain", busy, "--all")
    assert len(everything) > len(rows)

    missing = lpaudit("explain", "no-such-run", "--store", store)
    assert missing.returncode == 2
    assert "there is no flow run 'no-such-run'" in missing.stderr


@pytest.mark.parametrize("command", ["denied", "bypass", "orphans"])
def test_a_store_without_anything_of_the_kind_has_no_findings(command, lpaudit, tmp_path) -> None:
    """Without Prefect's records nobody can tell, and that is no good news."""
    line = b'1.2.3.4 h - [23/Nov/2026:10:15:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"\n'
    (tmp_path / "access.log").write_bytes(line)
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    ran = lpaudit(command, "--format", "json")
    assert json.loads(ran.stdout) == []
    assert ran.returncode == (0 if command == "denied" else 3)
    nothing = "are not in the store (`lpaudit sync`): so this says nothing either way"
    assert (nothing in ran.stderr) == (command != "denied")


@pytest.mark.parametrize("log", ["no log", "empty", "errors"])
def test_where_there_is_no_access_log_nobody_went_around_it(log, lpaudit, tmp_path, sample_logs) -> None:
    if log == "empty":
        (tmp_path / "access.log").touch()
    elif log == "errors":
        (tmp_path / "error.log").write_bytes(b"2026-11-23 10:15:00: (server.c.1) server started\n")
    for path in tmp_path.glob("*.log"):
        assert lpaudit("ingest", "-q", "--host", "gw1", path).returncode == 0
    assert lpaudit("sync", "-q", "--from-dump", sample_logs / "prefect").returncode == 0
    ran = lpaudit("bypass")
    assert ran.returncode == 0
    assert "0 findings in 0 rows; looked at: 0 runs" in ran.stderr


def test_what_was_purged_is_no_way_around_the_gateway(lpaudit, tmp_path, sample_logs) -> None:
    """Two holds keep what is before and after it."""
    (tmp_path / "lpaudit.toml").write_text('key = "signing/key.pem"\n')
    log = gzip.decompress((sample_logs / "audit.log.gz").read_bytes()).splitlines(keepends=True)
    assert lpaudit("keys", "init", "--as", "gw1").returncode == 0
    third = len(log) // 3
    for part in (log[:third], log[third : 2 * third], log[2 * third :]):
        with (tmp_path / "access.log").open("ab") as file:
            file.writelines(part)
        assert lpaudit("ingest", "-q", "--host", "gw1", "access.log").returncode == 0
    assert lpaudit("sync", "-q", "--from-dump", sample_logs / "prefect").returncode == 0
    assert lpaudit("correlate", "-q").returncode == 0
    sql = """select first_time as first, first_time + interval 1 second as and_a_second,
        last_time - interval 1 second as but_a_second, last_time as last from segment order by start_offset"""
    segments = json.loads(lpaudit("sql", "--format", "json", sql).stdout)
    for start, end in (
        (segments[0]["first"], segments[0]["and_a_second"]),
        (segments[2]["but_a_second"], segments[2]["last"]),
    ):
        assert lpaudit("hold", "add", "--reason", "x", "--from", start, "--to", end).returncode == 0
    before = lpaudit("bypass")
    assert before.returncode == 0, before.stderr
    assert lpaudit("retain", "--keep", "1d").returncode == 0
    ran = lpaudit("bypass", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    purged = [row for row in json.loads(ran.stdout) if row["explanation"] == "the log was purged there"]
    assert purged
    assert all(segments[0]["first"] < row["time"] < segments[2]["last"] for row in purged)


def test_a_wrong_period_is_refused(lpaudit) -> None:
    ran = lpaudit("denied", "--since", "soon")
    assert ran.returncode == 2
    assert "hint:" in ran.stderr


@pytest.mark.parametrize("command", ["denied", "bypass", "orphans"])
def test_a_period_that_holds_no_time_is_no_answer(command, lpaudit) -> None:
    ran = lpaudit(command, "--since", "2026-11-24", "--until", "2026-11-22")
    assert ran.returncode == 2
    assert "holds no time" in ran.stderr
    assert "hint: --until comes after --since" in ran.stderr


@pytest.mark.parametrize("prefix", ["/api", "/pf/v1"])
def test_sections_know_the_api_by_its_prefix(prefix, lpaudit, tmp_path) -> None:
    """What Prefect's clients ask, report and try without credentials is no write, and noise, wherever its API is."""
    (tmp_path / "access.log").write_text(
        f'10.0.0.1 gw - [01/Mar/2025:10:00:01 +0000] "GET {prefix}/events/out HTTP/1.1" 401 347 "-" "prefect"\n'
        f'10.0.0.1 gw w [01/Mar/2025:10:00:01 +0000] "POST {prefix}/logs/ HTTP/1.1" 201 4 "-" "prefect"\n'
    )
    assert lpaudit("ingest", "-q", "--host", "gw1", "access.log").returncode == 0
    told = ("--api-prefix", prefix, "--period", "2025-03-01", "--format", "json", "--out", "out", "-q")
    ran = lpaudit("report", "access", *told)
    assert ran.returncode == 0, ran.stderr
    sections = {
        section["check"]: [dict(zip(section["columns"], row, strict=True)) for row in section["rows"]]
        for section in json.loads((tmp_path / "out" / "access.json").read_text())["sections"]
    }
    assert [row["known_noise"] for row in sections["denied"]] == [True]
    [worker] = [row for row in sections["identities"] if row["identity"] == "w"]
    assert (worker["reads"], worker["writes"]) == (1, 0)
