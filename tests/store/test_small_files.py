"""A store of many small commits stays as fast as it was, when it is compacted now and then."""

import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest

from lpaudit import pipeline
from lpaudit.store import append, create_store
from tests.pieces import SOURCES, Log

QUERY = "select status, count(*) n, sum(http_response_bytes) from access group by all"


@dataclass
class Window:
    """What was measured between two compactions, in seconds; queries every 50 commits."""

    commits: int
    opens: list[float] = field(default_factory=list)
    appends: list[float] = field(default_factory=list)
    queries: list[float] = field(default_factory=list)
    compaction: float = 0.0

    def row(self) -> str:
        times = (median(self.opens), median(self.appends), median(self.queries), self.compaction)
        return f"| {self.commits:,} | " + " | ".join(f"{1000 * t:.0f}" for t in times) + " |"


def campaign(root: Path, commits: int, every: int) -> list[Window]:
    """Commit pieces of three sources, and compact as a follower does: in a process of its own."""
    store = create_store(str(root))
    logs = [Log(source_id) for source_id in SOURCES]
    table = store.create_table("access_event", uuid.uuid4().hex)
    windows = []
    print(
        "\n| commits | open (ms) | append (ms) | query (ms) | compaction (ms) |\n|---:|---:|---:|---:|---:|"
    )
    for first in range(0, commits, every):
        window = Window(first + every)
        for number in range(every):
            pieces = [log.piece(20) for log in logs]
            began = time.perf_counter()
            append(store, table, pieces, uuid.uuid4().hex)
            window.appends.append(time.perf_counter() - began)
            if number % 50 == 49:
                began = time.perf_counter()
                store.table("access_event")
                window.opens.append(time.perf_counter() - began)
                began = time.perf_counter()
                with pipeline.opened(str(root)) as (connection, _):
                    counted = connection.select(QUERY).to_pylist()
                window.queries.append(time.perf_counter() - began)
                assert sum(row["n"] for row in counted) == sum(
                    log.lines - log.content.count(b"garbage") for log in logs
                )
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "lpaudit", "compact", "--store", root, "--keep-replaced", "0"], check=True
        )
        window.compaction = time.perf_counter() - began
        windows.append(window)
        print(window.row(), flush=True)
    return windows


def ratios(windows: list[Window]) -> tuple[float, float]:
    first, last = windows[0], windows[-1]
    return (
        median(last.appends) / median(first.appends),
        median(last.queries) / median(first.queries),
    )


@pytest.mark.timeout(600)
def test_six_hundred_commits_do_not_make_it_slow(tmp_path: Path) -> None:
    """Three times is allowed, because the machine may be busy; ten thousand tell more."""
    appends, queries = ratios(campaign(tmp_path / "store", 600, 100))
    assert appends < 3
    assert queries < 3
    assert len(pipeline.data_files(str(tmp_path / "store"))) < 8 * 4


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_ten_thousand_commits_do_not_make_it_slow(tmp_path: Path) -> None:
    windows = campaign(tmp_path / "store", 10_000, 400)
    appends, queries = ratios(windows)
    assert appends < 2
    assert queries < 2
