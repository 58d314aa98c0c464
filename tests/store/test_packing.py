"""Packs hold the very bytes of the segments whose files they replace."""

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lpaudit.errors import StoreError
from lpaudit.model import Segment
from lpaudit.store import (
    Packed,
    Store,
    create_store,
    missing_segments,
    pack,
    packing,
    read_segment,
    read_segments,
)
from lpaudit.store.directory import Directory
from lpaudit.store.segment import Pack
from lpaudit.store.storage import Storage
from tests.pieces import SOURCES, Log, commit

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]
COMMITS = 12


def unique() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(str(tmp_path / "store"))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LEAST", COMMITS)


@pytest.fixture
def logs(store: Store) -> list[Log]:
    found = [Log(source_id) for source_id in SOURCES]
    for number in range(COMMITS):
        commit(store, *(log.piece(2 + number % 3) for log in found))
    return found


def files(store: Store, log: Log) -> list[str]:
    return sorted(p.name for p in (Path(store.location) / "segments" / log.source_id).iterdir())


def check(store: Store, logs: list[Log]) -> None:
    for log in logs:
        assert b"".join(read_segment(store.storage, s) for s in log.segments) == log.content
        for segment in log.segments:
            assert read_segment(store.storage, segment) == log.content[segment.start : segment.end]
        assert missing_segments(store.storage.sizes(), [s.name for s in log.segments]) == []


def test_segments_are_read_from_packs_as_from_their_files(store: Store, logs: list[Log]) -> None:
    assert pack(store, unique) == Packed(3 * COMMITS, 3)
    assert [len(files(store, log)) for log in logs] == [1, 1, 1]
    check(store, logs)
    assert pack(store, unique) == Packed()
    for _ in range(COMMITS + 1):
        commit(store, *(log.piece(1) for log in logs[:2]))
    check(store, logs)
    assert pack(store, unique) == Packed(2 * (COMMITS + 1), 2)
    check(store, logs)


def test_packs_hold_the_frames_as_they_were(store: Store, logs: list[Log]) -> None:
    log = logs[0]
    frames = b"".join((Path(store.location) / segment.name).read_bytes() for segment in log.segments)
    pack(store, unique)
    (name,) = files(store, log)
    assert (Path(store.location) / "segments" / log.source_id / name).read_bytes() == frames


