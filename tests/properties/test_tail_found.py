"""Plain examples for test_tail.py's machines: what random runs found, and what they meet too rarely.

Every one is judged in the end, as a random one is.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.stores import stored_table

# Not by name: its test cases are not to be collected here again.
machines = importlib.import_module("tests.properties.test_tail")


@pytest.fixture
def run() -> Iterator[Callable[..., object]]:
    """Begin a run: ``run("Following", argument)``; what must be there is checked when the test is over."""
    begun = []

    def begin(machine: str, argument: str) -> object:
        begun.append(getattr(machines, machine)())
        begun[-1].begin(argument=argument, dated=False)
        return begun[-1]

    yield begin
    for machine in begun:
        machine.teardown()


def test_a_file_that_is_cut_between_its_recognition_and_its_first_line(run) -> None:
    run = run("FollowingCut", "file")
    run.append(["unique"])
    run.follow(turns=1, pause=0.2)
    run.truncate(kinds=["unique"], regrow=False, looked=False)
    run.append(["unique"])
    run.follow(turns=8, pause=1.0)
    run.stop()


def test_two_files_that_begin_alike_and_are_found_at_once(run) -> None:
    run = run("FollowingAlike", "glob")
    run.stop()
    run.append(["equal", "unique"])
    run.rename(create=True)
    run.append(["equal", "unique"])
    run.start()


def test_a_last_line_without_end_of_a_file_that_was_known_only_by_its_rotated_name(run) -> None:
    run = run("Following", "directory")
    run.stop()
    run.append(["unique"])
    run.append_part(0.5)
    run.rename(create=False)
    run.start()
    run.follow(turns=8, pause=1.0)
    run.stop()


def test_a_last_line_without_end_of_a_file_that_was_found_before_the_next_one_was_there(run) -> None:
    run = run("Following", "directory")
    run.stop()
    run.append(["unique"])
    run.append_part(0.5)
    run.rename(create=False)
    run.start()
    run.follow(turns=8, pause=1.0)
    run.create()


def test_a_first_line_that_is_finished_long_after_its_file_was_renamed(run) -> None:
    run = run("Following", "file")
    run.append_part(1.0)
    run.follow(turns=1, pause=0.2)
    run.rename(create=False)
    run.follow(turns=8, pause=30.0)
    run.follow(turns=8, pause=30.0)
    run.append(["unique"])
    run.follow(turns=8, pause=1.0)
    run.stop()


def test_a_file_that_is_cut_and_grows_past_what_was_read(run) -> None:
    run = run("FollowingCut", "file")
    run.append(["unique"])
    run.truncate(kinds=["unique"], regrow=True, looked=True)


def test_unread_bytes_of_a_file_that_is_copied_and_cut_are_in_the_copy(run) -> None:
    run = run("FollowingCut", "file")
    run.append(["unique", "unique"])
    run.follow(turns=8, pause=1.0)
    run.append(["unique", "garbage"])
    run.copytruncate(between=[])


def test_what_was_seen_and_cut_while_the_disk_was_full_is_a_gap(run) -> None:
    run = run("FollowingCut", "file")
    run.append(["unique"])
    run.follow(turns=8, pause=1.0)
    run.append_part(0.5)
    run.disk_full(step=1, turns=2, stays=True)
    run.truncate(kinds=["unique"], regrow=False, looked=False)
    run.stop()


def test_rotated_twice_while_nobody_follows(run) -> None:
    run = run("Following", "file")
    run.append(["unique"])
    run.follow(turns=8, pause=1.0)
    run.stop()
    for _ in range(2):
        run.append(["unique"])
        run.rename(create=True)


@pytest.mark.parametrize("step", range(1, 15))
def test_a_crash_at_each_step_of_a_commit(step: int, run) -> None:
    run = run("Following", "file")
    run.append(["unique", "equal", "equal"])
    run.crash(step=step, turns=6)
    run.append(["equal", "unique"])
    run.start()
    run.follow(turns=2, pause=1.0)
    run.start()
    run.crash(step=step, turns=6)


@pytest.mark.parametrize("step", range(1, 15))
def test_an_error_at_each_step_of_a_commit(step: int, run) -> None:
    run = run("Following", "file")
    run.append(["unique", "equal", "equal"])
    run.disk_full(step=step, turns=6, stays=False)
    run.append(["equal", "unique"])
    run.start()
    run.disk_full(step=step, turns=6, stays=False)


def test_a_rest_that_another_follower_has_got_ahead_with_is_not_taken_for_read(run) -> None:
    """The one that lost has to recognise the file anew: until then it knows nothing of its end."""
    run = run("Following", "file")
    run.append(["unique"])
    run.follow(turns=8, pause=1.0)
    run.start()
    run.follow(turns=3, pause=0.2)
    faster, slower = run.followers
    run.append(["unique"])
    slower._turn()
    for _ in range(8):
        faster._turn()
        run.time.pass_by(0.2)
    run.followers.remove(faster)
    machines._let_go(faster)
    run.rename(create=False)
    run.append(["unique"])
    run.create()
    run.append(["unique"])
    slower.options = replace(slower.options, flush_interval=0.1)
    for _ in range(4):
        slower._turn()
        run.time.pass_by(0.2)
    run.followers.remove(slower)
    machines._let_go(slower)
    assert {row["event"] for row in stored_table(run.store, "source_event")} == {"followed"}
