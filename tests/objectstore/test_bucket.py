"""The whole of lpaudit on a bucket: what a directory would hold, whoever writes and whatever fails."""

import gzip
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lpaudit.redaction import covers
from tests.faults.test_kill import offsets, without_provenance, write_log
from tests.stores import stored_rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMMAND = [sys.executable, "-m", "lpaudit", "ingest", "--log-format", "default", "--quiet"]
SECRET = "never-to-be-shown"
LINES, SEGMENT = 8_000, 10_000  # eleven commits, of eight each


def start(log, store, segment=SEGMENT):
    return subprocess.Popen(
        [*COMMAND, "--store", str(store), str(log)],
        env={**os.environ, "LPAUDIT_SEGMENT_BYTES": str(segment)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def rows_of(url):
    rows = DeltaTable(f"{url}/access_event").to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda r: (r["source_id"], r["byte_offset"]))


def check(bucket, logs, tmp_path):
    """The bucket holds the logs: each line once, each byte once, and each row is a directory's."""
    rows = rows_of(bucket.url)
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    for log in logs:
        content = log.read_bytes()
        mine = [row for row in rows if row["source"] == str(log)]
        assert [row["byte_offset"] for row in mine] == offsets(content)
        segments = dict.fromkeys(row["segment"] for row in mine)
        pieces = [zstd.decompress(bucket.get(f"team/audit/{name}")) for name in segments]
        assert b"".join(pieces) == content
        for name, piece in zip(segments, pieces, strict=True):
            assert sha256(piece).hexdigest() in name
        assert finish(start(log, fresh)) == (0, "")
    assert without_provenance(rows) == without_provenance(stored_rows(fresh))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "access.log"
    write_log(path, LINES, seed=3)
    return path


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.soak)])
def disturbed(request, log):
    """The log of an ingest that others come in the way of; in a long campaign it has twice as many commits."""
    write_log(log, request.param * LINES, seed=3)
    return log


def clean_failure(ran, status=3):
    assert ran.returncode == status
    assert ran.stderr.count("\nhint: ") == 1
    assert "Traceback" not in ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    return ran.stderr


def test_every_command(bucket, lpaudit, sample_logs, tmp_path):
    compressed = tmp_path / "combined.log.gz"
    compressed.write_bytes(gzip.compress((sample_logs / "combined.log").read_bytes()))
    logs = [sample_logs / "default.log", compressed]
    outputs = {}
    for store in ("here", bucket.url):
        place = {"here": str(tmp_path / "here")}.get(store, bucket.url)

        def said(*command, store=store, place=place):
            ran = lpaudit(*command, "--store", store)
            assert (ran.returncode, ran.stderr) == (0, "")
            return ran.stdout.replace(place, "STORE").replace(store, "STORE")

        dry = said("ingest", "--dry-run", "--host", "gw1", *logs)
        first = said("ingest", "--host", "gw1", *logs)
        again = said("ingest", "--host", "gw1", *logs)
        synced = said("sync", "--from-dump", sample_logs / "prefect")
        asked = said(
            "sql", "select status, count(*), min(time), max(line_id) from access group by 1 order by 1"
        )
        report = said(
            "report", "access", "--from", "2026-11-23", "--to", "2026-11-23", "--out", f"out-{len(outputs)}"
        )
        page = (tmp_path / f"out-{len(outputs)}" / "access.md").read_text("utf-8").replace(place, "STORE")
        # When it was ingested, and the report's id, which follows from that, are all that differs.
        page = re.sub(r"(Report id.{3})[0-9a-f]{32}", r"\1ID", page)
        page = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z \|$", "INGESTED |", page, flags=re.MULTILINE)
        status = json.loads(said("status", "--format", "json"))
        assert status.pop("store") == "STORE"
        assert status.pop("bytes_on_disk") > 100_000
        assert status["missing_segments"] == []
        status["sources"] = [{k: v for k, v in s.items() if "ingest" not in k} for s in status["sources"]]
        listed = [line.split()[1] for line in said("tables", "--files").splitlines()[2:]]
        assert all(file.startswith("STORE/") for file in listed)
        outputs[store] = (
            dry,
            first,
            again,
            synced,
            asked,
            report.replace("out-1", "out-0"),
            page,
            status,
            len(listed),
        )
    here, there = outputs.values()
    assert "nothing new" in here[2]
    assert here == there
    files = lpaudit("tables", "--files", "--format", "json", "--store", bucket.url).stdout
    assert all(
        f"team/audit/{row['file'].removeprefix(bucket.url + '/')}" in bucket.listing()
        for row in json.loads(files)
    )
    rows = rows_of(bucket.url)
    assert without_ingest_time(rows) == without_ingest_time(stored_rows(tmp_path / "here"))
    bytes_of = {
        str(p): gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes() for p in logs
    }
    assert {row["source"] for row in rows} == set(bytes_of)
    for source, content in bytes_of.items():
        segments = dict.fromkeys(row["segment"] for row in rows if row["source"] == source)
        stored = b"".join(zstd.decompress(bucket.get(f"team/audit/{name}")) for name in segments)
        assert covers(stored, content)
        lines = zip(content.split(b"\n"), stored.split(b"\n"), strict=True)
        (secret,) = (line for line, kept in lines if line != kept)
        assert b"password=" in secret


