"""What happens to logs while they are followed: each fault by its number, and what must come of it.

Expected is always the log: each generation of it is one source, whole, each line once, byte
for byte; or the table of gaps says what is missing. Ten seconds of grace take no time here,
as the clock is the test's; what needs a real process is at the end of each fault.
"""

import errno
import gzip
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from lpaudit import follow
from lpaudit.model import LogKind
from tests.follower import (
    Driven,
    Following,
    append,
    check,
    compress,
    contents,
    copytruncate,
    events,
    gaps,
    line,
    lines,
    order,
    rotate,
    stored_lines,
)
from tests.stores import stored_rows

LONG = 25.0
"""More than a rotated file must be quiet, and than a copy is waited for, after another."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here only processes die: what a disk has not seen yet is not lost, and need not be waited for."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where lighttpd logs to."""
    there = tmp_path / "logs"
    there.mkdir()
    return there


@pytest.fixture
def log(folder: Path) -> Path:
    """A log that does not exist yet."""
    return folder / "access.log"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store that does not exist yet."""
    return tmp_path / "store"


Argument = Callable[[Path], str]


WAYS = ["file", "folder", "glob"]


@pytest.fixture(params=WAYS)
def named(request: pytest.FixtureRequest) -> Argument:
    """Name what is followed, in each way that there is."""
    return {
        "file": str,
        "folder": lambda log: str(log.parent),
        "glob": lambda log: f"{log}*",
    }[request.param]


STYLES = ["number", "gz", "delay", "date", "date-gz"]
PROGRAMS = ["gzip", "zstd", "bzip2", "xz"]


def in_each_way(name: str, values: list[str]) -> pytest.MarkDecorator:
    """Try every value in every way to name what is followed; in the default run a third of the pairs."""
    pairs = [
        pytest.param(way, value, marks=() if (row + column) % 3 == 0 else pytest.mark.soak)
        for row, way in enumerate(WAYS)
        for column, value in enumerate(values)
    ]
    return pytest.mark.parametrize(("named", name), pairs, indirect=["named"])


def restarted(store: Path, argument: object, seconds: float = LONG) -> None:
    """Follow anew for a while, and stop."""
    with Driven(store, argument) as follower:
        follower.wait(seconds).stop()


# 1: rename + create while running → the old file is drained to its end, then the new one.


@in_each_way("style", STYLES)
@pytest.mark.parametrize("count", [1, 40])
def test_fault_01_rename_and_create_while_running(
    log: Path, store: Path, named: Argument, style: str, count: int
) -> None:
    generations = []
    with Driven(store, named(log)) as follower:
        for name in "abcd":
            whole = append(log, lines(name, count))
            follower.wait()
            whole += append(log, line(f"{name}/unread"))
            generations.append(whole)
            rotate(log, style)
        generations.append(append(log, lines("e", count)))
        follower.wait(LONG).stop()
    check(store, *generations)
    assert gaps(store) == []
    assert len(events(store, "finished")) == 4


def test_fault_01_lines_that_a_server_writes_to_the_old_file_until_it_reopens_its_log(
    log: Path, store: Path, named: Argument
) -> None:
    """logrotate renames; lighttpd goes on writing where it was until it gets its signal."""
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 10))
        follower.wait()
        there = rotate(log)
        old += append(there, lines("late", 3))
        new = append(log, lines("new", 2))
        follower.wait(1)
        old += append(there, lines("later", 3))
        follower.wait(5)
        old += append(there, lines("latest", 3))
        new += append(log, lines("newer", 2))
        follower.wait(LONG)
        old += append(there, lines("after-it-was-called-finished", 1))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


def test_fault_01_rotated_into_another_folder(log: Path, store: Path) -> None:
    """logrotate's olddir: what is held open is read to its end, wherever it goes."""
    with Driven(store, log) as follower:
        old = append(log, lines("old", 10))
        follower.wait()
        old += append(log, lines("unread", 10))
        (log.parent / "old").mkdir()
        log.rename(log.parent / "old" / "access.log-20261123")
        new = append(log, lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


def test_fault_01_the_new_file_comes_much_later(log: Path, store: Path, named: Argument) -> None:
    """nocreate, and a night without requests."""
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 10))
        follower.wait()
        old += append(log, line("unread"))
        log.rename(log.with_name("access.log.1"))
        follower.wait(3600)
        new = append(log, lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


def test_fault_01_rotated_so_fast_that_nobody_saw_the_file_in_between(log: Path, store: Path) -> None:
    with Driven(store, log) as follower:
        first = append(log, lines("first", 5))
        follower.wait()
        rotate(log)
        second = append(log, lines("second", 5))
        rotate(log)
        third = append(log, lines("third", 5))
        follower.wait(LONG).stop()
    check(store, first, second, third)
    assert gaps(store) == []


def test_fault_01_what_is_followed_is_in_the_store_within_seconds_of_a_rotation(
    log: Path, store: Path
) -> None:
    """A real process and real seconds, with a writer that never pauses."""
    generations = []
    with Following(store, log) as follower:
        count = 0
        for name in ("a", "b", "c"):
            whole = b""
            for number in range(20):
                whole += append(log, lines(f"{name}/{number}", 5))
                count += 5
                if number == 10:
                    follower.until_stored(count - 50)
            generations.append(whole)
            rotate(log, "gz")
        generations.append(append(log, lines("end", 2)))
        follower.until_stored(count + 2)
        follower.stop()
    check(store, *generations)
    assert gaps(store) == []


# 2: the same while stopped → the old file is found again by its fingerprint.


@in_each_way("style", STYLES)
@pytest.mark.parametrize("count", [1, 40])
def test_fault_02_rename_and_create_while_stopped(
    log: Path, store: Path, named: Argument, style: str, count: int
) -> None:
    old = append(log, lines("old", count))
    restarted(store, named(log))
    old += append(log, lines("unread", count))
    rotate(log, style)
    new = append(log, lines("new", count))
    restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []
    assert len(order(store)) == 2


def test_fault_02_renamed_while_stopped_and_the_new_file_is_empty_yet(
    log: Path, store: Path, named: Argument
) -> None:
    """The end of a quiet day: logrotate's `create` made a file that nobody has written to."""
    old = append(log, lines("old", 5))
    restarted(store, named(log))
    old += append(log, lines("unread", 5))
    rotate(log)
    with Driven(store, named(log)) as follower:
        follower.wait()
        check(store, old)  # nobody waits for the first line of the new file
        follower.wait(LONG)
        new = append(log, lines("new", 5))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


def test_fault_02_the_file_is_empty_for_a_moment_only(log: Path, store: Path, named: Argument) -> None:
    """A log that is put back from a copy is its own rest: nothing is missing, and what is missing later is told."""
    old = append(log, lines("old", 5))
    restarted(store, named(log))
    os.truncate(log, 0)
    with Driven(store, named(log)) as follower:
        follower.wait()
        log.write_bytes(old)
        follower.wait(LONG)
        assert gaps(store) == []
        old += append(log, lines("more", 5))
        follower.wait().stop()
    check(store, old)
    append(log, lines("lost", 5))
    log.unlink()
    new = append(log, lines("new", 5))
    with Driven(store, named(log)) as follower:
        follower.wait(LONG).stop()
    check(store, old, new)
    assert [gap["from_offset"] for gap in gaps(store)] == [len(old)]


def test_fault_02_with_a_real_process(log: Path, store: Path) -> None:
    old = append(log, lines("old", 50))
    with Following(store, log) as follower:
        follower.until_stored(50)
        follower.stop()
    old += append(log, lines("unread", 50))
    rotate(log, "date-gz")
    new = append(log, lines("new", 50))
    with Following(store, log) as follower:
        follower.until_stored(150)
        follower.stop()
    check(store, old, new)
    assert gaps(store) == []


def test_fault_02_lines_of_the_old_file_are_stored_before_those_of_the_new_one(
    log: Path, store: Path
) -> None:
    """Or a crash in between would leave the rest of the old file behind."""
    append(log, lines("old", 5))
    restarted(store, log)
    append(log, lines("unread", 500))
    rotate(log, "gz")
    append(log, lines("new", 5))
    with Driven(store, log, segment_bytes=2000) as follower:
        while stored_lines(store) < 510:
            if any(b"/new/" in content for content in contents(store).values()):
                assert any(b"/unread/499 " in content for content in contents(store).values())
            follower.turn()
        follower.stop()


@pytest.mark.parametrize("step", range(1, 30, 3))
def test_fault_02_stopped_in_the_middle_of_catching_up(log: Path, store: Path, step: int) -> None:
    """Several files are behind: whichever it had come to, it goes on from there."""
    first = append(log, lines("first", 20))
    restarted(store, log)
    first += append(log, lines("first/unread", 20))
    rotate(log)
    second = append(log, lines("second", 40))
    rotate(log)
    third = append(log, lines("third", 10))
    with Driven(store, log, segment_bytes=1000) as follower:
        for _ in range(step):
            follower.turn()
    restarted(store, log)
    check(store, first, second, third)
    assert gaps(store) == []


# 3: copytruncate, everything was read → a new generation from 0.


@pytest.mark.parametrize("copy", ["access.log.1", "access.log-20261123", None])
def test_fault_03_copytruncate_with_everything_read(
    log: Path, store: Path, named: Argument, copy: str | None
) -> None:
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 30))
        follower.wait()
        copytruncate(log, copy and log.with_name(copy))
        follower.wait(LONG)
        new = append(log, lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []
    assert len(events(store, "truncated")) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_fault_03_copytruncate_while_stopped(log: Path, store: Path, named: Argument, packed: bool) -> None:
    old = append(log, lines("old", 30))
    restarted(store, named(log))
    copytruncate(log, log.with_name("access.log.1"))
    if packed:
        compress(log.with_name("access.log.1"))
    new = append(log, lines("new", 3))
    restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []


def test_fault_03_copytruncate_again_and_again(log: Path, store: Path, named: Argument) -> None:
    generations = []
    with Driven(store, named(log)) as follower:
        for number in range(4):
            generations.append(append(log, lines(f"g{number}", 10 - number)))
            follower.wait(LONG)
            for older in (2, 1):
                there = log.with_name(f"access.log.{older}")
                if there.exists():
                    there.rename(log.with_name(f"access.log.{older + 1}"))
            copytruncate(log, log.with_name("access.log.1"))
        follower.wait(LONG).stop()
    check(store, *generations)
    assert gaps(store) == []


# 4: copytruncate with unread bytes → read from the copy; without one, a gap with the byte count.


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("copy", ["access.log.1", "access.log-20261123"])
def test_fault_04_unread_bytes_are_read_from_the_copy(
    log: Path, store: Path, named: Argument, copy: str, packed: bool
) -> None:
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 30))
        follower.wait()
        old += append(log, lines("unread", 5))
        copytruncate(log, log.with_name(copy))
        if packed:
            compress(log.with_name(copy))
        new = append(log, lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []
    content = contents(store)
    assert [content[source_id] for source_id in order(store)] == [old, new]


def test_fault_04_the_copy_is_found_after_a_crash(log: Path, store: Path, named: Argument) -> None:
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 30))
        follower.wait()
        old += append(log, lines("unread", 5))
        copytruncate(log, log.with_name("access.log.1"))
        new = append(log, lines("new", 3))
        follower.turn()
    restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []


