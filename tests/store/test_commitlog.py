"""Old log entries are moved away unchanged, and the table is what it was."""

import subprocess

import pytest
from deltalake import DeltaTable

from lpaudit.store import append, archive_commits, commitlog, create_store
from tests.pieces import SOURCES, Log, commit
from tests.stores import stored_bytes, stored_rows

KEEP = 20
CHECKPOINT = 199  # made after every hundredth commit, counted from the creation


class Grown:
    """A store of 230 commits: checkpoints know two hundred of them."""

    def __init__(self, root):
        self.root = root
        self.store = create_store(str(root))
        self.logs = [Log(source_id) for source_id in SOURCES]
        self.entries = root / "access_event" / "_delta_log"
        table = self.store.create_table("access_event", "u")
        for number in range(230):
            append(self.store, table, [self.logs[number % 3].piece(2)], f"u{number}")

    def offsets(self):
        table = DeltaTable(self.root / "access_event")
        return {source_id: table.transaction_version(source_id) for source_id in SOURCES}

    def written(self):
        return {f"/logs/{log.source_id[0]}.log": bytes(log.content) for log in self.logs}


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    return Grown(tmp_path_factory.mktemp("grown") / "store")


def test_old_entries_are_moved_and_nothing_else_changes(grown, monkeypatch, tmp_path):
    monkeypatch.setattr(commitlog, "KEEP", KEEP)
    monkeypatch.setattr(commitlog, "LEAST", KEEP)
    before = {p.name: p.read_bytes() for p in grown.entries.glob("*.json")}
    rows, offsets = stored_rows(grown.root), grown.offsets()
    assert archive_commits(grown.store, "access_event", "u") == CHECKPOINT - KEEP
    assert archive_commits(grown.store, "access_event", "u") == 0, "what is left is not worth an archive"
    left = {p.name for p in grown.entries.glob("*.json")}
    assert left == {f"{version:020d}.json" for version in range(CHECKPOINT - KEEP, 231)}
    assert (stored_rows(grown.root), grown.offsets()) == (rows, offsets)
    assert DeltaTable(grown.root / "access_event").version() == 230

    # An auditor gets them back with the commands that the documentation names.
    (archive,) = (grown.root / "commits" / "access_event").iterdir()
    assert archive.name == f"{0:020d}-{CHECKPOINT - KEEP - 1:020d}.tar.zst"
    subprocess.run(f"zstd -dc '{archive}' | tar x -C '{tmp_path}'", shell=True, check=True)
    restored = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert restored == {name: data for name, data in before.items() if name not in left}

    # And the store goes on.
    commit(grown.store, *(log.piece(3) for log in grown.logs))
    assert stored_bytes(grown.root) == grown.written()


def test_a_table_without_a_checkpoint_keeps_its_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(commitlog, "KEEP", 0)
    monkeypatch.setattr(commitlog, "LEAST", 1)
    store, log = create_store(str(tmp_path / "store")), Log(SOURCES[0])
    for _ in range(5):
        commit(store, log.piece(1))
    assert archive_commits(store, "access_event", "u") == 0
    assert len(list((tmp_path / "store/access_event/_delta_log").glob("*.json"))) == 6


def test_an_archive_that_cannot_be_written_removes_nothing(grown, monkeypatch):
    monkeypatch.setattr(commitlog, "KEEP", 0)
    monkeypatch.setattr(commitlog, "LEAST", 1)
    before = sorted(grown.entries.iterdir())

    def torn(path, write, unique):
        path.write_bytes(b"half of it")

    monkeypatch.setattr(commitlog, "write_durable", torn)
    with pytest.raises(commitlog.StoreError, match="reads differently"):
        archive_commits(grown.store, "access_event", "u")
    assert sorted(grown.entries.iterdir()) == before
