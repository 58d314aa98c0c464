"""Following logs in tests: as a real process, or in this one with a clock that the test moves.

What a store then holds is read by deltalake and zstd alone; see stores.py.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Self
from zoneinfo import ZoneInfo

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lpaudit.errors import LpauditError
from lpaudit.follow import POLL, Follower
from lpaudit.followed import Surroundings
from lpaudit.ingest import IngestOptions
from lpaudit.model import Lag, LogFormat, LogKind, Observer
from tests.stores import Rows, stored_rows, zstd

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def line(text: str, when: datetime | None = None) -> bytes:
    """Write one line as lighttpd does by default; it is logged now if nothing else is said."""
    when = when or datetime.now(UTC)
    stamp = f"{when:%d}/{_MONTHS[when.month - 1]}/{when:%Y:%H:%M:%S %z}"
    return f'192.0.2.7 gw alice [{stamp}] "GET /{text} HTTP/1.1" 200 7 "-" "curl/8"\n'.encode()


def lines(text: str, count: int, first: int = 0) -> bytes:
    """Write lines that differ from each other and from those of another ``text``."""
    return b"".join(line(f"{text}/{number}") for number in range(first, first + count))


def append(path: Path, data: bytes) -> bytes:
    """Add to a log as its writer does: to the end, in one write."""
    with path.open("ab", buffering=0) as file:
        file.write(data)
    return data


# What a store holds.


def contents(store: Path) -> dict[str, bytes]:
    """Return the bytes of every source, by its identity, and prove them.

    The segments of a source join without a gap and without an overlap, each has the hash
    that its name says, and the rows tile them: one row a line, in order, each once.
    """
    if not (store / "access_event" / "_delta_log").is_dir():
        return {}
    rows_of: dict[str, Rows] = defaultdict(list)
    for row in stored_rows(store):
        rows_of[row["source_id"]].append(row)
    found = {}
    for source_id, rows in rows_of.items():
        found[source_id] = content = _joined(store, {row["segment"] for row in rows})
        position = 0
        for number, row in enumerate(rows, 1):
            assert row["byte_offset"] == position, "a line is missing, or there twice"
            assert row["line_number"] == number
            position += row["byte_length"]
            this = content[row["byte_offset"] : position]
            assert this.count(b"\n") == (this[-1:] == b"\n"), "a row is one line"
        assert position == len(content), "there are bytes without a row"
    line_ids = [row["line_id"] for rows in rows_of.values() for row in rows]
    assert len(set(line_ids)) == len(line_ids)
    return found


def _joined(store: Path, names: set[str]) -> bytes:
    """Return what segments hold, from the first byte of their source on."""
    content = b""
    for name in sorted(names, key=lambda name: int(Path(name).name.split("-")[0])):
        start, end, digest = Path(name).name.split(".")[0].split("-")
        data = zstd.decompress((store / name).read_bytes())
        assert int(start) == len(content), "segments overlap, or leave a gap"
        assert int(end) == len(content) + len(data)
        assert sha256(data).hexdigest() == digest
        content += data
    return content


def check(store: Path, *generations: bytes) -> None:
    """The store holds these logs, each from its first byte to its last and once, and nothing else."""
    held = sorted(contents(store).values())
    wanted = sorted(generations)
    if held != wanted:
        shown = "\n".join(_told(content) for content in held)
        wished = "\n".join(_told(content) for content in wanted)
        raise AssertionError(f"the store holds\n{shown}\nand not\n{wished}")


def _told(content: bytes) -> str:
    each = content.splitlines()
    return (
        f"  {len(content)} bytes in {len(each)} lines: {each[0][-60:]!r} … {each[-1][-60:]!r}"
        if each
        else "  nothing"
    )


def order(store: Path) -> list[str]:
    """Return the sources in the order in which their first lines were committed, from the log of commits."""
    found: list[str] = []
    for file in sorted((store / "access_event" / "_delta_log").glob("*.json")):
        for action in map(json.loads, file.read_text().splitlines()):
            for segment in json.loads(action.get("commitInfo", {}).get("segments", "[]")):
                if segment["source_id"] not in found:
                    found.append(segment["source_id"])
    return found


def table(store: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table; none if it is not there."""
    try:
        return DeltaTable(store / name).to_pyarrow_table().to_pylist()
    except TableNotFoundError:
        return []


def gaps(store: Path) -> list[dict[str, Any]]:
    """Return what is known to be missing."""
    return table(store, "coverage_gap")


def events(store: Path, *kinds: str) -> list[dict[str, Any]]:
    """Return what happened to logs, in the order in which it was seen."""
    found = sorted(table(store, "source_event"), key=lambda event: event["time"])
    return [event for event in found if not kinds or event["event"] in kinds]


def stored_lines(store: Path) -> int:
    """Count the lines that are committed: cheap enough to be asked for again and again."""
    try:
        actions = DeltaTable(store / "access_event").get_add_actions(flatten=True)
    except TableNotFoundError:
        return 0
    return sum(actions.column("num_records").to_pylist())


# A follower as a process.


