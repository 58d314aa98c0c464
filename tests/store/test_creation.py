"""Who comes first creates the table, and nobody creates it twice."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lpaudit.store.tables import create_store, open_store

WRITERS = 8


def test_table_that_many_create_at_once_has_one_beginning(tmp_path: Path) -> None:
    for attempt in range(10):
        store = create_store(str(tmp_path / f"store-{attempt}"))
        ready = threading.Barrier(WRITERS)

        def create(_: int, store=store, ready=ready) -> int:  # type: ignore[no-untyped-def]
            ready.wait()
            return int(store.create_table("access_event", uuid.uuid4().hex).version())

        with ThreadPoolExecutor(WRITERS) as pool:
            assert list(pool.map(create, range(WRITERS))) == [0] * WRITERS
        assert sorted(store.storage.entries()) == ["access_event", "lpaudit-store.json"]


def test_a_store_has_one_name_however_it_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports name it, and are the same bytes wherever they are asked for."""
    store = create_store(str(tmp_path / "store"))
    (tmp_path / "link").symlink_to(tmp_path / "store")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for root in ("../store", "../link", str(tmp_path / "link" / ""), f"{tmp_path}/elsewhere/../store"):
        assert open_store(root).location == store.location