def test_fault_04_bytes_that_were_seen_and_are_in_no_copy_are_a_gap(log: Path, store: Path) -> None:
    """A store that cannot be written for a while: the follower knows how long the log had become."""
    with Driven(store, log, segment_bytes=1000) as follower:
        old = append(log, lines("old", 30))
        follower.wait()
        # As after a commit that has failed.
        follower.follower.writer._ways[LogKind.ACCESS].blocked = follower.time + 60
        missing = append(log, lines("x" * 60_000, 150))  # more than is read ahead
        follower.wait(5)
        copytruncate(log, None)
        new = append(log, lines("new", 3))
        follower.wait(100).stop()
    [gap] = gaps(store)
    content = contents(store)
    [begun] = [c for c in content.values() if c != new]
    assert (old + missing).startswith(begun), "what it had read of it is kept"
    assert gap["cause"] == "truncated"
    assert gap["bytes"] == len(old + missing) - len(begun)
    assert gap["from_offset"] == len(begun)
    assert content[gap["source_id"]] == begun
    assert new in content.values()


def test_fault_04_cut_while_stopped_and_no_copy_is_a_gap(log: Path, store: Path) -> None:
    old = append(log, lines("old", 30))
    restarted(store, log)
    append(log, lines("unread", 5))
    copytruncate(log, None)
    new = append(log, lines("new", 3))
    restarted(store, log)
    check(store, old, new)
    [gap] = gaps(store)
    assert (gap["from_offset"], gap["bytes"]) == (len(old), None), "nobody knows how long it had become"
    assert gap["source"] == str(log)
    assert gap["from"] < gap["to"]


