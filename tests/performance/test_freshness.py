"""How long a line may wait: measured with a clock that only goes on when it is told to."""

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lpaudit.follow import Follower
from lpaudit.followed import Surroundings
from lpaudit.ingest import IngestOptions
from lpaudit.model import Observer

LINE = '192.0.2.1 gw - [23/Nov/2026:10:15:45 +0000] "GET /%d HTTP/1.1" 200 7 "-" "-"\n'


class World(Observer):
    """A log, and a clock; a commit takes 0.9 s, and a line comes meanwhile."""

    def __init__(self, folder, line_while_committing):
        self.log = folder / "access.log"
        self.log.write_text(LINE % 0)
        self.seconds = 100.0
        self.commits = []
        self.line_while_committing = line_while_committing
        names = (f"{number:032x}" for number in itertools.count())
        around = Surroundings(
            now=lambda: datetime(2026, 11, 23, 10, 16, tzinfo=UTC),
            unique=lambda: next(names),
            sleep=lambda seconds: None,
            clock=lambda: self.seconds,
        )
        options = IngestOptions("gw", None, ZoneInfo("UTC"), segment_bytes=1 << 20)
        self.follower = Follower(str(folder / "store"), [str(self.log)], options, self, around)

    def committed(self, sources, lines, rejected, size, seconds):
        self.commits.append((round(self.seconds, 1), lines))
        if self.line_while_committing:
            self.write(1)
        self.seconds += 0.9

    def write(self, number):
        with self.log.open("a") as file:
            file.write(LINE % number)

    def turn_until(self, seconds):
        while self.seconds < seconds:
            self.follower._turn()
            self.seconds += 0.1


@pytest.fixture(params=[True, False], ids=["while-committing", "afterwards"])
def world(request, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return World(tmp_path, request.param)


def test_a_commit_does_not_make_lines_wait_for_longer(world):
    world.turn_until(101.5)
    ((first, _),) = world.commits
    assert first == pytest.approx(101.0, abs=0.3)
    if not world.line_while_committing:
        world.turn_until(102.3)
        world.write(1)
    world.turn_until(104)
    second, lines = world.commits[1]
    assert lines == 1
    if world.line_while_committing:
        assert second == pytest.approx(first + 1.0, abs=0.2)
    else:
        assert second == pytest.approx(102.3 + 1.0, abs=0.2)


def test_what_can_be_read_at_once_is_one_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("lpaudit.source.tail._CHUNK", 100)
    world = World(tmp_path, line_while_committing=False)
    world.turn_until(100.3)
    for number in range(1, 21):
        world.write(number)
    world.seconds += 5  # as after a commit that took long
    world.turn_until(110)
    assert [lines for _, lines in world.commits] == [21]
