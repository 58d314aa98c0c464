"""kill -9 in the middle of an ingest, again and again: afterwards the rows are the log, byte for byte."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stores import Rows, stored_bytes, stored_rows

KILLS = 50  # of a long campaign
LINES = 4_000  # a kill: several times as many as are stored before it
SEGMENT = 8 << 10  # many commits, of eight each, so that a kill hits each step of one


def write_log(path: Path, lines: int, seed: int) -> None:
    """Write lines in lighttpd's default format; some are odd, some are garbage."""
    rng = random.Random(seed)
    with path.open("wb") as file:
        for number in range(lines):
            second = f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
            agent = rng.choice([b"-", b'q\\"uote', b"b\\xC3\\xBCrste", b"prefect/3.9.1 (API 0.8.4)"])
            if rng.random() < 0.01:
                file.write(rng.choice([b"\n", b"garbage\n", b"\x00\x00\n", b"caf\xe9\n"]))
            else:
                user = rng.choice([b"alice", b"-", b"worker-etl"])
                file.write(
                    b"192.0.2.%d gw %s [23/Nov/2026:%s +0000] " % (rng.randrange(256), user, second.encode())
                    + b'"GET /api/flow_runs/%d HTTP/1.1" 200 %d "-" "%s"\n'
                    % (number, rng.randrange(9999), agent)
                )


def start(log: Path, store: Path, segment: int = SEGMENT) -> subprocess.Popen[bytes]:
    """Start an ingest, in small commits."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lpaudit",
            "ingest",
            "--store",
            str(store),
            "--log-format",
            "default",
            str(log),
        ],
        env={**os.environ, "LPAUDIT_SEGMENT_BYTES": str(segment)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def commits(store: Path) -> int:
    """Count the commits that are there."""
    return len(list((store / "access_event" / "_delta_log").glob("*.json")))


def kill_campaign(tmp_path: Path, kills: int, seed: int) -> tuple[Path, Path, int]:
    """Kill ingests of one log until ``kills`` hit one that was committing; return log, store and kills."""
    rng = random.Random(seed)
    log, store = tmp_path / "access.log", tmp_path / "store"
    write_log(log, kills * LINES, seed)
    landed = 0
    while landed < kills:
        before = commits(store)
        process = start(log, store)
        deadline = time.monotonic() + 60
        # Wait until it commits, so that every kill hits the middle of the work and not the start-up.
        while commits(store) <= before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.12))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        landed += 1
    return log, store, landed


def check_rows(log: Path, store: Path, fresh: Path) -> None:
    """The store holds the log: each byte once, each line once, as an undisturbed ingest reads it."""
    content = log.read_bytes()
    assert stored_bytes(store) == {str(log): content}
    rows = stored_rows(store)
    assert len(rows) == content.count(b"\n")
    assert [r["byte_offset"] for r in rows] == offsets(content)
    assert [r["line_number"] for r in rows] == list(range(1, len(rows) + 1))
    assert len({r["line_id"] for r in rows}) == len(rows)
    undisturbed = start(log, fresh, len(content))
    assert undisturbed.wait() == 0
    assert without_provenance(rows) == without_provenance(stored_rows(fresh))


def offsets(content: bytes) -> list[int]:
    """Where each line begins."""
    found, position = [], 0
    for line in content.splitlines(keepends=True) if b"\r" not in content else content.split(b"\n"):
        found.append(position)
        position += len(line)
    return found


def without_provenance(rows: Rows) -> Rows:
    """Leave out what says when and in which commit a row was stored."""
    return [{k: v for k, v in row.items() if k not in {"ingest_time", "segment"}} for row in rows]


@pytest.mark.timeout(600)
def test_rows_are_the_log_after_kills(tmp_path: Path) -> None:
    log, store, landed = kill_campaign(tmp_path, 5, seed=20261123)
    assert landed == 5, "the log was too short for so many kills"
    assert start(log, store).wait() == 0
    check_rows(log, store, tmp_path / "fresh")


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(6))
def test_rows_are_the_log_after_many_kills(tmp_path: Path, seed: int) -> None:
    log, store, landed = kill_campaign(tmp_path, KILLS, seed)
    assert landed == KILLS
    assert start(log, store).wait() == 0
    check_rows(log, store, tmp_path / "fresh")