def test_fault_04_a_line_cut_in_two_by_a_copytruncate(log: Path, store: Path, named: Argument) -> None:
    """The first half is in the copy, the second at the start of what comes next: both are kept."""
    whole = line("torn")
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 5) + whole[:40])
        follower.wait()
        copytruncate(log, log.with_name("access.log.1"))
        new = append(log, whole[40:] + lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


# 5: truncated, then regrown past the offset → a new generation, nothing skipped.


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("more", [0, 1, 500])
def test_fault_05_truncated_and_regrown_past_the_offset(
    log: Path, store: Path, named: Argument, running: bool, more: int
) -> None:
    old = lines("old", 30)
    new = lines("new", 30 + more)
    with Driven(store, named(log)) as follower:
        append(log, old)
        follower.wait()
        if not running:
            follower.stop()
        copytruncate(log, log.with_name("access.log.1"))
        append(log, new)
        if running:
            follower.wait(LONG).stop()
    if not running:
        restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []


@pytest.mark.parametrize("running", [True, False])
def test_fault_05_regrown_with_the_same_first_lines(log: Path, store: Path, running: bool) -> None:
    """A health check logs the same line for ever; only later lines differ."""
    same = line("health") * 40
    old, new = same + lines("old", 30), same + lines("new", 60)
    with Driven(store, log) as follower:
        append(log, old)
        follower.wait()
        if not running:
            follower.stop()
        copytruncate(log, log.with_name("access.log.1"))
        append(log, new)
        if running:
            follower.wait(LONG).stop()
    if not running:
        restarted(store, log)
    check(store, old, new)
    assert gaps(store) == []


def test_fault_05_regrown_to_the_same_size_and_time(log: Path, store: Path) -> None:
    """Size and time say that nothing has happened; the bytes do not."""
    old, new = line("a" * 20) + line("b" * 20), line("c" * 20) + line("d" * 20)
    append(log, old)
    restarted(store, log)
    before = log.stat()
    copytruncate(log, log.with_name("access.log.1"))
    append(log, new)
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    restarted(store, log)
    check(store, old, new)
    assert gaps(store) == []


# 6: an inode is used again → the fingerprint decides.


def reuse(path: Path, inode: int, data: bytes) -> None:
    """Write a file with a certain inode, by trying."""
    others = []
    for number in range(200):
        path.write_bytes(data)
        if path.stat().st_ino == inode:
            break
        others.append(path.rename(path.with_name(f".other-{number}")))
    for other in others:
        other.unlink()
    if not path.exists() or path.stat().st_ino != inode:
        pytest.skip("this file system does not use an inode again")


def test_fault_06_an_inode_is_used_again_while_stopped(log: Path, store: Path, named: Argument) -> None:
    old = append(log, lines("old", 30))
    restarted(store, named(log))
    inode = log.stat().st_ino
    log.unlink()
    new = lines("new", 30)
    reuse(log, inode, new)
    restarted(store, named(log))
    check(store, old, new)


@pytest.mark.parametrize("more", [0, 5])
def test_fault_06_an_inode_is_used_again_while_running(
    log: Path, store: Path, named: Argument, more: int
) -> None:
    """As soon as the follower lets go of a file that was deleted, its number is free."""
    with Driven(store, named(log)) as follower:
        first = append(log, lines("one", 30))
        inode = log.stat().st_ino
        follower.wait()
        log.rename(log.with_name("access.log.1"))
        second = append(log, lines("two", 5))
        follower.wait(LONG)
        log.with_name("access.log.1").unlink()
        follower.wait(LONG)
        log.rename(log.with_name("access.log.1"))
        third = lines("six", 30 + more)
        reuse(log, inode, third)
        follower.wait(LONG).stop()
    check(store, first, second, third)
    assert gaps(store) == []


# 7: files that begin with identical lines → a longer prefix decides; none is skipped.


@pytest.mark.parametrize("same", [1, 3, 2000])
@pytest.mark.parametrize("running", [True, False])
def test_fault_07_files_that_begin_alike(folder: Path, store: Path, same: int, running: bool) -> None:
    head = line("health") * same
    expected = []
    with Driven(store, folder) as follower:
        if running:
            follower.wait()
        for name in "abc":
            expected.append(append(folder / f"{name}.log", head + lines(name, 5)))
            follower.wait()
        follower.wait(LONG).stop()
    restarted(store, folder)
    check(store, *expected)


def test_fault_07_files_that_are_alike_until_later(folder: Path, store: Path) -> None:
    """Two logs with the same first lines; then both go on, each in its way."""
    head = line("health") * 3
    with Driven(store, folder) as follower:
        append(folder / "a.log", head)
        append(folder / "b.log", head)
        follower.wait()
        a = head + append(folder / "a.log", lines("a", 3))
        follower.wait()
        b = head + append(folder / "b.log", lines("b", 3))
        follower.wait(LONG).stop()
    check(store, a, b)


@pytest.mark.parametrize("more", [2, 5, 9])
def test_fault_07_files_that_begin_alike_and_were_there_before(folder: Path, store: Path, more: int) -> None:
    """Nothing of either is stored yet, and neither changes any more."""
    head = line("health")
    a = append(folder / "a.log", head + lines("a", 5))
    b = append(folder / "b.log", head + lines("b", more))
    restarted(store, folder)
    check(store, a, b)


def test_fault_07_alike_until_the_second_one_goes_on_alone(folder: Path, store: Path) -> None:
    """The first one may never get another line: those of the second must not wait for it."""
    head = line("health") * 3
    with Driven(store, folder) as follower:
        append(folder / "a.log", head)
        append(folder / "b.log", head)
        follower.wait()
        append(folder / "b.log", lines("b", 3))
        follower.wait(60).stop()
    held = b"".join(contents(store).values())
    assert [held.count(f"/b/{number} ".encode()) for number in range(3)] == [1, 1, 1]


def test_fault_07_generations_of_one_log_that_begin_alike(log: Path, store: Path, named: Argument) -> None:
    head = line("started")
    generations = []
    with Driven(store, named(log)) as follower:
        for name in "abc":
            generations.append(append(log, head + lines(name, 5)))
            follower.wait()
            rotate(log)
        follower.wait(LONG).stop()
    check(store, *generations)
    assert gaps(store) == []


@pytest.mark.parametrize("followers", [1, 2])
def test_fault_07_the_next_generation_begins_with_all_of_the_last_which_was_quiet_for_long(
    log: Path, store: Path, named: Argument, followers: int
) -> None:
    with ExitStack() as stack:
        every = [stack.enter_context(Driven(store, named(log))) for _ in range(followers)]
        same = append(log, lines("same", 2))
        for follower in every:
            follower.wait(LONG)
        rotate(log, "gz")
        new = append(log, same + lines("more", 2))
        for follower in every:
            follower.wait(LONG).stop()
    check(store, new)
    assert gaps(store) == []


def test_fault_07_the_next_generation_begins_like_the_last_and_is_shorter(
    log: Path, store: Path, named: Argument
) -> None:
    """For a moment the new file is a prefix of the old one; its lines were written all the same."""
    old = lines("same", 5)
    first = old.splitlines(keepends=True)[0]
    with Driven(store, named(log)) as follower:
        append(log, old)
        follower.wait(LONG)
        rotate(log)
        append(log, first)
        follower.wait(LONG)
        new = first + append(log, lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


# 8: a file that is shorter than the fingerprint → still ingested.


@pytest.mark.parametrize(
    "content", [b"\n", b"x\n", line("one")], ids=["empty-line", "one-letter", "one-line"]
)
def test_fault_08_a_short_file(log: Path, store: Path, content: bytes) -> None:
    with Driven(store, log) as follower:
        whole = append(log, content + line("good"))
        follower.wait().stop()
    check(store, whole)
    whole += append(log, line("more"))
    restarted(store, log)
    check(store, whole)
    rotate(log)
    new = append(log, line("new"))
    restarted(store, log)
    check(store, whole, new)
    assert gaps(store) == []


# 9: a compressed file that was read before → recognised, no duplicate.


@in_each_way("program", PROGRAMS)
@pytest.mark.parametrize("running", [True, False])
def test_fault_09_a_file_that_was_read_is_compressed(
    log: Path, store: Path, named: Argument, program: str, running: bool
) -> None:
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 30))
        follower.wait()
        there = rotate(log)
        new = append(log, lines("new", 3))
        follower.wait(LONG)
        if not running:
            follower.stop()
        compress(there, program)
        if running:
            follower.wait(LONG).stop()
    restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []


def test_fault_09_with_the_command_that_does_not_follow(log: Path, store: Path, lpaudit: Callable) -> None:
    old = append(log, lines("old", 30))
    restarted(store, log)
    packed = compress(rotate(log))
    again = lpaudit("ingest", "--store", store, packed)
    assert again.returncode == 0, again.stderr
    check(store, old)


# 10: a compressed file that was read in part → only the rest is ingested.


