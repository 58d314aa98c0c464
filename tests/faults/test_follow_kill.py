"""kill -9 of followers, again and again, while a real lighttpd writes and the real logrotate rotates.

The client numbers its requests: what it got an answer for is the truth. In the end the store
is compared with it, with the files that logrotate left, and with an undisturbed ingest.
Where there is a key, the store is signed meanwhile: by what followers start on the side, and by
processes that are killed as well. Then it must verify in the end, line by line.
"""

import contextlib
import gzip
import json
import math
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lpaudit.errorlog import redact
from tests.nursery import LOADED
from tests.rig import free_ports, running
from tests.stores import (
    Rows,
    stored_gaps,
    stored_rows,
    stored_sources,
    stored_table,
    without_fingerprints,
)

pytestmark = [pytest.mark.lighttpd, pytest.mark.logrotate]

NUMBER = re.compile(rb"GET /r/(\d+) HTTP")
KILLS = int(os.environ.get("LPAUDIT_KILLS", "160"))  # of a long campaign; tests forget such settings
PATIENCE = 240  # seconds without a new line after which a follower is taken to have come to its end
AT_ONCE = 20  # requests that are sent before their answers are read
ROTATE = {
    # kill -HUP as Debian's /etc/logrotate.d/lighttpd has it; a rotated file is compressed a rotation later.
    "create": "create\n postrotate\n  kill -HUP $(cat {pid})\n endscript",
    "copytruncate": "copytruncate",
}
CONFIGURATION = """\
server.modules = ("mod_accesslog")
server.document-root = "{folder}/www"
server.errorlog = "{folder}/logs/error.log"
server.pid-file = "{folder}/lighttpd.pid"
server.bind = "127.0.0.1"
server.port = {port}
server.max-keep-alive-requests = 100000
accesslog.filename = "{folder}/logs/access.log"
"""


def client(port: int, answered: list[int], stop: threading.Event, pause: float) -> None:
    """Send numbered requests over one connection after another; note each that was answered."""
    number = 0
    while not stop.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.settimeout(30)
                for _ in range(500):
                    if stop.is_set():
                        return
                    numbers = range(number, number + AT_ONCE)
                    number += AT_ONCE
                    connection.sendall(
                        b"".join(b"GET /r/%d HTTP/1.1\r\nHost: rig\r\n\r\n" % n for n in numbers)
                    )
                    received = b""
                    while (got := received.count(b"HTTP/1.1 404 ")) < AT_ONCE or not received.endswith(
                        b"</html>\n"
                    ):
                        if not (piece := connection.recv(1 << 16)):
                            break
                        received += piece
                    answered += numbers[:got]
                    time.sleep(pause)
        except (ConnectionError, TimeoutError):
            time.sleep(0.05)


def vandal(port: int, stop: threading.Event, pause: float) -> None:
    """Send what is no request: each is a line of the error log."""
    while not stop.wait(pause):
        with (
            contextlib.suppress(ConnectionError, TimeoutError),
            socket.create_connection(("127.0.0.1", port), timeout=30) as connection,
        ):
            connection.sendall(b"\x01")


NURSERY = """\
import contextlib, json
for line in sys.stdin:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    pid = os.fork()
    if not pid:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os._exit(lpaudit.__main__.run(json.loads(line)))
    print(pid, flush=True)
"""
"""A child's number is given to nobody else before who asked for it has a handle: until the next one is asked for."""


