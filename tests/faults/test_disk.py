"""A store that cannot be written: a clear error, nothing half-done, and the next try goes on."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.test_kill import check_rows, write_log
from tests.stores import stored_rows

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")


def ingest(
    log: Path, store: Path, limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Ingest in small commits."""
    command = [
        sys.executable,
        "-m",
        "lpaudit",
        "ingest",
        "--log-format",
        "default",
        "--store",
        str(store),
        str(log),
    ]
    return subprocess.run(
        command,
        env={**os.environ, "LPAUDIT_SEGMENT_BYTES": "12000"},
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "lpaudit-test", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@as_root
def test_full_disk_stops_with_an_error_and_the_rest_is_read_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    log, store = tmp_path / "access.log", small_disk / "store"
    write_log(log, 20_000, seed=1)
    full = ingest(log, store)
    assert full.returncode == 3
    assert "cannot write the store" in full.stderr
    assert "hint: nothing is lost" in full.stderr
    assert "Traceback" not in full.stderr
    stored = stored_rows(store)
    assert 0 < len(stored) < 20_000
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = ingest(log, store)
    assert again.returncode == 0, again.stderr
    check_rows(log, store, tmp_path / "fresh")


@as_root
def test_read_only_disk(tmp_path: Path, small_disk: Path) -> None:
    log = tmp_path / "access.log"
    write_log(log, 10, seed=1)
    assert ingest(log, small_disk / "store").returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with log.open("ab") as file:
        file.write(b'192.0.2.1 gw - [23/Nov/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"\n')
    for store in (small_disk / "store", small_disk / "another"):
        refused = ingest(log, store)
        assert refused.returncode == 3
        assert "read-only file system" in refused.stderr.lower()
        assert "Traceback" not in refused.stderr
        assert "hint: " in refused.stderr


def test_limit_on_file_size_stops_with_an_error(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: every write fails in the middle of a file."""
    log, store = tmp_path / "access.log", tmp_path / "store"
    write_log(log, 3_000, seed=2)
    stopped = ingest(log, store, limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    assert stopped.returncode == 3, stopped.stderr
    assert "cannot write the store" in stopped.stderr
    assert "file too large" in stopped.stderr.lower()
    assert "Traceback" not in stopped.stderr
    assert ingest(log, store).returncode == 0
    check_rows(log, store, tmp_path / "fresh")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_store_without_write_permission(tmp_path: Path) -> None:
    log, parent = tmp_path / "access.log", tmp_path / "parent"
    write_log(log, 10, seed=1)
    parent.mkdir(mode=0o500)
    refused = ingest(log, parent / "store")
    assert refused.returncode == 3
    assert "permission denied" in refused.stderr


def test_without_room_for_a_copy_of_the_period_a_report_leaves_nothing(tmp_path: Path) -> None:
    """What is copied is asked for in $TMPDIR; when it is full, no file of a report is half there."""
    log, store = tmp_path / "access.log", tmp_path / "store"
    write_log(log, 100, seed=1)
    assert ingest(log, store).returncode == 0
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    command = (sys.executable, "-m", "lpaudit", "report", "access", "--period", "2026", "--out", str(out))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))

    ran = subprocess.run(
        [*command, "--store", str(store)],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert f"cannot copy the period's lines to {temporary}: file too large" in ran.stderr
    assert "TMPDIR" in ran.stderr
    assert not out.exists()
    assert not list(temporary.iterdir())
