"""`lpaudit status` as a person or a monitor runs it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from health.followed import lines, record_gap, take_in


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(lines(10))
    take_in(tmp_path, path)
    return path


def test_gaps_are_shown(tmp_path, log, lpaudit):
    assert "\ngaps        0, of which 0 open\n" in lpaudit("status").stdout
    record_gap(tmp_path)
    ran = lpaudit("status")
    assert "\ngaps        1, of which 1 open\n" in ran.stdout
    assert re.search(
        r"^source +from +to +bytes +lines +cause\n-.*\n"
        r"/var/log/lighttpd/access.log  2026-11-23 22:00:00Z  2026-11-23 23:00:00Z +45534 +NULL +truncated$",
        ran.stdout,
        re.MULTILINE,
    )
    status = json.loads(lpaudit("status", "--format", "json").stdout)
    assert status["gaps"] == 1
    assert status["open_gaps"] == [
        {
            "source": "/var/log/lighttpd/access.log",
            "host": "gw1",
            "source_id": "3f9a2c01b7d4e6f8",
            "from": "2026-11-23T22:00:00Z",
            "to": "2026-11-23T23:00:00Z",
            "bytes": 45534,
            "lines": None,
            "cause": "truncated",
            "from_offset": 4779,
            "detected_at": "2026-11-24T00:00:00Z",
        }
    ]


def test_a_check_is_an_exit_status_and_a_line_for_each_limit(tmp_path, log, lpaudit):
    ran = lpaudit("status", "--check", "--max-rejects", "0", "--since", "24h")
    assert ran.returncode == 0
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [
        ["lag", "ok"],
        ["gaps", "ok"],
        ["rejects", "ok"],
    ]
    log.write_bytes(lines(12))
    ran = lpaudit("status", "--check", "--max-lag", "0.5")
    assert ran.returncode == 1
    assert re.match(
        r"lag      exceeded  \d+ bytes of .*/access.log still not stored after 0\.\d s", ran.stdout
    )
    log.unlink()
    ran = lpaudit("status", "--check", "--format", "json")
    assert ran.returncode == 3
    told = json.loads(ran.stdout)
    assert (told["status"], [c["state"] for c in told["checks"]]) == (3, ["unknown", "ok"])


def test_a_line_that_another_process_stores_meanwhile_is_no_alarm(tmp_path, log, lpaudit):
    log.write_bytes(lines(12))
    command = [sys.executable, "-m", "lpaudit", "status", "--check", "--max-lag", "60"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as checking:
        until, sleeps_in = time.monotonic() + 120, Path(f"/proc/{checking.pid}/wchan")
        while "nanosleep" not in sleeps_in.read_text():  # as it does between two looks
            assert checking.poll() is None, "it waits"
            assert time.monotonic() < until
        assert lpaudit("ingest", log).returncode == 0
        said, _ = checking.communicate(timeout=60)
    assert checking.returncode == 0, said
    assert float(re.match(r"lag      ok        ([\d.]+) s", said)[1]) > 0


def test_what_makes_no_sense_is_refused(log, lpaudit):
    for options in (
        ("--check", "--watch"),
        ("--check", "--since", "soon"),
        ("--check", "--since", "999999999w"),
    ):
        ran = lpaudit("status", *options)
        assert ran.returncode == 2
        assert ran.stderr.startswith("lpaudit: ")
        assert "\nhint: " in ran.stderr


def test_a_check_without_a_store_cannot_tell(lpaudit):
    assert lpaudit("status", "--check").returncode == 3


def watching(folder, *options, **keywords):
    command = [sys.executable, "-m", "lpaudit", "status", "--watch", "--interval", "0.2", *options]
    return subprocess.Popen(command, cwd=folder, **keywords)


def test_watching_without_a_terminal_writes_blocks_until_it_is_interrupted(tmp_path, log):
    log.write_bytes(lines(12))
    with watching(tmp_path, stdout=subprocess.PIPE, text=True) as process:
        blocks = [[process.stdout.readline() for _ in range(7)] for _ in range(3)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 0
    first, second, _ = blocks
    size = len(lines(12)) - len(lines(10))
    assert first[1] == "lines       10\n"
    assert second[1] == "lines       10, 0.0 a second\n"
    assert first[4] == f"unread      {size} bytes in 1 log of this machine\n"
    assert first[5].endswith(f"{size} B  {log}\n")
    assert {block[6] for block in blocks} == {"\n"}
    assert not any("\x1b" in line for block in blocks for line in block)


def test_watching_for_programs_is_an_object_a_line(tmp_path, log):
    with watching(tmp_path, "--format", "json", stdout=subprocess.PIPE, text=True) as process:
        told = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert [t["lines"] for t in told] == [10, 10]
    assert told[0]["logs"] == [{"path": str(log), "stored": len(lines(10)), "unread": 0}]


def test_watching_on_a_terminal_draws_over_what_was_there(tmp_path, log):
    primary, secondary = pty.openpty()
    with watching(tmp_path, stdout=secondary) as process:
        os.close(secondary)
        seen, end = b"", time.monotonic() + 60
        while seen.count(b"\x1b[H") < 3 and time.monotonic() < end:
            if select.select([primary], [], [], 1)[0]:
                seen += os.read(primary, 65536)
        process.send_signal(signal.SIGINT)
    os.close(primary)
    assert process.returncode == 0
    assert seen.count(b"\x1b[H") >= 3
    assert b"\x1b[Hstore       " in seen
    assert b"\x1b[J\x1b[H" in seen