class Nursery:
    """Makes followers quickly: processes of their own, but Python and its libraries are loaded once.

    To load them takes ten times as long as to begin to follow: the kills would hit little else.
    """

    def __init__(self, errors: Path) -> None:
        self._errors = errors.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOADED + NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def start(self, arguments: list[str]) -> "Child":
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return Child(int(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()
        self._errors.close()


class Child:
    """A process that somebody else has started; a handle, as its number may be given to another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def alive(self) -> bool:
        return not select.select([self._handle], [], [], 0)[0]

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        assert select.select([self._handle], [], [], 60)[0], "kill -9 did not kill it"
        os.close(self._handle)


@dataclass
class Slot:
    """A follower that is started again whenever it was killed."""

    child: Child | None = None
    following: float | None = None  # since when
    version: int = 0  # the store's, then
    kill_at: float | None = None


@dataclass
class Campaign:
    """What a campaign did."""

    folder: Path
    rotation: str
    kills: int = 0
    signed: bool = False
    early: int = 0
    rotations: int = 0
    compactions: int = 0
    signers: int = 0
    signers_killed: int = 0
    answered: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.logs, self.store = self.folder / "logs", self.folder / "store"
        self.log, self.errors = self.logs / "access.log", self.logs / "error.log"
        self.logs.mkdir(mode=0o755)

    def rotate(self, logrotate: str, stop: threading.Event, seed: int, most: float) -> None:
        """Rotate at random moments."""
        rng = random.Random(seed)
        script = ROTATE[self.rotation].replace("{pid}", str(self.folder / "lighttpd.pid"))
        settings = ("rotate 1000", "missingok", "nodateext", "compress", "delaycompress", script)
        text = "\n ".join((f"{self.log} {self.errors} {{", "sharedscripts", *settings)) + "\n}\n"
        (self.folder / "logrotate.conf").write_text(text)
        (self.folder / "logrotate.conf").chmod(0o644)
        command = [logrotate, "-f", "-s", str(self.folder / "state"), str(self.folder / "logrotate.conf")]
        while not stop.wait(rng.uniform(0.3, most)):
            subprocess.run(command, check=True)
            self.rotations += 1

    def arguments(self, argument: Path) -> list[str]:
        """Return the command line of a follower: of access logs as told, and of the error log."""
        errors = self.logs / argument.name.replace("access", "error")
        return [
            *("ingest", "--follow", "--host", "rig", "--no-compact", "--log-format", "default"),
            *("--flush-interval", "0.1", "--store", str(self.store), str(argument), str(errors)),
        ]

    def follow(self, argument: Path) -> subprocess.Popen[bytes]:
        """Start a follower as everybody does."""
        command = [sys.executable, "-m", "lpaudit", *self.arguments(argument)]
        with (self.folder / "followers.err").open("ab") as errors:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)

    def version(self) -> int:
        """Return the number of the newest commit."""
        return max(int(path.stem) for path in (self.store / "access_event/_delta_log").glob("0*.json"))

    def harass(self, kills: int, followers: int, rng: random.Random) -> None:
        """Kill followers until ``kills`` of them died while they followed."""
        slots = [Slot() for _ in range(followers)]
        nursery = Nursery(self.folder / "followers.err")
        signer = Signer(self, nursery, rng)
        compaction: subprocess.Popen[bytes] | None = None
        try:
            while self.kills < kills:
                for slot in slots:
                    self._tend(slot, nursery, rng)
                if self.signed:
                    signer.tend()
                if compaction is not None and compaction.poll() is not None:
                    assert compaction.returncode == 0, "a compaction failed"
                    self.compactions += 1
                    compaction = None
                if compaction is None and rng.random() < 0.0005:
                    compaction = subprocess.Popen(
                        [sys.executable, "-m", "lpaudit", "compact", "--quiet", "--store", self.store]
                    )
                time.sleep(0.005)
        finally:
            for slot in slots:
                if slot.child is not None:
                    slot.child.kill()
            signer.end()
            nursery.close()
            if compaction is not None:
                compaction.wait()

    def _tend(self, slot: Slot, nursery: Nursery, rng: random.Random) -> None:
        now = time.monotonic()
        if slot.child is None:
            # Mostly the one file that a user would name; now and then everything that is there.
            argument = rng.choice([self.log, self.log, self.log, self.logs / "access.log*"])
            slot.child, slot.following, slot.kill_at = nursery.start(self.arguments(argument)), None, None
            if rng.random() < 0.1:  # in the middle of its start
                slot.kill_at = now + rng.uniform(0, 0.5)
            return
        assert slot.child.alive(), (self.folder / "followers.err").read_text()[-2000:]
        if slot.following is None and holds(slot.child.pid, self.log):
            slot.following, slot.version = now, self.version()
        # While it commits: right after one commit is the middle of the next.
        committing = slot.following is not None and (
            self.version() > slot.version or now > slot.following + 5
        )
        if slot.kill_at is None and committing:
            slot.kill_at = now + rng.uniform(0, 0.4)
        if slot.kill_at is not None and now >= slot.kill_at:
            slot.child.kill()
            slot.child = None
            self.kills += slot.following is not None
            self.early += slot.following is None

    def settle(self) -> None:
        """Let one follower come to the end of everything, and stop it as systemd does."""
        process = self.follow(self.log)
        files, size, deadline = self.files().values(), -1, time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(2)
            held = list(stored_sources(self.store).values())
            if each_begins(held, files) and self.errors_are_stored():
                break
            if size < (size := sum(map(len, held))):
                deadline = time.monotonic() + PATIENCE  # as long as it goes on, it may
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, (self.folder / "followers.err").read_text()[-2000:]

    def errors_are_stored(self) -> bool:
        """Say whether each error log is stored, and nothing else; many of them begin alike."""
        held = map(without_fingerprints, stored_sources(self.store, "server_event").values())
        return each_begins(held, map(redact, self.files("error").values()))

    def files(self, log: str = "access") -> dict[str, bytes]:
        """Return what logrotate has left of a log, by name, decompressed; what is empty is left out."""
        contents = {
            path.name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for path in self.logs.glob(f"{log}.log*")
        }
        return {name: content for name, content in contents.items() if content}


class Signer:
    """Has the store signed, again and again; half of those who do so are killed at a random moment."""

    def __init__(self, campaign: Campaign, nursery: Nursery, rng: random.Random) -> None:
        self._campaign, self._nursery, self._rng = campaign, nursery, rng
        self._child: Child | None = None
        self._kill_at, self._next = math.inf, 0.0

    def tend(self) -> None:
        now = time.monotonic()
        if self._child is None:
            if now >= self._next:
                store = str(self._campaign.store)
                self._child = self._nursery.start(["sign", "--quiet", "--store", store])
                self._kill_at = now + self._rng.uniform(0, 0.6) if self._rng.random() < 0.5 else math.inf
        elif now >= self._kill_at and self._child.alive():
            self.end()
            self._campaign.signers_killed += 1
        elif not self._child.alive():
            self.end()
            self._campaign.signers += 1

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child, self._next = None, time.monotonic() + self._rng.uniform(0, 1)


def each_begins(held: Iterable[bytes], written: Iterable[bytes]) -> bool:
    """Say whether each file is stored, perhaps with more after it, and nothing else is.

    Files may begin alike: what a client sent that lighttpd could not read is logged without its number.
    """
    stored, files = sorted(held), sorted(written)
    return len(stored) == len(files) and all(map(bytes.startswith, stored, files))


def holds(pid: int, path: Path) -> bool:
    """Say whether a process has a file open: a follower that does has begun to follow."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if link.readlink() == path:
                    return True
    return False


@contextlib.contextmanager
def in_threads(stop: threading.Event, *threads: threading.Thread) -> Iterator[None]:
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def campaign(
    folder: Path, lighttpd: str, logrotate: str, rotation: str, kills: int, seed: int, *, signed: bool
) -> Campaign:
    """Write, rotate, follow and kill at once; then let one follower end it in peace."""
    did = Campaign(folder, rotation, signed=signed)
    if signed:
        lpaudit("keys", "init", "--as", "rig", "--store", did.store)
    (port,) = free_ports(1)
    rng = random.Random(seed)
    stop_rotating, stop_writing = threading.Event(), threading.Event()
    rotating = threading.Thread(target=did.rotate, args=(logrotate, stop_rotating, seed, 8.0))
    writing = threading.Thread(target=client, args=(port, did.answered, stop_writing, 0.05))
    harming = threading.Thread(target=vandal, args=(port, stop_writing, 0.02))
    with running(lighttpd, folder, CONFIGURATION.format(folder=folder, port=port)):
        # Whoever follows a file from its beginning misses nothing; what was rotated before is not its task.
        first = did.follow(did.log)
        wait_for(lambda: did.log.exists() and holds(first.pid, did.log))
        with in_threads(stop_writing, writing, harming):
            wait_for(lambda: (did.store / "access_event").exists() and bool(stored_rows(did.store)))
            first.kill()
            first.wait()
            with in_threads(stop_rotating, rotating):
                did.harass(kills, 2, rng)
    did.settle()
    return did


def lpaudit(*arguments: object) -> str:
    """Run a command that must succeed; return what it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "lpaudit", *map(str, arguments)], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def check(did: Campaign) -> dict[str, int]:
    """Compare the store with the files, the client's list, and an undisturbed ingest; say how much there was."""
    files, sources = did.files(), stored_sources(did.store)
    stored = list(sources.values())
    assert each_begins(stored, files.values()), f"{len(files)} files, {len(stored)} sources"
    beyond = sum(map(len, stored)) - sum(map(len, files.values()))
    # What is more was seen before it was cut, and after it was copied.
    assert beyond == 0 or did.rotation == "copytruncate"

    assert did.errors_are_stored()
    errors = sum(content.count(b"\n") for content in did.files("error").values())
    assert errors > did.rotations
    if did.rotation == "create":
        assert errors == len(stored_table(did.store, "server_event"))

    counted = Counter(int(n) for content in stored for n in NUMBER.findall(content))
    assert set(counted.values()) == {1}, "a request is there twice"
    assert set(counted) <= set(range(max(did.answered) + 1 + AT_ONCE)), "a request was invented"
    in_files = {int(n) for content in files.values() for n in NUMBER.findall(content)}
    lost = set(did.answered) - set(counted)
    assert not lost & in_files
    if did.rotation == "create":
        assert not lost, f"{len(lost)} requests were answered and are not in the store"
        assert not stored_gaps(did.store)

    rows = stored_rows(did.store)
    assert len(rows) == sum(content.count(b"\n") + (content[-1:] != b"\n") for content in stored)
    fresh = did.folder / "fresh"
    told = ("--host", "rig", "--log-format", "default", "--final", "--quiet", "--store", fresh)
    unsigned = {**os.environ, "LPAUDIT_KEY": str(did.folder / "none.pem")}
    subprocess.run([sys.executable, "-m", "lpaudit", "ingest", *told, did.logs], check=True, env=unsigned)
    mine = by_place(rows)
    # Of those that begin alike, the order in which they were read decides which is which.
    begins = Counter(content.split(b"\n", 1)[0] for content in stored)
    for place, row in by_place(stored_rows(fresh)).items():
        alone = begins[sources[place[0]].split(b"\n", 1)[0]] == 1
        if alone and (row["parse_note"] is None or "no-line-end" not in row["parse_note"]):
            assert mine[place] == row
    told = (did.folder / "followers.err").read_text()
    assert "Traceback" not in told
    table = DeltaTable(did.store / "access_event")
    written = list((did.store / "access_event").glob("*.parquet"))
    return {
        "kills": did.kills,
        "kills during start": did.early,
        "rotations": did.rotations,
        "compactions": did.compactions,
        "commits": table.version(),
        "conflicts that a follower told of": told.count("another lpaudit is storing the same lines"),
        "Parquet files that no commit names": len(written) - len(table.file_uris()),
        "lines": len(rows),
        "lines of error logs": errors,
        "answered requests": len(did.answered),
        "lost between copy and truncation": len(lost),
        "bytes read between copy and truncation": beyond,
        "gaps": len(stored_gaps(did.store)),
        **(check_signatures(did) if did.signed else {}),
    }


def check_signatures(did: Campaign) -> dict[str, int]:
    """Verify the store line by line, and against the anchor; say how much was signed."""
    lpaudit("sign", "--quiet", "--store", did.store)
    found = json.loads(lpaudit("verify", "--full", "--format", "json", "--store", did.store))
    assert found["findings"] == []
    batches = sorted((did.store / "evidence").glob("*.batch"))
    assert [int(path.stem) for path in batches] == list(range(len(batches)))
    signed = sum(path.read_text().partition("\n\n")[0].count('"leaf":"segment"') for path in batches)
    assert signed >= DeltaTable(did.store / "access_event").version()
    return {
        "signers that came to an end": did.signers,
        "signers that were killed": did.signers_killed,
        "checkpoints": len(batches),
        "checkpoints that the anchor has": len(list((did.folder / "anchor").glob("*.checkpoint"))),
        "segments that are signed": signed,
    }


def by_place(rows: Rows) -> dict[tuple[str, int], dict[str, object]]:
    """Rows by source and offset, without what says when, where and in which commit they were stored."""
    provenance = {"ingest_time", "segment", "source"}
    return {
        (row["source_id"], row["byte_offset"]): {k: v for k, v in row.items() if k not in provenance}
        for row in rows
    }


@pytest.fixture(params=[False, True], ids=["unsigned", "signed"])
def signed(request, tmp_path: Path, monkeypatch) -> bool:
    """Whether there is a key, and an anchor."""
    if request.param:
        monkeypatch.setenv("LPAUDIT_KEY", str(tmp_path / "key.pem"))
        monkeypatch.setenv("LPAUDIT_ANCHORS", str(tmp_path / "anchor"))
    return request.param


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rotation", ROTATE)
def test_followers_that_are_killed_store_each_line_once(
    rotation: str, signed: bool, tmp_path: Path, lighttpd: str, logrotate: str
) -> None:
    did = campaign(tmp_path, lighttpd, logrotate, rotation, kills=4, seed=20261123, signed=signed)
    found = check(did)
    assert found["kills"] >= 4
    assert not signed or found["checkpoints"] > 1


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("rotation", ROTATE)
def test_followers_that_are_killed_for_long_store_each_line_once(
    rotation: str, signed: bool, tmp_path: Path, lighttpd: str, logrotate: str
) -> None:
    began = time.monotonic()
    did = campaign(tmp_path, lighttpd, logrotate, rotation, KILLS, seed=int(time.time()), signed=signed)
    found = check(did)
    print(f"\n{rotation}{', signed' if signed else ''}: {time.monotonic() - began:.0f} s")
    for what, count in found.items():
        print(f"{count:9,} {what}")
    assert found["kills"] >= KILLS
    shutil.rmtree(tmp_path, ignore_errors=True)
