"""Later syncs: a window that overlaps, what was open before, what is gone; names as they were at the time."""

import contextlib
import gzip
import itertools
import json
import os
import pty
import subprocess
import sys

from tests.prefect.conftest import at, run

DAY = 24 * 60


def test_a_later_sync_asks_for_what_may_have_changed(syncing, api):
    syncing.tables = ("flow_run", "event")
    api.records["flow_runs"] += [run(900, "RUNNING", None), run(901, "SCHEDULED", None)]
    syncing()
    syncing.minutes += DAY
    # One ended within the window; one long before it, as clocks may have it; a new one came.
    api.records["flow_runs"][450] = run(900, "FAILED", DAY - 1)
    api.records["flow_runs"][451] = run(901, "CANCELLED", -300)
    api.records["flow_runs"].append(run(902, "COMPLETED", DAY - 5))
    api.asked.clear()
    synced = syncing()
    runs = next(r for r in synced.results if r.table == "flow_run")
    assert (runs.records, runs.missing) == (3, 0)
    state = (
        "select state_type from flow_run_latest where name in ('run-900', 'run-901', 'run-902') order by name"
    )
    assert syncing.sql(state) == [("FAILED",), ("CANCELLED",), ("COMPLETED",)]
    ((start,),) = syncing.sql(
        "select window_start from snapshot where table_name = 'flow_run' order by started_at desc limit 1"
    )
    assert (
        start.isoformat() == at(-60)
        or abs(start.timestamp() - (syncing.now().timestamp() - 86400 - 3600)) < 2
    )
    events = [
        body["filter"]["occurred"]["since"] for path, body, _ in api.asked if path == "/api/events/filter"
    ]
    assert min(events) >= at(-61), "events of before the window are not asked for again"


def test_runs_that_were_deleted_are_known_to_be_gone_by_then(runs, api):
    api.records["flow_runs"] += [run(900, "RUNNING", None)]
    runs()
    runs.minutes += DAY
    del api.records["flow_runs"][450]  # it was running
    synced = runs()
    assert next(r.missing for r in synced.results if r.table == "flow_run") == 1
    gone = "select name, last_seen < missing_since from flow_run_latest where missing_since is not null"
    assert runs.sql(gone) == [("run-900", True)]
    runs.minutes += DAY
    del api.records["flow_runs"][7]  # it had ended long before the window: the count says so
    synced = runs()
    assert next(r.missing for r in synced.results if r.table == "flow_run") == 1
    assert runs.sql(gone + " order by name") == [("run-7", True), ("run-900", True)]
    runs.minutes += DAY
    assert sum(r.missing for r in runs().results) == 0, "what is gone is said once"
    assert len(runs.sql("select * from missing_object")) == 2


def test_what_came_back_is_not_missing(syncing, api):
    syncing.tables = ("work_pool", "worker")
    syncing()
    pool = api.records["work_pools"].pop()
    api.workers.clear()
    syncing.minutes += DAY
    syncing()
    asked = "select missing_since is not null from work_pool_latest"
    assert syncing.sql(asked) == [(True,)]
    api.records["work_pools"].append(pool)
    syncing.minutes += DAY
    assert not syncing().failed
    assert syncing.sql(asked) == [(False,)]


def test_another_server_s_records_are_not_missing_in_this_one(syncing, api):
    syncing.tables = ("flow_run",)
    syncing()
    api.records["flow_runs"].clear()
    syncing.minutes += DAY
    synced = syncing(url=api.url.replace("127.0.0.1", "localhost"))
    assert sum(r.missing for r in synced.results) == 0


def test_names_are_kept_as_they_were_at_the_time(syncing, api):
    syncing.tables = ("deployment",)
    (deployment,) = api.records["deployments"]
    for name in ("nightly", "renamed", "nightly"):  # the third answer is the same as the first, to the byte
        deployment["name"] = name
        assert not syncing().failed
        syncing.minutes += DAY
    api.records["deployments"].clear()
    syncing()
    stored = syncing.sql("select name from deployment order by fetched_at")
    assert stored == [("nightly",), ("renamed",)], "an answer that is there already is not stored again"
    versions = syncing.sql("select name, valid_from, valid_to from deployment_as_of order by valid_from")
    assert [name for name, _, _ in versions] == ["nightly", "renamed", "nightly"]
    assert versions[0][1].isoformat() == at(-500)[:19] + "+00:00", "valid since it was created"
    assert [(a[2] == b[1]) for a, b in itertools.pairwise(versions)] == [True, True]
    assert versions[2][2] is None, "it is gone, and its name still resolves"
    ((name, missing),) = syncing.sql("select name, missing_since is not null from deployment_latest")
    assert (name, missing) == ("nightly", True)
    took = f"select name from deployment_as_of where '{at(DAY + 5)}' >= valid_from and ('{at(DAY + 5)}' < valid_to or valid_to is null)"
    assert syncing.sql(took) == [("renamed",)]


def test_full_asks_for_everything(runs, api):
    runs()
    runs.minutes += DAY
    api.records["flow_runs"][3]["name"] = "renamed long after it ended"
    runs()
    named = "select count(*) from flow_run_latest where name like 'renamed%'"
    assert runs.sql(named) == [(0,)]
    runs.minutes += DAY
    runs(full=True)
    assert runs.sql(named) == [(1,)]


