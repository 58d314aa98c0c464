"""What a storage promises, be it a directory or a bucket."""

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lpaudit import store as room
from lpaudit.errors import OffsetConflict, StoreError
from lpaudit.store import packing
from lpaudit.store.storage import Storage
from tests.pieces import SOURCES, Log, commit

WRITERS = 8


def unique() -> str:
    return uuid.uuid4().hex


def put(storage: Storage, name: str, data: bytes) -> int:
    return storage.write(name, lambda file: file.write_bytes(data) and None, unique())


def test_file_is_what_was_written_last(storage: Storage) -> None:
    for data in (b"one", b"the other", b"", os.urandom(12 << 20)):  # the last is put in parts
        assert put(storage, "folder/under/name.zst", data) == len(data)
        assert storage.read("folder/under/name.zst") == data
        assert storage.sizes() == {"folder/under/name.zst": len(data)}


def test_file_that_is_not_there(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read("folder/name")
    storage.remove("folder/name")
    assert storage.names("folder") == []
    assert storage.sizes() == {}


def test_names_are_those_right_below(storage: Storage) -> None:
    for name in ("a/b/c", "a/d", "e"):
        put(storage, name, b"x")
    assert storage.names("a") == ["b", "d"]
    assert sorted(storage.entries() or []) == ["a", "e"]
    storage.remove("a/d")
    assert storage.names("a") == ["b"]
    assert storage.sizes() == {"a/b/c": 1, "e": 1}


def test_writer_that_fails_leaves_what_was_there(storage: Storage) -> None:
    put(storage, "name", b"before")

    def broken(file: Path) -> None:
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.write("name", broken, unique())
    assert storage.read("name") == b"before"
    assert storage.sizes() == {"name": 6}


def test_table_that_many_create_at_once_has_one_beginning(storage: Storage) -> None:
    for _ in range(3):
        store = room.create_store(f"{storage.location}/{unique()}")
        ready = threading.Barrier(WRITERS)

        def create(_: int, store=store, ready=ready) -> int:  # type: ignore[no-untyped-def]
            ready.wait()
            return int(store.create_table("access_event", unique()).version())

        with ThreadPoolExecutor(WRITERS) as pool:
            assert list(pool.map(create, range(WRITERS))) == [0] * WRITERS


@pytest.fixture
def store(storage: Storage) -> room.Store:
    return room.create_store(storage.location)


def test_pieces_come_back(store: room.Store) -> None:
    logs = [Log(source_id) for source_id in SOURCES]
    for count in (3, 1, 20):
        commit(store, *(log.piece(count) for log in logs))
    table = store.table("access_event")
    assert table is not None
    for log in logs:
        found = room.known(store, table, log.source_id)
        assert found is not None
        assert (found.segments, found.line_number) == (tuple(log.segments), log.lines)
        assert b"".join(room.read_segment(store.storage, s) for s in found.segments) == log.content


def test_stale_handle_is_refused(store: room.Store) -> None:
    stale = store.create_table("access_event", unique())
    commit(store, Log(SOURCES[0]).piece(3))
    with pytest.raises(OffsetConflict):
        room.append(store, stale, [Log(SOURCES[0]).piece(3)], unique())


def test_changed_segment_is_told(store: room.Store) -> None:
    log = Log(SOURCES[0])
    commit(store, log.piece(3), log.piece(3))
    first, second = log.segments
    put(store.storage, first.name, store.storage.read(second.name))
    with pytest.raises(StoreError, match="has been changed"):
        room.read_segment(store.storage, first)


def test_compaction_and_packing_change_nothing(store: room.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LEAST", 8)
    logs = [Log(source_id) for source_id in SOURCES]
    for _ in range(10):
        commit(store, *(log.piece(2) for log in logs))

    def rows() -> list[dict[str, object]]:
        dataset = store.dataset("access_event", store.table("access_event"))
        return dataset.to_table().sort_by("line_id").to_pylist()  # type: ignore[no-any-return]

    before = rows()
    assert len(before) == 3 * 20
    compacted = room.compact(store, "access_event", unique)
    assert (compacted.files, compacted.into) == (10, 1)
    assert room.pack(store, unique) == room.Packed(30, 3)
    assert room.remove_replaced(store, "access_event", 0) == 10
    assert rows() == before
    for log in logs:
        assert b"".join(room.read_segment(store.storage, s) for s in log.segments) == log.content
        assert room.missing_segments(store.sizes(), [s.name for s in log.segments]) == []
    assert sum(name.startswith("segments/") for name in store.sizes()) == 3
    assert sum(name.endswith(".parquet") and "_delta_log" not in name for name in store.sizes()) == 1
