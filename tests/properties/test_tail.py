"""Exactly once: a follower against a log that is written, rotated, cut and packed at random.

A plain model knows every byte that was written and where it is now. The follower runs turn by
turn on a clock of the test's, is stopped, crashed in the middle of a commit, doubled, and
given a disk that fails. In the end the store is read by deltalake and zstd alone:

- as long as nothing was cut or deleted, it holds every byte exactly once, in order;
- else no byte is invented or there twice, and what is missing is a gap, or nobody saw it.
"""

import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from deltalake import DeltaTable
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lpaudit.archives import Archive, Archives
from lpaudit.follow import Follower
from lpaudit.followed import Surroundings
from lpaudit.ingest import IngestOptions, ingest
from lpaudit.logformat import PRESETS
from lpaudit.model import Observer
from lpaudit.redaction import covers
from tests.rotating import BEGAN, Generation, RotatingLog, Time
from tests.stores import stored_gaps, stored_sources

FORMAT = PRESETS["default"].log_format(BEGAN.tzinfo)
ARGUMENTS = {"file": "access.log", "directory": "", "glob": "access.log*"}
MEMORY = Path("/dev/shm")
"""Nothing here is about a disk: a commit's fsync would cost more than the commit."""


class Crash(BaseException):
    """What kill -9 is to a process: nobody catches it."""


class Disk:
    """Counts the steps of commits, and lets one of them fail."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.error: Callable[[], BaseException] = Crash
        self.stays = False

    def step(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            self.left = 1 if self.stays else None
            raise self.error()

    @contextmanager
    def failing(self, after: int, error: Callable[[], BaseException], *, stays: bool) -> Iterator[None]:
        self.left, self.error, self.stays = after, error, stays
        try:
            yield
        finally:
            self.left = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Steps are: what is synced, what is renamed, a commit that is made, and one that was made."""
        replace, commit = Path.replace, DeltaTable.create_write_transaction

        def replacing(path: Path, target: Path) -> Path:
            self.step()
            return replace(path, target)

        def committing(*args: Any, **keywords: Any) -> None:
            self.step()
            commit(*args, **keywords)
            self.step()

        with (
            patch.object(os, "fsync", lambda _: self.step()),
            patch.object(Path, "replace", replacing),
            patch.object(DeltaTable, "create_write_transaction", committing),
        ):
            yield


class InTurn(Archives):
    """Reads archives in turn, not in a thread: an example that fails must fail again."""

    def add(self, archive: Archive) -> None:
        self._pending[archive.file] = archive.found.path.parent
        try:
            self._done.put((archive, self.read(archive.found)))
        except Exception as error:  # noqa: BLE001 -- as in a thread
            self._done.put((archive, error))


kinds = st.lists(st.sampled_from(["unique", "unique", "equal", "garbage", "blank"]), min_size=1, max_size=4)
share = st.floats(0, 1)
turns = st.integers(1, 8)
pause = st.sampled_from([0.2, 0.2, 1.0, 4.0, 30.0])