def without_ingest_time(rows):
    return [{k: v for k, v in row.items() if k != "ingest_time"} for row in rows]


def test_four_hosts_write_at_once(bucket, tmp_path):
    """From the creation of the store on; none of them waits for another, or fails because of it."""
    logs = [tmp_path / f"{name}.log" for name in "abcd"]
    for seed, path in enumerate(logs):
        write_log(path, 3_000, seed)
    writers = [start(path, bucket.url) for path in logs]
    assert [finish(writer) for writer in writers] == [(0, "")] * 4
    check(bucket, logs, tmp_path)


def test_two_writers_of_the_same_source(bucket, disturbed, tmp_path):
    writers = [start(disturbed, bucket.url) for _ in "12"]
    assert [finish(writer) for writer in writers] == [(0, "")] * 2
    check(bucket, [disturbed], tmp_path)


@pytest.mark.timeout(600)
def test_rows_are_the_log_after_kills(bucket, disturbed, tmp_path):
    rng = random.Random(20261123)
    kills = 0
    while kills < 3:
        before = bucket.commits()
        process = start(disturbed, bucket.url, SEGMENT // 2)
        while bucket.commits() <= before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    assert kills == 3, "the log was too short for so many kills"
    assert finish(start(disturbed, bucket.url)) == (0, "")
    check(bucket, [disturbed], tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "method": "PUT", "path": "_delta_log", "after": 6},
        pytest.param(
            {"status": 503, "method": "PUT", "path": ".parquet", "after": 3}, marks=pytest.mark.soak
        ),
        pytest.param(
            {"status": 500, "method": "PUT", "path": "segments/", "after": 3}, marks=pytest.mark.soak
        ),
        {"status": 503, "after": 80},
    ],
)
def test_service_that_fails_stops_the_ingest_and_the_next_goes_on(
    fault, bucket, disturbed, tmp_path, lpaudit
):
    bucket.fault(**fault)
    failed = lpaudit("ingest", "--store", bucket.url, disturbed, env={"LPAUDIT_SEGMENT_BYTES": str(SEGMENT)})
    assert "the object store failed" in clean_failure(failed)
    bucket.fault()
    assert 0 < len(rows_of(bucket.url)) < LINES
    assert finish(start(disturbed, bucket.url)) == (0, "")
    check(bucket, [disturbed], tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "access_event/_delta_log/",
        "segments/",
        pytest.param(".parquet", marks=pytest.mark.soak),
        pytest.param("log_format/_delta_log/", marks=pytest.mark.soak),
    ],
)
def test_short_disturbance_is_not_noticed(path, bucket, disturbed, tmp_path):
    bucket.fault(status=503, path=path, after=2, times=1)
    assert finish(start(disturbed, bucket.url)) == (0, "")
    check(bucket, [disturbed], tmp_path)


def test_commits_whose_answers_are_lost_are_not_made_twice(bucket, disturbed, tmp_path):
    """The worst that a network can do: the commit is done, and its writer hears that it failed."""
    for after in (2, 0, 1):
        bucket.fault(lost=True, method="PUT", path="access_event/_delta_log/", after=after, times=2)
        status, errors = finish(start(disturbed, bucket.url))
        assert status in {0, 3}, errors
    bucket.fault()
    assert finish(start(disturbed, bucket.url)) == (0, "")
    check(bucket, [disturbed], tmp_path)


