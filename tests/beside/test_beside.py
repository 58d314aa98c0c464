"""What a follower has done on the side: when, and that it is done."""

from lpaudit.beside import EVERY, AfterCommits, Starter
from lpaudit.model import Lag, Observer

LAG = Lag(files=1, bytes=0, seconds=0.0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_correlation_is_started_for_new_lines_and_not_too_often() -> None:
    clock, started = Clock(), []
    may = True

    def start() -> bool:
        started.append(clock.now)
        return may

    tied = AfterCommits(start, clock)
    tied.lagging(LAG)
    assert not started, "there is nothing to do"
    tied.committed(1, 20, 0, 4000, 0.1)
    tied.lagging(LAG)
    tied.committed(1, 20, 0, 4000, 0.1)
    tied.lagging(LAG)
    assert started == [100.0]
    clock.now += EVERY
    may = False  # the one before is still at it
    tied.lagging(LAG)
    may = True
    clock.now += 1
    tied.lagging(LAG)
    tied.lagging(LAG)
    assert started == [100.0, 160.0, 161.0], "it is tried again, and what came last is not forgotten"
    tied.committed(1, 0, 0, 0, 0.1)
    clock.now += EVERY
    tied.lagging(LAG)
    assert len(started) == 3, "no lines, nothing to do"


def test_a_command_is_run_on_the_store_one_at_a_time(tmp_path, lpaudit) -> None:
    line = b'1.2.3.4 h - [23/Nov/2026:10:15:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"\n'
    (tmp_path / "access.log").write_bytes(line)
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    start = Starter("compact", str(tmp_path / "lpaudit-store"), Observer())
    for _ in range(2):
        assert start()
        assert not start(), "it has just begun"
        assert start.process.wait(timeout=60) == 0