@in_each_way("program", PROGRAMS)
def test_fault_10_a_file_that_was_read_in_part_is_compressed(
    log: Path, store: Path, named: Argument, program: str
) -> None:
    old = append(log, lines("old", 30))
    restarted(store, named(log))
    old += append(log, lines("rest", 30))
    compress(rotate(log), program)
    new = append(log, lines("new", 3))
    restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []
    rows = [row for row in stored_rows(store) if row["line_number"] > 30]
    assert {row["source"] for row in rows} <= {str(p) for p in (log, log.with_name("access.log.1"))} | {
        str(p) for p in log.parent.iterdir()
    }


def test_fault_10_the_partial_line_that_was_held_back_is_in_the_rest(log: Path, store: Path) -> None:
    old = append(log, lines("old", 5) + line("torn")[:30])
    restarted(store, log)
    old += append(log, line("torn")[30:] + lines("rest", 2))
    compress(rotate(log))
    append(log, lines("new", 3))
    restarted(store, log)
    assert old in contents(store).values()
    assert gaps(store) == []


# 11: a half-written archive → waits, or a clear error without --follow; the good part is kept.


def half(path: Path, program: str = "gzip") -> bytes:
    """Leave the first half of an archive; return the second."""
    packed = compress(path, program)
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) // 2])
    return data[len(data) // 2 :]


@pytest.mark.parametrize("program", PROGRAMS)
def test_fault_11_a_half_written_archive_is_waited_for(log: Path, store: Path, program: str) -> None:
    with Driven(store, log.parent) as follower:
        old = b"".join(line(os.urandom(300).hex()) for _ in range(2000))
        other = log.with_name("other.log")
        append(other, old)
        rest = half(other, program)
        packed = next(log.parent.glob("other.log.*"))
        new = append(log, lines("new", 3))
        follower.wait(LONG)
        assert new in contents(store).values(), "the live log does not wait for it"
        good = [content for content in contents(store).values() if content != new]
        assert all(old.startswith(content) for content in good)
        append(packed, rest)
        follower.wait(LONG).stop()
    check(store, old, new)


def test_fault_11_an_archive_that_stays_half_keeps_what_is_good_of_it(log: Path, store: Path) -> None:
    old = b"".join(line(os.urandom(300).hex()) for _ in range(2000))
    append(log, old)
    half(log)
    with Driven(store, log.parent) as follower:
        follower.wait(LONG)
        assert "ends early" in follower.told.complaints
        follower.stop()
    [kept] = contents(store).values()
    assert old.startswith(kept)
    assert len(kept) > len(old) // 3
    assert kept.endswith(b"\n")


def test_fault_11_without_follow_it_is_a_clear_error(log: Path, store: Path, lpaudit: Callable) -> None:
    old = b"".join(line(os.urandom(300).hex()) for _ in range(2000))
    append(log, old)
    rest = half(log)
    packed = log.with_name("access.log.gz")
    refused = lpaudit("ingest", "--store", store, packed)
    assert refused.returncode == 3
    assert "ends early" in refused.stderr
    assert "hint: " in refused.stderr
    [kept] = contents(store).values()
    assert old.startswith(kept)
    assert kept
    append(packed, rest)
    assert lpaudit("ingest", "--store", store, packed).returncode == 0
    check(store, old)


# 12: a partial last line → held back until it ends.


def test_fault_12_a_partial_last_line_is_held_back_until_it_ends(log: Path, store: Path) -> None:
    whole = line("torn")
    with Driven(store, log) as follower:
        old = append(log, lines("old", 3))
        append(log, whole[:10])
        follower.wait(LONG)
        check(store, old)
        append(log, whole[10:50])
        follower.wait(LONG)
        check(store, old)
        append(log, whole[50:])
        follower.wait()
        check(store, old + whole)
        append(log, line("half")[:20])
        follower.wait().stop()
    check(store, old + whole)
    assert all(row["parse_note"] is None and row["reject_reason"] is None for row in stored_rows(store))


def test_fault_12_also_over_a_restart_and_for_a_first_line(log: Path, store: Path) -> None:
    whole = line("first")
    append(log, whole[:30])
    restarted(store, log)
    assert contents(store) == {}
    append(log, whole[30:])
    restarted(store, log)
    check(store, whole)


# 13: a partial line at rotation → kept, flagged, at the file's final end.


@in_each_way("style", STYLES)
@pytest.mark.parametrize("running", [True, False])
def test_fault_13_a_partial_line_at_rotation(
    log: Path, store: Path, named: Argument, style: str, running: bool
) -> None:
    """A server that was killed: half of a line, and nobody will ever write the rest."""
    with Driven(store, named(log)) as follower:
        append(log, lines("old", 3))
        follower.wait()
        append(log, line("torn")[:40])
        old = log.read_bytes()
        follower.wait()
        if not running:
            follower.stop()
        rotate(log, style)
        new = append(log, lines("new", 3))
        if running:
            follower.wait(LONG).stop()
    if not running:
        restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []
    [torn] = [row for row in stored_rows(store) if row["byte_length"] == 40]
    assert torn["reject_reason"] or torn["parse_note"], "that it was not whole can be seen"


def test_fault_13_a_line_that_lacks_its_end_alone_is_flagged(log: Path, store: Path) -> None:
    with Driven(store, log) as follower:
        old = append(log, lines("old", 3) + line("torn")[:-1])
        follower.wait()
        rotate(log)
        new = append(log, lines("new", 3))
        follower.wait(LONG).stop()
    check(store, old, new)
    flagged = [row for row in stored_rows(store) if "no-line-end" in (row["parse_note"] or "")]
    assert [row["url_path"] for row in flagged] == ["/torn"]


def test_fault_13_not_before_the_end_is_final(log: Path, store: Path) -> None:
    """Renamed, but nothing has come after it: whoever writes may still be writing."""
    whole = line("slow")
    with Driven(store, log) as follower:
        old = append(log, lines("old", 3) + whole[:40])
        follower.wait()
        there = log.rename(log.with_name("access.log.1"))
        follower.wait(300)
        old += append(there, whole[40:])
        follower.wait(LONG).stop()
    check(store, old)
    assert [row["reject_reason"] for row in stored_rows(store)] == [None] * 4, "the line is one row"


# 14: an offset beyond the size → a new generation and an event.


def test_fault_14_shorter_than_what_is_stored_of_it(log: Path, store: Path, named: Argument) -> None:
    old = append(log, lines("old", 30))
    restarted(store, named(log))
    copytruncate(log, log.with_name("access.log.1"))
    new = append(log, lines("new", 3))
    restarted(store, named(log))
    check(store, old, new)
    assert gaps(store) == []
    assert [event["byte_offset"] for event in events(store, "truncated", "replaced", "finished")] == [
        len(old)
    ]


@pytest.mark.parametrize("running", [True, False])
def test_fault_14_cut_in_the_middle(log: Path, store: Path, running: bool) -> None:
    """What is left of it was stored already; what is then written is not."""
    old = lines("old", 30)
    left = b"".join(old.splitlines(keepends=True)[:10])
    with Driven(store, log) as follower:
        append(log, old)
        follower.wait()
        if not running:
            follower.stop()
        os.truncate(log, len(left))
        if running:
            follower.wait(LONG)
            assert events(store, "truncated")
            new = append(log, lines("new", 3))
            follower.wait(LONG).stop()
    if not running:
        restarted(store, log)
        assert events(store, "truncated")
        new = append(log, lines("new", 3))
        restarted(store, log)
    held = contents(store)
    assert sorted(held.values()) == sorted([old, left + new])


# 15: kill -9 at any step → after a restart the rows are byte-identical to the log.


@pytest.mark.parametrize("first", [4, 31])
def test_fault_15_killed_at_steps_of_its_work_in_the_store(tmp_path: Path, first: int) -> None:
    assert killed_at_steps(tmp_path, first, 53) >= 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fault_15_killed_at_every_step_of_its_work_in_the_store(tmp_path: Path) -> None:
    assert killed_at_steps(tmp_path, 1, 1) > 100


def killed_at_steps(folder: Path, first: int, stride: int) -> int:
    """Kill followers at their steps, in a process that may fork; return how many were killed."""
    command = [sys.executable, "-m", "tests.faults.crashing", str(folder), str(first), str(stride)]
    top = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("kills", "seed"), [(5, 1), pytest.param(60, 2, marks=pytest.mark.soak)])