@pytest.mark.parametrize(
    ("settings", "told", "hint"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect", "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": "http://nowhere.invalid"}, "resolve", "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": "nowhere"}, "no URL of a server", "https://"),
        ({"AWS_ENDPOINT_URL": f"http://a:{SECRET}@127.0.0.1:1"}, "no URL of a server", "https://"),
        ({"AWS_ALLOW_HTTP": ""}, "in the clear", "AWS_ALLOW_HTTP=true"),
        ({"AWS_ACCESS_KEY_ID": "another"}, "access denied", "policy"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "access denied", "credentials"),
    ],
)
def test_settings_that_cannot_work(settings, told, hint, bucket, log, lpaudit):
    for command in (["ingest", log], ["status"]):
        error = clean_failure(lpaudit(*command, "--store", bucket.url, env=settings, timeout=60))
        assert told in error
        assert hint in error.partition("hint: ")[2]
    assert bucket.listing() == []


def test_names_of_endpoints_mean_the_same_to_both_clients(bucket, log, lpaudit, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT", "AWS_ENDPOINT"):
        ran = lpaudit("ingest", "--store", f"{bucket.url}/{name}", log, env={name: bucket.endpoint})
        assert (ran.returncode, ran.stderr) == (0, "")


def test_credentials_of_a_profile(bucket, log, lpaudit, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    folder = Path(os.environ["HOME"], ".aws")
    folder.mkdir()
    (folder / "config").write_text("[profile audit]\nregion = eu-central-1\n")
    (folder / "credentials").write_text(
        f"[audit]\naws_access_key_id = lpaudit-test\naws_secret_access_key = {SECRET}\n"
    )
    ran = lpaudit("ingest", "--store", bucket.url, log, env={"AWS_PROFILE": "audit"})
    assert (ran.returncode, ran.stderr) == (0, "")


def test_server_that_never_answers_stops_a_command(bucket, lpaudit):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        clean_failure(lpaudit("status", "--store", bucket.url, env={"AWS_ENDPOINT_URL": url}))
        assert time.monotonic() - begun < 60


def test_places_that_are_no_store(bucket, log, lpaudit):
    bucket.client.put_object(Bucket=bucket.name, Key="other/file", Body=b"x")
    assert "there is no store" in clean_failure(lpaudit("sql", "select 1", "--store", bucket.url))
    for command in (["ingest", log], ["status"]):
        other = lpaudit(*command, "--store", f"s3://{bucket.name}/other")
        assert "not a store: it has no lpaudit-store.json" in clean_failure(other)
        missing = lpaudit(*command, "--store", "s3://no-such-bucket-anywhere/store")
        assert "there is no such bucket" in clean_failure(missing)
    assert bucket.listing() == ["other/file"]


def test_urls_that_cannot_be(bucket, log, lpaudit):
    for rest in ("/a b", "/a%41", "/ü", "//a", "/../a", "/a/.b", "/a?versionId=1", "/a#b"):
        clean_failure(lpaudit("ingest", "--store", f"s3://{bucket.name}{rest}", log))
    clean_failure(lpaudit("ingest", "--store", f"s3://key:{SECRET}@{bucket.name}/a", log))
    clean_failure(lpaudit("ingest", "--store", "s3://", log))
    assert bucket.listing() == []


def test_whole_bucket_may_be_the_store(bucket, log, lpaudit):
    for _ in "12":
        assert lpaudit("ingest", "--store", f"s3://{bucket.name}/", log).returncode == 0
    assert "lpaudit-store.json" in bucket.listing()
    asked = lpaudit(
        "sql", "--store", f"s3://{bucket.name}", "--format", "csv", "select count(*) from access_event"
    )
    assert asked.stdout.split()[1] == str(LINES)


def test_secrets_are_not_stored(bucket, log, lpaudit):
    assert lpaudit("ingest", "--store", bucket.url, log).returncode == 0
    for key in bucket.listing():
        assert SECRET.encode() not in bucket.get(key)


def test_file_that_is_gone_is_damage_and_an_outage_is_not(bucket, log, lpaudit):
    assert lpaudit("ingest", "--store", bucket.url, log).returncode == 0
    bucket.fault(status=503, path=".parquet")
    out = clean_failure(lpaudit("sql", "--store", bucket.url, "select count(raw) from access_event"))
    assert "damaged" not in out
    bucket.fault()
    (file,) = (key for key in bucket.listing() if "/access_event/part-" in key)
    bucket.client.delete_object(Bucket=bucket.name, Key=file)
    gone = clean_failure(lpaudit("sql", "--store", bucket.url, "select count(raw) from access_event"))
    assert "damaged" in gone


def test_directory_needs_nothing_of_it(tmp_path, log):
    code = (
        "import sys; from lpaudit import ingest, pipeline, store; "
        "store.create_store('here'); pipeline.status('here'); "
        "sys.exit('lpaudit.store.bucket' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
