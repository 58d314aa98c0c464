"""Several hosts follow their logs into one bucket: nobody blocks anybody, and nothing is there twice."""

import signal
import subprocess
import sys
import time
from collections import Counter

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from tests.faults.test_kill import write_log

HOSTS = ("gw1", "gw2")


def rows_of(url):
    try:
        return DeltaTable(f"{url}/access_event").to_pyarrow_table().to_pylist()
    except DeltaError:
        return []  # nothing yet


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def follow(host, url, log):
    command = [
        sys.executable,
        "-m",
        "lpaudit",
        "ingest",
        "--follow",
        "--host",
        host,
        "--store",
        url,
        str(log),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_two_hosts_and_a_duplicate_follow_into_one_bucket(bucket, tmp_path):
    logs = {host: tmp_path / f"{host}.log" for host in HOSTS}
    for number, log in enumerate(logs.values()):
        write_log(log, 200, number)
    followers = [follow(host, bucket.url, logs[host]) for host in (*HOSTS, "gw1")]
    try:
        wait_for(lambda: len(rows_of(bucket.url)) == 400)
        for number, log in enumerate(logs.values(), 7):
            write_log(tmp_path / "more", 50, number)
            with log.open("ab") as file:
                file.write((tmp_path / "more").read_bytes())
        wait_for(lambda: len(rows_of(bucket.url)) >= 500)
    finally:
        for follower in followers:
            follower.send_signal(signal.SIGTERM)
        told = [follower.communicate(timeout=60)[1] for follower in followers]
    assert [follower.returncode for follower in followers] == [0, 0, 0], told
    rows = rows_of(bucket.url)
    assert Counter(row["host_name"] for row in rows) == {"gw1": 250, "gw2": 250}
    assert len({row["source_id"] for row in rows}) == 2, "each host's log is one source"
    for host, log in logs.items():
        mine = sorted((r["byte_offset"], r["byte_length"]) for r in rows if r["host_name"] == host)
        position = 0
        for offset, length in mine:
            assert offset == position, "a line is missing, or there twice"
            position += length
        assert position == log.stat().st_size
