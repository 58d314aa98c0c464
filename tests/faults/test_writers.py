"""Several ingests at once: whoever is slower goes on from where the faster one got to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_kill import offsets, write_log
from tests.stores import stored_bytes, stored_rows

WRITERS = 4


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.soak)])
def test_simultaneous_ingests_of_the_same_files_store_each_line_once(tmp_path: Path, count: int) -> None:
    """The race begins with the creation of the store and of its table."""
    logs = [tmp_path / f"{number}.log" for number in range(count)]
    for seed, log in enumerate(logs):
        write_log(log, 8_000, seed)  # 40 commits: more than a loser's patience, were it counted
    store = tmp_path / "store"
    command = [sys.executable, "-m", "lpaudit", "ingest", "--log-format", "default", "--store", str(store)]
    writers = [
        subprocess.Popen(
            [*command, *map(str, logs)],
            env={**os.environ, "LPAUDIT_SEGMENT_BYTES": "2500"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(WRITERS)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors
    assert stored_bytes(store) == {str(log): log.read_bytes() for log in logs}
    rows = stored_rows(store)
    assert len({r["line_id"] for r in rows}) == len(rows)
    for log in logs:
        mine = [r["byte_offset"] for r in rows if r["source"] == str(log)]
        assert mine == offsets(log.read_bytes())