def test_a_dump_gives_the_same_rows_in_another_store(syncing, api, tmp_path, lpaudit):
    api.records["flow_runs"][0]["parameters"] = {"password": "hunter2-secret"}
    api.records["flow_runs"] += [run(900, "RUNNING", None)]
    syncing(dump=tmp_path / "one")
    syncing.minutes += DAY
    api.records["flow_runs"].pop()
    syncing(dump=tmp_path / "two")
    for name in ("one", "two"):
        for file in (tmp_path / name).iterdir():
            assert b"hunter2" not in gzip.decompress(file.read_bytes())
        ran = lpaudit("sync", "--store", "other", "--from-dump", name)
        assert ran.returncode == 0, ran.stderr
        assert "nothing new" in lpaudit("sync", "--store", "other", "--from-dump", name).stdout
    names = ("flow_run", "deployment", "event", "worker", "snapshot", "missing_object", "flow_run_latest")
    queries = [f"select * from {name} order by all" for name in names]
    here, there = syncing.sql(*queries), syncing.sql(*queries, root=tmp_path / "other")
    for name, mine, its in zip(names, here, there, strict=True):
        assert mine == its, name
        assert len(mine) > 0


def test_a_dump_that_is_not_what_was_written_is_refused(syncing, tmp_path, lpaudit):
    syncing.tables = ("deployment", "work_pool")
    syncing(dump=tmp_path / "one")
    file = tmp_path / "one" / "deployments.json.gz"
    whole = file.read_bytes()
    file.write_bytes(gzip.compress(b'[{"id": "forged", "name": "x"}]\n'))
    ran = lpaudit("sync", "--store", "other", "--from-dump", "one")
    assert ran.returncode == 3
    assert "is not what was written" in ran.stderr
    file.unlink()
    assert "is not whole" in lpaudit("sync", "--store", "other", "--from-dump", "one").stderr
    file.write_bytes(whole)
    record = tmp_path / "one" / "snapshots.json.gz"
    told = json.loads(gzip.decompress(record.read_bytes()))
    for broken in (
        17,
        [17],
        [{}],
        [told[0] | {"records": "many"}],
        [told[0] | {"fetched_at": None}],
        [told[0] | {"missing": 3}],
    ):
        record.write_bytes(gzip.compress(json.dumps(broken).encode()))
        ran = lpaudit("sync", "--store", "other", "--from-dump", "one")
        assert (ran.returncode, "is not the record of a dump" in ran.stderr) == (3, True), ran.stderr
    assert not (tmp_path / "other").exists(), "a broken dump leaves no store"


def test_a_sync_that_is_not_whole_writes_no_dump(syncing, api, tmp_path):
    from tests.prefect.fake import Reply

    api.fault = lambda path, body: Reply(500, {"detail": "x"}) if "deployments" in path else None
    assert syncing(dump=tmp_path / "one").failed
    assert not (tmp_path / "one").exists()


def test_a_dump_gets_a_directory_of_its_own(tmp_path, api, lpaudit):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_text("x")
    ran = lpaudit("sync", "--url", api.url, "--dump", "there")
    assert ran.returncode == 2
    assert "is there already" in ran.stderr
    assert api.asked == []


def test_the_command_says_what_it_did(api, lpaudit):
    ran = lpaudit("sync", env={"PREFECT_API_URL": api.url})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "flow_run: 450 records\n" in ran.stdout
    assert "deployment: 1 records, unchanged" in lpaudit("sync", "--url", api.url).stdout
    assert lpaudit("sync", "-q", "--url", api.url).stdout == ""
    ran = lpaudit("sync")
    assert ran.returncode == 2
    assert "PREFECT_API_URL" in ran.stderr
    assert lpaudit("sync", "--from-dump", ".", "--full").returncode == 2
    ran = lpaudit("sync", "--url", "http://127.0.0.1:9/api")
    assert ran.returncode == 3
    assert "cannot reach" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_progress_is_shown_on_a_terminal(api, tmp_path):
    reader, terminal = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "PREFECT_API_URL": api.url}
    process = subprocess.Popen(
        [sys.executable, "-m", "lpaudit", "sync"],
        cwd=tmp_path,
        stderr=terminal,
        stdout=subprocess.PIPE,
        env=environ,
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal ends so
        while part := os.read(reader, 4096):
            shown += part
    os.close(reader)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert b"flow_run: 450 records" in out
    assert b"records" in shown
    assert b"\x1b" in shown


def test_a_bomb_in_a_dump_is_not_taken_into_memory(tmp_path, lpaudit):
    (tmp_path / "dump").mkdir()
    with gzip.open(tmp_path / "dump" / "flows.json.gz", "wb") as file:
        file.write(b"[")
        for _ in range(80):
            file.write(b" " * (1 << 20))
        file.write(b"]")
    ran = lpaudit("sync", "--from-dump", "dump")
    assert ran.returncode == 3
    assert "more than 200 times as large" in ran.stderr
    assert "hint: " in ran.stderr