class Following:
    """A real `lpaudit ingest --follow`, to be used with ``with``: nothing of it is left behind."""

    def __init__(
        self,
        store: Path,
        *arguments: object,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        options: tuple[str, ...] = ("--log-format", "default"),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
    ) -> None:
        self.store = store
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the follower
        command = [
            *prefix,
            *(sys.executable, "-m", "lpaudit", "ingest", "--follow", "--no-compact"),
            *("--flush-interval", "0.2", *options, "--store", str(store)),
            *("--", *map(os.fsdecode, map(_argument, arguments))),
        ]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.last = self.said
        self.output.close()

    @property
    def said(self) -> str:
        """What it has said so far."""
        if self.output.closed:
            return self.last
        return os.pread(self.output.fileno(), 1 << 20, 0).decode(errors="replace")

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something is true of the store; fail if it never is, or if the follower ends."""
        until(lambda: condition() or self._ended(), seconds, self)
        self._ended()

    def until_stored(self, count: int, seconds: float = 60) -> None:
        """Wait until so many lines are stored."""
        self.until(lambda: stored_lines(self.store) >= count, seconds)

    def _ended(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.said}"
        return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Have it finish, and see that it does so in order."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        assert status == (130 if number == signal.SIGINT else 0), self.said
        assert "Traceback" not in self.said, self.said

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()


def _argument(argument: object) -> str | bytes:
    return argument if isinstance(argument, (str, bytes)) else str(argument)


def until(condition: Callable[[], object], seconds: float, about: object = None) -> None:
    """Wait until ``condition`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            said = f":\n{about.said}" if isinstance(about, Following) else ""
            raise AssertionError(f"not within {seconds} seconds{said}")
        time.sleep(0.05)


# A follower in this process.


class Recorder(Observer):
    """Remembers what a follower tells."""

    def __init__(self) -> None:
        self.errors: list[LpauditError] = []
        self.lag: Lag | None = None

    def retrying(self, error: LpauditError, seconds: float) -> None:
        self.errors.append(error)

    def lagging(self, lag: Lag) -> None:
        self.lag = lag

    @property
    def complaints(self) -> str:
        """All errors as text."""
        return "\n".join(f"{error.message} ({error.hint})" for error in self.errors)


class Driven:
    """A follower in this process: its clock is the test's, so ten seconds take none."""

    def __init__(
        self,
        store: Path,
        *arguments: object,
        segment_bytes: int = 16 << 20,
        leave: bool = False,
        host: str | None = None,
        kind: LogKind | None = None,
        format_of: Callable[[str], LogFormat | None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.time = 1000.0
        self.busy = 0
        self.told = Recorder()
        options = IngestOptions(
            host=host,
            format_of=format_of,
            timezone=ZoneInfo("UTC"),
            segment_bytes=segment_bytes,
            kind=kind,
            leave=leave,
        )
        around = Surroundings(
            now=now,
            unique=lambda: uuid.uuid4().hex,
            sleep=self._sleep,
            clock=lambda: self.time,
        )
        self.follower = Follower(str(store), [str(a) for a in arguments], options, self.told, around)

    def _sleep(self, seconds: float) -> None:
        self.time += seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.crash()

    def wait(self, seconds: float = 3.0) -> "Driven":
        """Let it run for some of its seconds."""
        end = self.time + seconds
        while self.time < end:
            self.turn()
        return self

    def turn(self) -> None:
        """Let it do one round, and what it has others do."""
        busy = self.follower._turn()
        self.busy = self.busy + 1 if busy else 0
        assert self.busy < 5000, "it goes round and round, and gets nowhere"
        deadline = time.monotonic() + 60
        while self.follower.archives.busy and self.follower.archives._done.empty():
            assert time.monotonic() < deadline, "an archive is not read to its end"
            time.sleep(0.001)
        if not busy:
            self.time += POLL

    def stop(self) -> None:
        """Have it finish as SIGTERM does, and see that everything was stored."""
        self.follower.stop()
        assert self.follower.run(), self.told.complaints
        self.crash()

    def crash(self) -> None:
        """Leave everything as it is, as kill -9 does: only what is open is closed."""
        for log in self.follower.logs:
            with suppress(OSError):
                log.tail.close()
        self.follower.logs.clear()


# Rotation as logrotate does it.


def rotate(log: Path, style: str = "number", kept: int = 10) -> Path:
    """Rename a log as logrotate does, compress it if ``style`` says so, and create a new one.

    ``style``: number, gz, delay (compressed the next time), date, date-gz. Earlier files move
    on, the last of ``kept`` away (not of those with dates). Returns where it is now.
    """
    plain, _, packed = style.partition("-")
    if plain == "date":
        numbers = len({p.name.split(".gz")[0] for p in log.parent.glob(f"{log.name}-*")})
        there = log.with_name(f"{log.name}-{datetime(2026, 11, 1, tzinfo=UTC) + timedelta(numbers):%Y%m%d}")
        log.rename(there)
        return compress(_created(log, there)) if packed else _created(log, there)
    for number in range(kept - 1, 0, -1):
        for ending in ("", ".gz"):
            old = log.with_name(f"{log.name}.{number}{ending}")
            if old.exists():
                old = old.rename(log.with_name(f"{log.name}.{number + 1}{ending}"))
                if plain == "delay" and not ending:
                    compress(old)
    there = _created(log, log.rename(log.with_name(f"{log.name}.1")))
    return compress(there) if plain == "gz" else there


def _created(log: Path, there: Path) -> Path:
    log.touch()
    return there


def compress(path: Path, program: str = "gzip") -> Path:
    """Compress a file as logrotate does: a new file that keeps the time, and the old one goes."""
    subprocess.run([program, "-k", "-q", str(path)], check=True, stdin=subprocess.DEVNULL)
    ending = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}[program]
    path.unlink()
    return path.with_name(path.name + ending)


def copytruncate(log: Path, copy: Path | None) -> None:
    """Copy a log, then cut it: logrotate's copytruncate."""
    if copy is not None:
        shutil.copy(log, copy)
    os.truncate(log, 0)