@pytest.mark.timeout(1800)
def test_fault_15_killed_at_random_while_a_log_grows_and_rotates(
    log: Path, store: Path, kills: int, seed: int
) -> None:
    rng = random.Random(seed)
    generations = [b""]
    small = {"LPAUDIT_SEGMENT_BYTES": "4000"}
    log.touch()
    for kill in range(kills):
        before = stored_lines(store)
        with Following(store, log, env=small) as follower:
            for step in range(12):
                generations[-1] += append(
                    log, lines(f"k{kill}/{step}", 10) + line("torn")[: rng.randrange(60)]
                )
                generations[-1] += append(log, b"\n")
                if step == 0:
                    follower.until_stored(before + 1)
                if rng.random() < 0.15:
                    # No follower lives for the ten seconds after which a rotated file is finished: it must stay.
                    rotate(log, "number", kept=1000)
                    generations.append(b"")
                time.sleep(rng.uniform(0, 0.1))
            follower.kill()
    restarted(store, log)
    check(store, *(content for content in generations if content))
    assert gaps(store) == []


def test_fault_15_what_waits_takes_no_room_of_what_it_waits_for(log: Path, store: Path) -> None:
    """After a long absence the newest log alone has more than fits into memory; those before it come first."""
    small = {"LPAUDIT_SEGMENT_BYTES": "4000"}
    first = append(log, lines("first", 20))
    with Following(store, log, env=small) as follower:
        follower.until_stored(20)
        follower.kill()
    first += append(log, lines("first/rest", 100))
    rotate(log, "number")
    second = append(log, lines("second", 100))
    rotate(log, "number")
    third = append(log, lines("third", 300))
    with Following(store, log, env=small) as follower:
        follower.until_stored(520)
    check(store, first, second, third)
    assert gaps(store) == []


