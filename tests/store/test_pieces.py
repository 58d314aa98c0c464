"""Pieces of several sources in one commit: all of them or none."""

import json
import uuid
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lpaudit.errors import OffsetConflict, StoreError
from lpaudit.model import Segment
from lpaudit.schema import tables
from lpaudit.store import Piece, Store, append, create_store, known, open_store
from tests.pieces import SOURCES, Log, commit, rows_of
from tests.stores import stored_bytes, stored_rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(str(tmp_path / "store"))


def test_pieces_of_several_sources_are_one_commit(store: Store) -> None:
    logs = [Log(source_id) for source_id in SOURCES]
    commit(store, *(log.piece(10 + n) for n, log in enumerate(logs)))
    commit(store, *(log.piece(5) for log in logs))
    table = DeltaTable(Path(store.location) / "access_event")
    assert table.version() == 2
    assert len(table.file_uris()) == 2
    assert {s: table.transaction_version(s) for s in SOURCES} == {
        log.source_id: len(log.content) for log in logs
    }
    assert stored_bytes(Path(store.location)) == {
        f"/logs/{log.source_id[0]}.log": log.content for log in logs
    }
    for log in logs:
        rows = [row for row in stored_rows(Path(store.location)) if row["source_id"] == log.source_id]
        assert [row["line_number"] for row in rows] == list(range(1, log.lines + 1))


def test_file_says_what_its_columns_mean(store: Store) -> None:
    """Rows travel in other types than the table has; a file has the table's, with their descriptions."""
    commit(store, Log(SOURCES[0]).piece(10))
    (file,) = store.files("access_event", store.table("access_event"))
    written, declared = pq.read_schema(file), tables()["access_event"].arrow
    assert written.metadata == declared.metadata
    assert {f.name: (f.nullable, f.metadata) for f in written} == {
        f.name: (f.nullable, f.metadata) for f in declared
    }
    # A map's inner field has a name, which Parquet does not keep.
    assert [f.type for f in written if f.name != "fields"] == [f.type for f in declared if f.name != "fields"]