class Following(RuleBasedStateMachine):
    """One path, its writer, whoever rotates it, and up to two followers of it."""

    alike = False
    cut = False
    """Whether the log may be truncated."""
    table = "access_event"
    """Where its lines are stored: as an access log's, or as an error log's."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.store, logs = self.folder / "store", self.folder / "logs"
        logs.mkdir()
        self.numbers = itertools.count()
        self.time, self.disk = Time(), Disk()
        self.followers: list[Follower] = []
        self.first: int | None = None  # the first generation that was followed
        self.followed: set[int] = set()
        self.half: tuple[Generation, str] | None = None
        self.lossless = True
        self.kept = ExitStack()
        self.kept.enter_context(self.disk.watched())
        self.options = IngestOptions("gw", lambda _: FORMAT, BEGAN.tzinfo, segment_bytes=400)

    @initialize(argument=st.sampled_from(["file", *ARGUMENTS]), dated=st.booleans())
    def begin(self, argument: str, dated: bool) -> None:
        self.argument = argument
        self.arguments = [str(self.folder / "logs" / ARGUMENTS[argument])]
        errors = self.table == "server_event"
        self.log = RotatingLog(self.folder / "logs", self.time, alike=self.alike, dated=dated, errors=errors)
        self.start()

    # The log.

    @rule(kinds=kinds)
    def append(self, kinds: list[str]) -> None:
        self.log.append(*kinds)

    @rule(share=share)
    def append_part(self, share: float) -> None:
        self.log.append_part(share)

    @precondition(lambda self: self.log.current.path == self.log.base)
    @rule(create=st.booleans())
    def rename(self, create: bool) -> None:
        self.log.rename()
        self._half_is_renamed()
        if create:
            self.log.create()

    @precondition(lambda self: self.log.current.path != self.log.base)
    @rule()
    def create(self) -> None:
        self.log.create()

    @precondition(lambda self: self.cut and self.log.current.path == self.log.base)
    @rule(between=st.one_of(st.just([]), kinds))
    def copytruncate(self, between: list[str]) -> None:
        self.lossless &= not between
        generation = self.log.current
        self.log.copytruncate(self._seen(), *between)
        self._half_is_renamed()
        assert generation.path is not None

    @precondition(lambda self: self.cut and self.log.current.path == self.log.base)
    @rule(regrow=st.booleans(), kinds=kinds, looked=st.booleans())
    def truncate(self, regrow: bool, kinds: list[str], looked: bool) -> None:
        self.lossless = False
        if looked and self.followers:
            self.follow(3, 0.2)
        before = len(self.log.current.content)
        self.log.truncate(self._seen())
        while regrow and len(self.log.current.content) <= before:
            self.log.append(*kinds)

    @precondition(lambda self: self.half is None and any(not g.packed for g in self._past()))
    @rule(choice=st.randoms(use_true_random=False), how=st.sampled_from(["gz", "zst"]), half=st.booleans())
    def pack(self, choice: Any, how: str, half: bool) -> None:
        generation = choice.choice([g for g in self._past() if not g.packed])
        if half and generation.content:
            self.half = generation, how
        self.log.pack(generation, how, half=half and bool(generation.content))

    @precondition(lambda self: self.half is not None)
    @rule()
    def pack_whole(self) -> None:
        assert self.half is not None
        (generation, how), self.half = self.half, None
        self.log.pack(generation, how)

    @precondition(lambda self: self.half is None and self._past())
    @rule()
    def delete_oldest(self) -> None:
        generation = self._past()[0]
        assert generation.path is not None
        self.lossless = False
        inode = generation.path.stat().st_ino
        holding = [f for f in self.followers if any(log.tail.file[1] == inode for log in f.logs)]
        self.log.delete(generation, [len(generation.content)] * len(holding))

    def _past(self) -> list[Generation]:
        """What was rotated away, and its writer is done with it."""
        return [g for g in self.log.generations[:-1] if g.path is not None]

    def _half_is_renamed(self) -> None:
        """Rotation has shifted names while a file was being compressed: what was begun is begun anew."""
        if self.half is not None:
            for path in list(self.log.files()):
                if path.suffix in {".gz", ".zst"} and not any(g.path == path for g in self.log.generations):
                    path.unlink()
            self.half = None

    def _seen(self) -> list[int]:
        """How much each follower has seen of what the writer writes to."""
        inode = self.log.base.stat().st_ino
        holding = (
            [log.tail.size for log in f.logs if log.tail.file[1] == inode and not log.cut]
            for f in self.followers
        )
        return [max(sizes) for sizes in holding if sizes]

    # Whoever follows it.

    @precondition(lambda self: len(self.followers) < 2)
    @rule()
    def start(self) -> None:
        around = Surroundings(
            now=self.time.now,
            unique=self._unique,
            sleep=self.time.pass_by,
            clock=self.time.clock,
        )
        follower = Follower(str(self.store), self.arguments, self.options, Observer(), around)
        follower.archives = InTurn(follower.archives.read)
        self.followers.append(follower)

    @precondition(lambda self: self.followers)
    @rule(turns=turns, pause=pause)
    def follow(self, turns: int, pause: float) -> None:
        """Every follower takes turns; the last pause may be longer."""
        for number in range(turns):
            for follower in self.followers:
                follower._turn()
            self._note_first()
            self.time.pass_by(pause if number == turns - 1 else 0.2)

    @precondition(lambda self: self.followers)
    @rule()
    def stop(self) -> None:
        follower = self.followers.pop()
        follower.stop()
        follower.run()
        self._note_first(follower)
        _let_go(follower)

    @precondition(lambda self: self.followers)
    @rule(step=st.integers(1, 14), turns=turns)
    def crash(self, step: int, turns: int) -> None:
        """The first follower dies at some step of a commit, or between two turns."""
        follower = self.followers[0]
        with self.disk.failing(step, Crash, stays=False):
            try:
                for _ in range(turns):
                    follower._turn()
                    self.time.pass_by(0.4)
            except Crash:
                pass
        self._note_first()
        self.followers.remove(follower)
        _let_go(follower)

    @precondition(lambda self: self.followers)
    @rule(step=st.integers(1, 14), turns=turns, stays=st.booleans())
    def disk_full(self, step: int, turns: int, stays: bool) -> None:
        with self.disk.failing(step, lambda: OSError(errno.ENOSPC, "No space left"), stays=stays):
            self.follow(turns, 1.0)

    @rule(pattern=st.sampled_from(["access.log", "access.log*", "access.log*.*"]))
    def ingest(self, pattern: str) -> None:
        """Somebody ingests files by hand."""
        argument = str(self.folder / "logs" / pattern)
        ingest(str(self.store), [argument], self.options, Observer(), now=self.time.now, unique=self._unique)
        if pattern == "access.log*":
            self._note_first()

    @rule()
    def nothing_is_invented(self) -> None:
        self._assigned()

    def _unique(self) -> str:
        return f"{next(self.numbers):08x}"

    def _note_first(self, *more: Follower) -> None:
        """Note which generations were followed: from the first one on all counts."""
        try:
            inode = self.log.base.stat().st_ino
        except FileNotFoundError:
            return
        for log in itertools.chain.from_iterable(f.logs for f in (*self.followers, *more)):
            if log.tail.file[1] == inode and log.begun and not log.cut:
                self.followed.add(self.log.current.number)
                self.first = min(self.followed)

    # What must be there.

    def _assigned(self) -> list[bytes]:
        """What is stored of each generation: all that is stored must be the start of one."""
        if not (self.store / self.table).exists():
            return [b""] * len(self.log.generations)
        stored = stored_sources(self.store, self.table)
        result = [b""] * len(self.log.generations)
        for source_id, content in stored.items():
            fits = [g.number for g in self.log.generations if covers(content, g.content[: len(content)])]
            assert fits, f"nobody wrote what is stored of {source_id}: {content!r}"
            if b"\n" not in content and len(fits) > 1:
                continue  # the start of a first line: many have it
            if not self.alike:
                (number,) = fits
                assert not result[number], f"generation {number} is stored twice"
                result[number] = content
        return result

    def teardown(self) -> None:
        try:
            if hasattr(self, "log"):
                self._end()
        finally:
            for follower in self.followers:
                _let_go(follower)
            self.kept.close()
            shutil.rmtree(self.folder)

    def _end(self) -> None:
        """All is well in the end: a last follower has all the time that it needs."""
        if self.half is not None:
            self.pack_whole()
        if self.log.current.path != self.log.base:
            self.create()
        self.append(["unique", "unique"])
        if not self.followers:
            self.start()
        for _ in range(3):
            self.follow(60, 1.0)
            self.time.pass_by(5)
        self._note_first()
        while self.followers:
            self.stop()
        if self.alike:
            self._check_alike()
        else:
            self._check()

    def _check(self) -> None:
        gaps = stored_gaps(self.store)
        if self.lossless:
            assert not gaps, f"nothing is missing, but: {gaps}"
        ends = {gap["from_offset"] for gap in gaps}
        for generation, stored in zip(self.log.generations, self._assigned(), strict=True):
            if self.argument == "file" and (self.first is None or generation.number < self.first):
                continue
            size = len(generation.content) if generation.copied is None else generation.copied
            missing = size - len(stored)
            # A line without an end is no log yet: it is taken only as the last one of lines.
            there = generation.there if b"\n" in generation.content[: generation.there] else 0
            assert len(stored) >= there, (
                f"{generation.path} holds {there} bytes, of which {len(stored)} are stored"
            )
            if generation.deleted and self.argument != "file":
                continue  # the store may know it only by its rotated name, and nobody asks for that
            if generation.number not in self.followed:
                continue  # whoever ingests it by hand cannot know that there was more
            if generation.seen:
                missing = min(missing, min(generation.seen) - len(stored))
            if generation.path is None and missing > 0 and stored:
                assert len(stored) in ends, f"{missing} bytes are missing and nothing says so: {generation}"

    def _check_alike(self) -> None:
        """Generations of which one is the start of another are one source: nobody could tell."""
        self._assigned()
        first = self.first or 0 if self.argument == "file" else 0
        contents = {bytes(g.content) for g in self.log.generations if b"\n" in g.content}
        apart = {c for c in contents if not any(o != c and o.startswith(c) for o in contents)}
        wanted = {c for c in apart if any(g.content == c for g in self.log.generations[first:])}
        stored = [c for c in stored_sources(self.store).values() if b"\n" in c]
        assert len(stored) == len(set(stored)) <= len(apart)
        assert wanted <= set(stored)


class FollowingAlike(Following):
    """Every generation begins with the same line, and nothing is lost."""

    alike = True
    delete_oldest = None  # type: ignore[assignment]


class FollowingCut(Following):
    """The log is truncated, with and without a copy."""

    cut = True


class FollowingErrors(Following):
    """An error log, of which not every byte is stored as it is."""

    table = "server_event"
    cut = True


def _let_go(follower: Follower) -> None:
    """Close what a process that is dead has closed."""
    for log in follower.logs:
        log.tail.close()


def examples(count: int, steps: int) -> settings:
    return settings(settings.get_profile("ci"), max_examples=count, stateful_step_count=steps)


TestRenamed = Following.TestCase
TestAlike = FollowingAlike.TestCase
TestCut = FollowingCut.TestCase
TestErrors = FollowingErrors.TestCase
TestRenamed.settings = TestAlike.settings = TestCut.settings = TestErrors.settings = examples(10, 30)


@pytest.mark.soak
@pytest.mark.parametrize("machine", [Following, FollowingAlike, FollowingCut, FollowingErrors])
def test_for_long(machine: type[Following]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    thorough = settings(examples(1000, 50), derandomize=False)
    run_state_machine_as_test(machine, settings=thorough)