def test_fault_15_what_is_still_to_be_looked_into_is_no_gap(
    log: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No follower lived to finish a file, and it takes the last one long to recognise them all."""
    generations = []
    for number in range(14):
        with Driven(store, log) as follower:
            generations.append(append(log, lines(f"g{number}", 60)))
            follower.wait(2)
            rotate(log, "number", kept=1000)
            follower.crash()
    generations.append(append(log, lines("last", 60)))
    with Driven(store, log, segment_bytes=4000) as follower:

        def slowly(*arguments: object) -> object:
            follower.time += 1
            return recognise_any(*arguments)  # type: ignore[arg-type]

        recognise_any = follow.recognise_any
        monkeypatch.setattr(follow, "recognise_any", slowly)
        follower.wait(30).stop()
    check(store, *generations)
    assert gaps(store) == []


# 16: two ingests of the same source → one wins; no duplicates.


def test_fault_16_two_followers_in_turns(log: Path, store: Path, named: Argument) -> None:
    with Driven(store, named(log)) as one, Driven(store, named(log)) as other:
        whole = b""
        for number in range(10):
            whole += append(log, lines(f"g{number}", 5))
            one.wait(1.4)
            other.wait(1.4)
        one.crash()
        whole += append(log, lines("last", 5))
        other.wait(60).stop()
        assert "another lpaudit" in one.told.complaints + other.told.complaints
    check(store, whole)


@in_each_way("style", STYLES)
def test_fault_16_two_followers_while_the_log_is_rotated(
    log: Path, store: Path, named: Argument, style: str
) -> None:
    generations = []
    with Driven(store, named(log)) as one, Driven(store, named(log)) as other:
        for name in "abc":
            whole = append(log, lines(name, 5))
            one.wait(2)
            other.wait(2)
            whole += append(log, lines(f"{name}/more", 5))
            generations.append(whole)
            rotate(log, style)
            other.wait(1)
            one.wait(1)
        generations.append(append(log, lines("end", 1)))
        for _ in range(20):
            one.wait(3)
            other.wait(3)
        one.stop()
        other.stop()
    check(store, *generations)
    assert gaps(store) == []


def test_fault_16_what_another_one_stored_while_this_one_started(
    log: Path, store: Path, named: Argument
) -> None:
    """The other one dies, and the log is rotated, before this one has looked at anything."""
    with Driven(store, named(log)) as late:
        with Driven(store, named(log)) as early:
            old = append(log, lines("one", 5))
            early.wait().crash()
        old += append(log, lines("rest", 5))
        rotate(log, "gz")
        new = append(log, lines("two", 5))
        late.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


def test_fault_16_another_one_has_stored_what_was_cut(log: Path, store: Path) -> None:
    """What was read and cannot be read again goes on after what the other one stored, in its numbers too."""
    with Driven(store, log) as slow, Driven(store, log) as quick:
        old = append(log, lines("one", 3) + line("half")[:-30])
        for follower in (slow, quick):
            follower.turn()
            follower.turn()
        os.truncate(log, 0)
        new = append(log, lines("two", 3))
        quick.wait().stop()
        slow.wait(LONG).stop()  # it takes the start of a line for its last, as no copy has the rest
    check(store, old, new)


def test_fault_16_an_ingest_beside_a_follower(log: Path, store: Path, lpaudit: Callable) -> None:
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 5))
        follower.wait()
        whole += append(log, lines("two", 5))
        follower.turn()
        assert lpaudit("ingest", "--store", store, log).returncode == 0
        check(store, whole)
        whole += append(log, lines("three", 5))
        follower.wait(60).stop()
    check(store, whole)


def test_fault_16_three_processes_and_one_that_is_killed(log: Path, store: Path) -> None:
    append(log, lines("begin", 1))
    small = {"LPAUDIT_SEGMENT_BYTES": "5000"}
    with Following(store, log, env=small) as a, Following(store, log, env=small) as b:
        a.until_stored(1)
        for number in range(40):
            append(log, lines(f"g{number}", 20))
            if number == 15:
                a.until_stored(100)
                a.kill()
            if number == 25:
                rotate(log, "gz")
        b.until_stored(801, seconds=120)
        b.stop()
    held = contents(store)
    assert len(held) == 2
    assert sum(map(len, held.values())) == sum(
        len(line(f"g{n}/{i}")) for n in range(40) for i in range(20)
    ) + len(line("begin/0"))
    assert gaps(store) == []


# 17: ENOSPC, EIO, EACCES → no offset advances, a clear error, and it resumes.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "lpaudit-test", str(disk)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system takes root, who may")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_fault_17_the_disk_of_the_store_is_full_while_the_log_grows(log: Path, small_disk: Path) -> None:
    store = small_disk / "store"
    with Driven(store, log, segment_bytes=200_000) as follower:
        whole = append(log, lines("one", 10))
        follower.wait()
        ballast = small_disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 1000):
                pass
        for number in range(5):
            whole += append(log, lines(f"full/{number}", 200))
            follower.wait(20)
        assert "cannot write the store" in follower.told.complaints
        assert "no space left" in follower.told.complaints.lower()
        assert follower.told.lag.bytes > 0
        [held] = contents(store).values()
        assert whole.startswith(held)
        assert len(held) < len(whole)
        whole += append(rotate(log), lines("late", 3))
        new = append(log, lines("new", 3))
        follower.wait(20)
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        follower.wait(90).stop()
    check(store, whole, new)
    assert gaps(store) == []


@pytest.mark.parametrize("unfinished", ["none", "one", "two"])
def test_fault_17_rotated_again_and_again_before_anything_could_be_stored(
    log: Path, store: Path, named: Argument, unfinished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these files waits for the one before it, and none for one after it."""
    full = True

    def fsync(_: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Driven(store, named(log), segment_bytes=400) as follower:
        monkeypatch.setattr(os, "fsync", fsync)
        generations = []
        for name in ("one", "two", "three", "four"):
            part = lines(name, 10)
            # Whether a first line without its end is a log's is known only when it has been quiet.
            generations.append(append(log, part[: part.index(b"\n")] if name == unfinished else part))
            follower.wait()
            rotate(log)
        follower.wait(LONG)
        full = False
        follower.wait(3 * LONG).stop()
    check(store, *generations)
    assert gaps(store) == []


def test_fault_17_a_process_survives_a_full_disk(log: Path, small_disk: Path) -> None:
    store = small_disk / "store"
    whole = append(log, lines("one", 10))
    with Following(store, log) as follower:
        follower.until_stored(10)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        whole += append(log, lines("two", 10))
        time.sleep(2)
        assert stored_lines(store) == 10
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        follower.until_stored(20)
        follower.stop()
    check(store, whole)


def test_fault_17_a_store_that_cannot_be_written_at_the_end_is_told_by_the_exit_status(
    log: Path, small_disk: Path
) -> None:
    store = small_disk / "store"
    whole = append(log, lines("one", 10))
    with Following(store, log, "-", stdin=subprocess.PIPE) as follower:
        follower.until_stored(10)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        whole += append(log, lines("two", 10))
        follower.process.stdin.write(line("piped"))
        follower.process.stdin.flush()
        time.sleep(1)
        follower.process.terminate()
        assert follower.process.wait(timeout=60) == 3
    check(store, lines_of(whole, 10))


def lines_of(content: bytes, count: int) -> bytes:
    """Return the first lines of a log."""
    return b"".join(content.splitlines(keepends=True)[:count])


class BadDisk:
    """A log that cannot be read from some byte on, until it is mended: os.pread says EIO."""

    def __init__(self, log: Path, bad: range) -> None:
        self.file = log.stat().st_ino
        self.bad = bad
        self.asked = 0
        self.pread = os.pread

    def __call__(self, descriptor: int, count: int, offset: int) -> bytes:
        data = self.pread(descriptor, count, offset)
        if os.fstat(descriptor).st_ino == self.file:
            end = offset + len(data)
            if offset in self.bad:
                self.asked += 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if offset < self.bad.start < end:
                return data[: self.bad.start - offset]  # what a kernel does: as much as it could read
        return data


def test_fault_17_a_log_that_cannot_be_read_in_the_middle(
    log: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Driven(store, log.parent) as follower:
        whole = append(log, lines("one", 10))
        other = append(log.with_name("other.log"), lines("other", 10))
        follower.wait()
        whole += append(log, lines("two", 10))
        bad = BadDisk(log, range(len(whole) - 500, len(whole) - 100))
        monkeypatch.setattr(os, "pread", bad)
        follower.wait(60)
        assert bad.asked
        assert "cannot read" in follower.told.complaints
        assert "input/output error" in follower.told.complaints
        other += append(log.with_name("other.log"), lines("other/more", 10))
        follower.wait()
        held = contents(store).values()
        assert other in held, "other logs go on"
        assert any(whole.startswith(content) and len(content) < len(whole) for content in held)
        monkeypatch.setattr(os, "pread", bad.pread)
        follower.wait(60).stop()
    check(store, whole, other)


def test_fault_17_a_damaged_log_that_is_rotated_holds_back_what_comes_after_it_for_a_while_only(
    log: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or one bad sector of yesterday would hide today."""
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 10))
        follower.wait()
        whole += append(log, lines("two", 10))
        monkeypatch.setattr(os, "pread", BadDisk(log, range(len(whole) - 500, len(whole) + 1)))
        rotate(log)
        new = append(log, lines("new", 10))
        follower.wait(120)
        held = contents(store).values()
        follower.crash()
    assert new in held


NO_OVERRIDE = () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""What makes root subject to permissions."""


def test_fault_17_a_log_that_may_not_be_read_until_somebody_allows_it(log: Path, store: Path) -> None:
    other = append(log.with_name("other.log"), lines("other", 1))
    whole = append(log, lines("one", 10))
    log.chmod(0)
    with Following(store, log.parent, prefix=NO_OVERRIDE) as follower:
        follower.until_stored(1)
        time.sleep(1.5)
        check(store, other)
        log.chmod(0o600)
        follower.until_stored(11)
        log.chmod(0)  # what is open stays so
        whole += append(log, lines("two", 10)) if os.geteuid() == 0 else b""
        follower.until_stored(21 if os.geteuid() == 0 else 11)
        follower.stop()
    check(store, whole, other)


def test_fault_17_a_store_that_may_not_be_written_until_somebody_allows_it(log: Path, store: Path) -> None:
    whole = append(log, lines("one", 10))
    with Following(store, log, prefix=NO_OVERRIDE) as follower:
        follower.until_stored(10)
        places = [path for path in (store, *store.rglob("*")) if path.is_dir()]
        for place in places:
            place.chmod(0o500)
        whole += append(log, lines("two", 10))
        time.sleep(2)
        assert stored_lines(store) == 10
        for place in places:
            place.chmod(0o700)
        follower.until_stored(20)
        follower.stop()
    check(store, whole)


def failing_once() -> tuple[list[int], Callable[[int], None]]:
    """Return an fsync that fails when the second commit's log entry is synced, and what it has failed for."""
    failed: list[int] = []

    def fsync(descriptor: int) -> None:
        if not failed and re.search(
            r"access_event/_delta_log/0*2\.json$", str(Path(f"/proc/self/fd/{descriptor}").readlink())
        ):
            failed.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return failed, fsync


def test_fault_17_a_commit_that_was_made_and_is_reported_as_failed(
    log: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails when the log entry is synced: the lines are there, and must not come again."""
    failed, fsync = failing_once()
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 5))
        follower.wait()
        monkeypatch.setattr(os, "fsync", fsync)
        whole += append(log, lines("two", 5))
        follower.wait(20)
        assert failed
        whole += append(log, lines("three", 5))
        follower.wait(60).stop()
    check(store, whole)


def test_fault_17_a_commit_that_was_made_and_is_reported_as_failed_of_a_pipe(
    log: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pipe brought cannot be read again: it is skipped, and lines are numbered on."""
    failed, fsync = failing_once()
    os.mkfifo(log)
    whole = b""
    with Driven(store, log) as follower:
        follower.wait()
        with log.open("wb", buffering=0) as writer:
            for name in ("one", "two", "three"):
                whole += lines(name, 5)
                writer.write(lines(name, 5))
                follower.wait(20)
                monkeypatch.setattr(os, "fsync", fsync)
            assert failed
        follower.wait(60).stop()
    check(store, whole)


def test_fault_17_a_store_on_a_slow_disk(log: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fsync takes five seconds: rows come late, and the writer of the log never waits."""
    with Driven(store, log) as follower:
        follower.wait()
        monkeypatch.setattr(os, "fsync", lambda _: follower._sleep(5))
        generations = []
        for name in "abc":
            whole = b""
            for number in range(5):
                whole += append(log, lines(f"{name}/{number}", 10))
                follower.wait(1)
            generations.append(whole)
            rotate(log)
        follower.wait(600).stop()
        assert follower.time > 1600
    check(store, *generations)
    assert gaps(store) == []


# 18: rotated twice or more while down → all files, in order.


@in_each_way("style", STYLES)
@pytest.mark.parametrize("times", [2, 4])
def test_fault_18_rotated_several_times_while_down(
    log: Path, store: Path, named: Argument, style: str, times: int
) -> None:
    generations = [append(log, lines("g0", 20))]
    restarted(store, named(log))
    generations[0] += append(log, lines("g0/unread", 20))
    for number in range(1, times + 1):
        rotate(log, style)
        generations.append(append(log, lines(f"g{number}", 20)))
    restarted(store, named(log))
    check(store, *generations)
    assert gaps(store) == []
    content = contents(store)
    assert [content[source_id] for source_id in order(store)] == generations


# 19: rotated away unread and deleted → a gap.


@pytest.mark.parametrize("renamed", [True, False])
def test_fault_19_rotated_away_and_deleted_while_down(
    log: Path, store: Path, named: Argument, renamed: bool
) -> None:
    old = append(log, lines("old", 20))
    restarted(store, named(log))
    append(log, lines("never-seen", 20))
    if renamed:
        rotate(log).unlink()
    else:
        log.unlink()
    new = append(log, lines("new", 3))
    restarted(store, named(log))
    check(store, old, new)
    [gap] = gaps(store)
    assert gap["cause"] in {"deleted", "replaced"}
    assert (gap["source"], gap["from_offset"], gap["bytes"]) == (str(log), len(old), None)
    assert gap["from"] <= gap["to"]
    restarted(store, named(log))
    assert len(gaps(store)) == 1, "it is one gap, however often it is looked for"


def test_fault_19_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(
    log: Path, store: Path, named: Argument
) -> None:
    with Driven(store, named(log)) as follower:
        old = append(log, lines("old", 20))
        follower.wait()
        with log.open("ab", buffering=0) as writer:
            log.unlink()
            new = append(log, lines("new", 20))
            follower.wait(2)
            writer.write(last := lines("written-to-a-deleted-file", 5))
        follower.wait(LONG).stop()
    check(store, old + last, new)
    assert gaps(store) == []


def test_fault_19_the_one_that_was_being_read_is_gone_and_the_one_after_it_is_not(
    log: Path, store: Path, named: Argument
) -> None:
    first = append(log, lines("first", 20))
    restarted(store, named(log))
    append(log, lines("never-seen", 20))
    rotate(log)
    second = append(log, lines("second", 20))
    rotate(log)
    log.with_name("access.log.2").unlink()
    third = append(log, lines("third", 20))
    restarted(store, named(log))
    check(store, first, second, third)
    [gap] = gaps(store)
    assert gap["from_offset"] == len(first)


# 20: NUL, invalid UTF-8, a line of many MB → kept raw, rejected with a reason, memory bounded.


def test_fault_20_bytes_that_are_no_text_are_kept_and_rejected(
    log: Path, store: Path, named: Argument
) -> None:
    odd = [b"\0\0\0\n", b"caf\xe9 \xff\n", b"\n", b"\r\n", b"\xed\xa0\x80\n", b"garbage\n", line("a\0b")]
    with Driven(store, named(log)) as follower:
        whole = append(log, lines("old", 3))
        follower.wait()
        for bytes_ in odd:
            whole += append(log, bytes_)
            follower.wait(1.4)
        whole += append(log, lines("new", 3))
        follower.wait().stop()
    check(store, whole)
    reasons = [row["reject_reason"] for row in stored_rows(store)]
    assert reasons[:3] == reasons[-3:] == [None] * 3
    assert all(reasons[3:-3])
    assert reasons[3] == "nul-bytes"


def test_fault_20_a_log_that_begins_with_nul_bytes_is_a_log(log: Path, store: Path) -> None:
    """A power cut leaves NUL bytes where the last lines were; what is written next comes after them."""
    with Driven(store, log) as follower:
        old = append(log, lines("old", 3) + b"\0" * 5000)
        follower.wait()
        old += append(log, b"\n" + lines("more", 3))
        follower.wait().stop()
    check(store, old)


def test_fault_20_a_line_of_many_megabytes_takes_no_more_memory_than_it_must(log: Path, store: Path) -> None:
    whole = append(log, line("before"))
    long = b"x" * (40 << 20)
    with Following(store, log, env={"LPAUDIT_SEGMENT_BYTES": str(1 << 20)}) as follower:
        follower.until_stored(1)
        before = peak(follower.process.pid)
        for piece in (long, b"y\n", line("after")):
            whole += append(log, piece)
        follower.until_stored(3)
        after = peak(follower.process.pid)
        follower.stop()
    check(store, whole)
    assert [row["reject_reason"] for row in stored_rows(store)] == [None, "too-long", None]
    assert after - before < 6 * len(long)


def peak(process: int) -> int:
    """Return the most memory that a process has ever held, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(each.split()[1]) << 10 for each in status.splitlines() if each.startswith("VmHWM"))


# 21: a torn last commit in the table → detected, set aside, re-ingested.


def tear(store: Path, size: int | None) -> None:
    """Leave half of the last commit, or ``size`` bytes of it: what a power cut does."""
    last = max((store / "access_event" / "_delta_log").glob("*.json"))
    os.truncate(last, last.stat().st_size // 2 if size is None else size)


def torn(log: Path, store: Path, size: int | None) -> bytes:
    """Follow a log in two commits, and tear the second; return what the log holds."""
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 10))
        follower.wait()
        whole += append(log, lines("two", 10))
        follower.wait().stop()
    tear(store, size)
    return whole


@pytest.mark.parametrize("size", [None, 0], ids=["half", "empty"])
def test_fault_21_a_torn_last_commit_is_set_aside_and_its_lines_are_read_again(
    log: Path, store: Path, size: int | None
) -> None:
    whole = torn(log, store, size)
    with Following(store, log) as follower:
        follower.until(lambda: "event=following" in follower.said)
        follower.until_stored(20)
        follower.stop()
    assert "event=alarm" in follower.said
    assert "set-aside" in follower.said
    assert len(list((store / "set-aside").iterdir())) == 1
    check(store, whole)


def test_fault_21_who_only_reads_is_told_and_changes_nothing(
    log: Path, store: Path, lpaudit: Callable
) -> None:
    torn(log, store, None)

    def evidence() -> list[Path]:
        return sorted(path for path in store.rglob("*") if "audit_trail" not in path.parts)

    before = evidence()
    asked = lpaudit("sql", "--store", store, "select count(*) from access")
    assert asked.returncode == 3
    assert "last commit may be torn" in asked.stderr
    assert evidence() == before


# 22: the store is rolled back to a backup → an alarm.


def rolled_back(log: Path, store: Path) -> bytes:
    """Follow a log, and replace the store by what it was earlier; return what the log holds."""
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 10))
        follower.wait()
        shutil.copytree(store, store.with_name("backup"))
        whole += append(log, lines("two", 10))
        follower.wait().stop()
    shutil.rmtree(store)
    store.with_name("backup").rename(store)
    return whole


def test_fault_22_what_the_log_still_has_is_read_again(log: Path, store: Path) -> None:
    whole = rolled_back(log, store)
    restarted(store, log)
    check(store, whole)


@pytest.mark.parametrize("command", ["follow", "ingest"])
def test_fault_22_a_store_that_was_rolled_back_raises_an_alarm(
    log: Path, store: Path, lpaudit: Callable, command: str
) -> None:
    """The mark that tells is not signed: it is kept in the state directory of whoever writes the store."""
    whole = rolled_back(log, store)
    if command == "follow":
        with Following(store, log) as follower:
            follower.until(lambda: "event=following" in follower.said)
            follower.until_stored(20)
            follower.stop()
        said = follower.said
    else:
        said = lpaudit("ingest", "--store", store, log).stderr
    assert "was rolled back: access_event had come to version" in said
    assert "rolled back" not in lpaudit("ingest", "--store", store, log).stderr, "once it has been told"
    check(store, whole)


def test_fault_22_a_store_that_is_begun_anew_in_the_same_place_is_no_older_copy(
    log: Path, store: Path, lpaudit: Callable
) -> None:
    append(log, lines("one", 10))
    lpaudit("ingest", "--store", store, log)
    shutil.rmtree(store)
    anew = lpaudit("ingest", "--store", store, log)
    assert (anew.returncode, anew.stderr) == (0, "")


# 23: symlink, bind mount or hard link to a file that is read → one source.


@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard", "symbolic"])
@pytest.mark.parametrize("when", ["before", "while", "later"])
def test_fault_23_another_name_of_the_same_file(
    log: Path, store: Path, link: Callable, when: str, tmp_path: Path
) -> None:
    other = log.with_name("same.log")
    whole = append(log, lines("one", 5))
    if when == "before":
        link(log, other)
    with Driven(store, log.parent) as follower:
        follower.wait()
        if when == "while":
            link(log, other)
        follower.wait()
        whole += append(log, lines("two", 5))
        follower.wait(LONG).stop()
    if when == "later":
        link(log, other)
    restarted(store, other)
    restarted(store, log.parent)
    check(store, whole)
    assert gaps(store) == []


def test_fault_23_the_copy_is_found_before_the_file_that_goes_on(log: Path, store: Path) -> None:
    """Somebody's `cp access.log access-before.log` must not stop the log."""
    whole = append(log, lines("one", 50))
    append(log.with_name("access-before.log"), whole)
    with Driven(store, log.parent) as follower:
        follower.wait()
        whole += append(log, lines("two", 5))
        follower.wait(5)
        check(store, whole)
        whole += append(log, lines("three", 5))
        follower.wait(5).stop()
    check(store, whole)


def test_fault_23_a_copy_of_a_file_that_is_read(log: Path, store: Path) -> None:
    """It is not the same file, but the same lines."""
    with Driven(store, log.parent) as follower:
        whole = append(log, lines("one", 50))
        follower.wait()
        append(log.with_name("copy.log"), whole)
        follower.wait(LONG)
        whole += append(log, lines("two", 5))
        follower.wait(LONG).stop()
    restarted(store, log.parent)
    check(store, whole)


@as_root
def test_fault_23_a_bind_mount(log: Path, store: Path, tmp_path: Path) -> None:
    there = tmp_path / "mounted"
    there.mkdir()
    whole = append(log, lines("one", 5))
    if subprocess.run(["mount", "--bind", str(log.parent), str(there)], check=False).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        with Driven(store, log, there / "access.log") as follower:
            follower.wait()
            whole += append(log, lines("two", 5))
            follower.wait(LONG).stop()
        restarted(store, there)
    finally:
        subprocess.run(["umount", str(there)], check=True)
    check(store, whole)


# 24: inotify overflow, NFS → polling finds the change.


def test_fault_24_a_thousand_changes_at_once(folder: Path, store: Path) -> None:
    expected = []
    with Driven(store, folder) as follower:
        follower.wait()
        for number in range(60):
            log = folder / f"{number:03}.log"
            whole = append(log, lines(f"a{number}", 2))
            rotate(log)
            expected += [whole, append(log, lines(f"b{number}", 1))]
        follower.wait(LONG)
        for number in range(60):
            expected[2 * number + 1] += append(folder / f"{number:03}.log", lines(f"c{number}", 1))
        follower.wait().stop()
    check(store, *expected)


def test_fault_24_a_file_system_that_tells_no_times(log: Path, store: Path) -> None:
    """An attribute cache, or a mount with a coarse clock: the time of change stays as it was."""
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 5))
        os.utime(log, (1_700_000_000, 1_700_000_000))
        follower.wait()
        for number in range(3):
            whole += append(log, lines(f"more{number}", 5))
            os.utime(log, (1_700_000_000, 1_700_000_000))
            follower.wait()
            check(store, whole)
        follower.stop()