def test_log_of_commits_alone_tells_every_segment(store: Store) -> None:
    """What is needed to prove later that nothing was changed is in the commits themselves."""
    logs = [Log(source_id) for source_id in SOURCES]
    commit(store, logs[0].piece(3))
    commit(store, *(log.piece(4) for log in logs), logs[1].piece(2))
    told = []
    for entry in sorted((Path(store.location) / "access_event" / "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            info = json.loads(line).get("commitInfo", {})
            told += json.loads(info.get("segments", "[]"))
    order = (logs[0], logs[0], logs[1], logs[2], logs[1])
    counts = (3, 4, 4, 4, 2)
    expected, seen = [], dict.fromkeys(SOURCES, 0)
    for log, lines in zip(order, counts, strict=True):
        s = log.segments[seen[log.source_id]]
        seen[log.source_id] += 1
        expected.append(
            {"source_id": s.source_id, "start": s.start, "end": s.end, "sha256": s.sha256, "lines": lines}
        )
    assert told == expected


def test_several_pieces_of_a_source_follow_each_other(store: Store) -> None:
    log, other = Log(SOURCES[0]), Log(SOURCES[1])
    commit(store, log.piece(3), other.piece(2), log.piece(4))
    table = store.table("access_event")
    assert table is not None
    assert table.transaction_version(log.source_id) == len(log.content)
    found = known(store, table, log.source_id)
    assert found is not None
    assert (list(found.segments), found.line_number, found.formats) == (log.segments, 7, ("default",))


def test_pieces_of_a_source_that_overlap_are_refused(store: Store) -> None:
    log = Log(SOURCES[0])
    first = log.piece(3)
    again = Piece(first.segment, first.data, [])
    with pytest.raises(OffsetConflict) as refused:
        commit(store, first, again)
    assert refused.value.source_ids == (log.source_id,)
    assert stored_rows(Path(store.location)) == []


def test_rows_are_taken_one_table_after_the_other(store: Store) -> None:
    """So that a commit needs the memory of a block, and not of all its rows."""
    log = Log(SOURCES[0])
    pieces = [log.piece(1), log.piece(1)]
    alive: list[str] = []

    def rows(piece: Piece, name: str):  # type: ignore[no-untyped-def]
        alive.append(f"{name} begins")
        yield from piece.rows
        alive.append(f"{name} ends")

    commit(store, *(Piece(p.segment, p.data, rows(p, str(n))) for n, p in enumerate(pieces)))
    assert alive == ["0 begins", "0 ends", "1 begins", "1 ends"]


def test_stale_handle_is_refused_and_told_which_source_moved_on(store: Store) -> None:
    mine, theirs = Log(SOURCES[0]), Log(SOURCES[1])
    commit(store, mine.piece(3), theirs.piece(3))
    stale = store.table("access_event")
    assert stale is not None
    commit(store, theirs.piece(1))
    before = stored_rows(Path(store.location))
    data = b"other lines\n"
    segment = Segment.of(theirs.source_id, theirs.segments[0].end, data)
    late = Piece(segment, data, [rows_of(segment, data, 3)])
    with pytest.raises(OffsetConflict) as refused:
        append(store, stale, [mine.piece(2), late], uuid.uuid4().hex)
    assert refused.value.source_ids == (theirs.source_id,)
    assert stored_rows(Path(store.location)) == before


def test_wrong_offset_is_refused_and_no_row_is_written(store: Store) -> None:
    mine, theirs = Log(SOURCES[0]), Log(SOURCES[1])
    commit(store, mine.piece(3), theirs.piece(3))
    theirs.piece(1)  # never stored
    tables = Path(store.location, "access_event")
    files, before = sorted(tables.rglob("*")), stored_rows(Path(store.location))
    with pytest.raises(OffsetConflict) as refused:
        commit(store, mine.piece(1), theirs.piece(1))
    assert refused.value.source_ids == (theirs.source_id,)
    assert sorted(tables.rglob("*")) == files
    assert stored_rows(Path(store.location)) == before


def test_each_piece_is_asked_for_when_those_before_it_are_written(store: Store) -> None:
    log = Log(SOURCES[0])
    table = store.create_table("access_event", uuid.uuid4().hex)
    seen: list[str] = []

    def rows(piece: Piece, name: str):  # type: ignore[no-untyped-def]
        yield from piece.rows
        seen.append(f"rows of {name}")

    def pieces():  # type: ignore[no-untyped-def]
        for name in "abc":
            seen.append(name)
            piece = log.piece(2)
            yield Piece(piece.segment, piece.data, rows(piece, name))

    append(store, table, pieces(), uuid.uuid4().hex)
    assert seen == ["a", "rows of a", "b", "rows of b", "c", "rows of c"]
    assert len(stored_rows(Path(store.location))) == 6


def test_pieces_that_end_with_an_error_leave_no_row(store: Store) -> None:
    log = Log(SOURCES[0])
    table = store.create_table("access_event", uuid.uuid4().hex)

    def pieces():  # type: ignore[no-untyped-def]
        yield log.piece(2)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        append(store, table, pieces(), uuid.uuid4().hex)
    assert stored_rows(Path(store.location)) == []
    assert list((Path(store.location) / "access_event").glob("**/*.parquet*")) == []


def test_rows_that_break_off_leave_nothing(store: Store) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield from first.rows
        raise RuntimeError

    log = Log(SOURCES[0])
    first = log.piece(3)
    with pytest.raises(RuntimeError):
        commit(store, Piece(first.segment, first.data, broken()))
    assert stored_rows(Path(store.location)) == []
    assert list((Path(store.location) / "access_event").glob("**/*.parquet*")) == []


def test_known_says_nothing_of_a_source_that_was_never_stored(store: Store) -> None:
    commit(store, Log(SOURCES[1]).piece(3))
    table = open_store(store.location).table("access_event")
    assert table is not None
    assert known(store, table, SOURCES[0]) is None


def test_known_refuses_a_store_whose_rows_are_gone(store: Store) -> None:
    log = Log(SOURCES[0])
    commit(store, log.piece(3))
    commit(store, log.piece(3))
    table = store.table("access_event")
    assert table is not None
    max(Path(f) for f in store.files("access_event", table)).unlink()
    with pytest.raises(StoreError, match="damaged"):
        known(store, table, log.source_id)