def test_a_pack_is_read_once_for_all_that_it_holds_and_what_is_damaged_is_named(
    store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(store, unique)
    log, opened = logs[0], list[list[Segment]]()
    read = Pack.read

    def counted(self: Pack, storage: Storage, segments: list[Segment]) -> Iterator[bytes]:
        opened.append(segments)
        return read(self, storage, segments)

    monkeypatch.setattr(Pack, "read", counted)
    found = dict(read_segments(store.storage, log.segments))
    assert list(found) == log.segments
    assert b"".join(data for data in found.values() if isinstance(data, bytes)) == log.content
    assert opened == [log.segments]
    other = replace(log.segments[4], sha256="0" * 64)  # its hash is not what it should be
    told = [*log.segments[:4], other, *log.segments[5:]]
    wrong = [s for s, data in read_segments(store.storage, told) if isinstance(data, StoreError)]
    assert wrong == [other]


def test_auditor_needs_no_lpaudit(store: Store, logs: list[Log], checkout: Path) -> None:
    """The very command that docs/architecture.md tells, with what the names of rows and files say."""
    page = (checkout / "docs" / "architecture.md").read_text("utf-8")
    (told,) = re.findall(r"^zstd -dc PACK .*$", page, re.MULTILINE)
    pack(store, unique)
    log = logs[1]
    (name,) = files(store, log)
    folder = Path(store.location) / "segments" / log.source_id
    whole = subprocess.run(
        f"zstd -dc {name} | sha256sum", shell=True, cwd=folder, capture_output=True, check=True, text=True
    )
    assert whole.stdout.split()[0] in name
    for segment in (log.segments[0], log.segments[5], log.segments[-1]):
        start, end, digest = Path(segment.name).stem.split("-")
        first = int(name.split("-")[0])
        taken = subprocess.run(
            ["/bin/sh", "-c", told.replace("PACK", name)],
            cwd=folder,
            env={**os.environ, "first": str(first), "start": str(int(start)), "end": str(int(end))},
            capture_output=True,
            check=True,
            text=True,
        )
        assert taken.stdout.split()[0] == digest


def test_few_large_and_uncommitted_segments_keep_their_files(
    store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logs[0]
    folder = Path(store.location) / "segments" / log.source_id
    stray = Segment.of(log.source_id, len(log.content), b"a commit that never came")
    (Path(store.location) / stray.name).write_bytes(b"")
    (folder / ".left.zst.0123.tmp").write_bytes(b"")
    monkeypatch.setattr(packing, "LEAST", COMMITS + 2)
    assert pack(store, unique) == Packed()
    monkeypatch.setattr(packing, "LEAST", COMMITS)
    monkeypatch.setattr(packing, "SMALL", 10)
    assert pack(store, unique) == Packed()
    monkeypatch.undo()
    monkeypatch.setattr(packing, "LEAST", COMMITS)
    assert pack(store, unique) == Packed(3 * COMMITS, 3)
    assert len(files(store, log)) == 3
    assert (Path(store.location) / stray.name).exists()


def test_packs_have_a_limit(store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LEAST", 4)
    monkeypatch.setattr(packing, "LARGEST", max(len(log.content) for log in logs) // 2)
    assert pack(store, unique).packs >= 6
    for log in logs:
        for name in files(store, log):
            start, end = name.split("-")[:2]
            assert int(end) - int(start) <= packing.LARGEST
    check(store, logs)


@pytest.mark.parametrize("step", ["write", "_retire"])
def test_interrupted_packing_is_gone_on_with(
    step: str, store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Directory if step == "write" else packing, step, killed)
        with pytest.raises(KeyboardInterrupt):
            pack(store, unique)
    check(store, logs)
    for log in logs:
        commit(store, log.piece(3))
    assert pack(store, unique).segments >= 3 * COMMITS
    check(store, logs)


def test_two_that_pack_at_once_lose_nothing(
    store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packing.read_frame
    outcomes: list[Packed] = []

    def slow(storage: Storage, segment: Segment) -> tuple[bytes, bytes]:
        if segment == logs[1].segments[3]:
            monkeypatch.setattr(packing, "read_frame", real)
            outcomes.append(pack(store, unique))
        return real(storage, segment)

    monkeypatch.setattr(packing, "read_frame", slow)
    first = pack(store, unique)
    assert outcomes == [Packed(2 * COMMITS, 2)]
    assert first == Packed(COMMITS, 1)
    check(store, logs)


def test_changed_segment_is_never_packed_away(store: Store, logs: list[Log]) -> None:
    damaged = logs[0].segments[4]
    other = (Path(store.location) / logs[0].segments[5].name).read_bytes()
    (Path(store.location) / damaged.name).write_bytes(other)
    with pytest.raises(StoreError, match="has been changed"):
        pack(store, unique)
    assert len(files(store, logs[0])) == COMMITS


@pytest.mark.parametrize("damage", ["truncated", "flipped", "other"])
def test_pack_that_does_not_hold_the_bytes_replaces_nothing(
    damage: str, store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written is read back before anything is removed, whatever the disk made of it."""
    real = Directory.write

    def bad(self: Directory, name: str, write: Callable[[Path], None], unique: str) -> int:
        size = real(self, name, write, unique)
        path = self.path / name
        data = path.read_bytes()
        if damage == "truncated":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "flipped":
            path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        else:
            path.write_bytes((Path(store.location) / logs[0].segments[0].name).read_bytes() * COMMITS)
        return size

    monkeypatch.setattr(Directory, "write", bad)
    with pytest.raises(StoreError):
        pack(store, unique)
    assert all((Path(store.location) / s.name).is_file() for log in logs for s in log.segments)


def test_damaged_pack_is_told(store: Store, logs: list[Log], lpaudit: Lpaudit) -> None:
    pack(store, unique)
    (name,) = files(store, logs[0])
    path = Path(store.location) / "segments" / logs[0].source_id / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreError, match=r"pack\.zst"):
        read_segment(store.storage, logs[0].segments[-1])
    (Path(store.location) / "segments" / logs[1].source_id / files(store, logs[1])[0]).unlink()
    with pytest.raises(StoreError, match="cannot read"):
        read_segment(store.storage, logs[1].segments[0])
    status = json.loads(lpaudit("status", "--store", store.location, "--format", "json").stdout)
    assert status["missing_segments"] == [segment.name for segment in logs[1].segments]


def test_ingest_goes_on_from_packed_segments(tmp_path: Path, lpaudit: Lpaudit) -> None:
    log, again = tmp_path / "access.log", tmp_path / "again.log"
    line = '192.0.2.1 gw - [23/Nov/2026:10:15:{:02d} +0000] "GET /{} HTTP/1.1" 200 7 "-" "-"\n'
    content = "".join(line.format(n % 60, n) for n in range(2000))
    log.write_text(content)
    env = {"LPAUDIT_SEGMENT_BYTES": "250"}
    assert lpaudit("ingest", log, env=env).returncode == 0
    printed = lpaudit("compact").stdout
    assert "compacted" in printed
    assert "packed" in printed
    # A plain file is recognised by the segment at its end, one through a pipe from its first byte on.
    log.write_text(content + line.format(0, "new"))
    ran = lpaudit("ingest", log)
    assert "1 new line, 2,000 already stored" in ran.stdout
    short = "".join(line.format(n % 60, n) for n in range(1001))
    again.write_text(short[: len(short) - 20])
    assert "already stored" in lpaudit("ingest", again).stdout
    piped = lpaudit("ingest", "-", input=content)
    assert "nothing new" in piped.stdout