def test_fault_24_no_notification_is_waited_for(log: Path, store: Path) -> None:
    append(log, lines("one", 1))
    with Following(store, log) as follower:
        follower.until_stored(1)
        held = []
        for descriptor in Path(f"/proc/{follower.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it closes and opens files meanwhile
                held.append(str(descriptor.readlink()))
        assert str(log) in held
        assert not any("inotify" in each for each in held)
        append(log, lines("two", 1))
        follower.until_stored(2)
        follower.stop()


def test_an_older_copy_of_a_deleted_log_is_not_its_rest(log: Path, store: Path) -> None:
    """It holds less than is stored: nobody knows what came after."""
    with Driven(store, log) as follower:
        old = append(log, lines("one", 2))
        follower.wait()
        shutil.copy(log, log.with_name("access.log.bak"))
        old += append(log, lines("two", 1))
        follower.wait().stop()
    append(log, lines("lost", 1))
    log.unlink()
    new = append(log, lines("new", 2))
    with Driven(store, log) as follower:
        follower.wait(LONG).stop()
    check(store, old, new)
    (gap,) = gaps(store)
    assert (gap["cause"], gap["bytes"], gap["from_offset"]) == ("replaced", None, len(old))


def test_what_an_archive_has_brought_is_no_gap(log: Path, store: Path) -> None:
    """A log is cut in the middle of a line, and its copy is compressed at once."""
    with Driven(store, log) as follower:
        whole = append(log, lines("one", 5) + lines("rest", 1)[:13])
        follower.wait()
        rest = lines("rest", 1)[13:]
        log.with_name("access.log.1.gz").write_bytes(gzip.compress(whole + rest, mtime=0))
        os.truncate(log, 0)
        follower.wait(LONG).stop()
    check(store, whole + rest)
    assert gaps(store) == []
