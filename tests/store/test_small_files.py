"""A store of many small commits stays as fast as a new one, when it is compacted now and then."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from lpaudit import pipeline
from lpaudit.store import append, create_store
from tests.pieces import SOURCES, Log

QUERY = "select status, count(*) n, sum(http_response_bytes) from access group by all"
EVERY = 100  # commits from one compaction to the next


class Follower:
    """Commits pieces of three sources, and compacts as a follower does: in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = create_store(str(root))
        self.table = self.store.create_table("access_event", uuid.uuid4().hex)
        self.logs = [Log(source_id) for source_id in SOURCES]

    def commit(self) -> float:
        """Return how long an append took, in seconds."""
        pieces = [log.piece(20) for log in self.logs]
        return timed(lambda: append(self.store, self.table, pieces, uuid.uuid4().hex))

    def open(self) -> float:
        return timed(lambda: self.store.table("access_event"))

    def query(self) -> float:
        def ask() -> None:
            with pipeline.opened(str(self.root)) as (connection, _):
                counted.extend(connection.select(QUERY).to_pylist())

        counted: list[dict[str, int]] = []
        took = timed(ask)
        good = sum(log.lines - log.content.count(b"garbage") for log in self.logs)
        assert sum(row["n"] for row in counted) == good
        return took

    def compact(self) -> None:
        command = [sys.executable, "-m", "lpaudit", "compact", "--store", self.root, "--keep-replaced", "0"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def grow(self, commits: int) -> None:
        for _ in range(0, commits, EVERY):
            for _ in range(EVERY):
                self.commit()
            self.compact()


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def compare(old: Follower, new: Follower) -> tuple[float, float]:
    """Return how much slower appends and queries of the old store are than those of the new one.

    Both are measured in turn, so that what else the machine does is in both.
    """
    appends, queries, opens = [], [], []
    for number in range(EVERY):
        appends.append((old.commit(), new.commit()))
        if number % 10 == 9:
            opens.append((old.open(), new.open()))
            queries.append((old.query(), new.query()))
    measured = {
        name: [1000 * median(column) for column in zip(*pairs, strict=True)]
        for name, pairs in (("open", opens), ("append", appends), ("query", queries))
    }
    for name, (slow, fast) in measured.items():
        print(f"{name}: {slow:.0f} ms after {old.table.version():,} commits, {fast:.0f} ms in a new store")
    old.compact()
    return tuple(slow / fast for slow, fast in (measured["append"], measured["query"]))  # type: ignore[return-value]


def test_a_hundred_commits_are_a_few_files(tmp_path: Path) -> None:
    """How long they take, the campaign says: on a busy machine a short one would tell of the machine."""
    old = Follower(tmp_path / "old")
    old.grow(EVERY)
    old.query()
    assert len(pipeline.data_files(str(old.root))) < 8 * 4


@pytest.mark.soak
@pytest.mark.timeout(14400)
def test_ten_thousand_commits_do_not_make_it_slow(tmp_path: Path) -> None:
    old = Follower(tmp_path / "old")
    for number in range(4):
        old.grow(2400)
        appends, queries = compare(old, Follower(tmp_path / f"new-{number}"))
    assert old.table.version() >= 10_000
    assert appends < 2
    assert queries < 2
