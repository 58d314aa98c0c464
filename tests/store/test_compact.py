"""Few files of many: every row stays what it was, whoever writes, compacts or is killed meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lpaudit import pipeline, summary
from lpaudit import store as room
from lpaudit.errors import StoreError
from lpaudit.store import Compacted, Store, append, compact, create_store, known, remove_replaced
from tests.pieces import NOW, SOURCES, Log, commit
from tests.stores import stored_bytes

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]
module = sys.modules["lpaudit.store.compact"]


def unique() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(str(tmp_path / "store"))


@pytest.fixture
def logs() -> list[Log]:
    return [Log(source_id) for source_id in SOURCES]


def fill(store: Store, logs: list[Log], commits: int) -> None:
    for number in range(commits):
        commit(store, *(log.piece(3 + number % 5) for log in logs))


def table_of(store: Store, name: str = "access_event") -> DeltaTable:
    return DeltaTable(Path(store.location) / name)


def contents(store: Store) -> pa.Table:
    """Return every row with every column, in an order that does not depend on files."""
    table = store.table("access_event")
    files = store.files("access_event", table)
    rows = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    return rows.sort_by("line_id").combine_chunks()


def test_rows_schema_and_metadata_stay_as_they_were(store: Store, logs: list[Log]) -> None:
    fill(store, logs, 20)
    before = contents(store)
    assert before.column("reject_reason").null_count not in {0, before.num_rows}
    assert compact(store, "access_event", unique) == Compacted(20, 1)
    after = contents(store)
    assert after.equals(before)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert len(store.files("access_event", store.table("access_event"))) == 1


def test_map_column_stays_as_it_was(store: Store, lpaudit: Lpaudit) -> None:
    """With maps of one, two and no keys, NULL, and lines that cannot be read."""
    lines = [
        b'192.0.2.1 gw - [23/Nov/2026:10:15:45 +0000] "GET /%d HTTP/1.1" 200 7 "%s" "%s"\n' % (n, one, two)
        for n in range(100)
        for one, two in ((b"a\\x41", b"-"), (b"-", b"-"), (b"one", b"two"))
    ]
    log = Path(store.location).parent / "access.log"
    log.write_bytes(b"broken\n".join(lines))
    told = '%h %V %u %t "%r" %>s %b "%{X-One}i" "%{X-Two}i"'
    env = {"LPAUDIT_SEGMENT_BYTES": "250"}
    ran = lpaudit("ingest", "--store", store.location, "--log-format", told, log, env=env)
    assert ran.returncode == 0, ran.stderr
    before = contents(store)
    (name,) = (f.name for f in before.schema if pa.types.is_map(f.type))
    assert {len(entry or ()) for entry in before.column(name).to_pylist()} == {0, 1, 2}
    assert 0 < before.column(name).null_count < before.num_rows
    assert compact(store, "access_event", unique).files >= 8
    assert contents(store).equals(before)


def test_what_rises_is_no_dictionary_before_or_after(store: Store, logs: list[Log]) -> None:
    """It would have each value in it: most of a file's room, and of the time to read it."""
    fill(store, logs, 10)
    rising = {"line_id", "byte_offset", "line_number", "event_start", "event_end"}
    for _ in range(2):
        for file in store.files("access_event", store.table("access_event")):
            group = pq.ParquetFile(file).metadata.row_group(0)
            columns = [group.column(number) for number in range(group.num_columns)]
            coded = {column.path_in_schema for column in columns if "RLE_DICTIONARY" in column.encodings}
            assert not coded & rising
            assert {"user_name", "http_response_status_code", "segment", "ingest_time"} <= coded
        compact(store, "access_event", unique)


def test_bounds_are_those_of_the_rows(store: Store, logs: list[Log]) -> None:
    fill(store, logs, 10)
    compact(store, "access_event", unique)
    actions = table_of(store).get_add_actions(flatten=True)
    (file,) = store.files("access_event", store.table("access_event"))
    rows = pl.read_parquet(file)
    assert actions.column("num_records")[0].as_py() == rows.height
    for column in ("source_id", "byte_offset", "event_start", "event_end", "ingest_time"):
        assert actions.column(f"min.{column}")[0].as_py() == rows[column].min()
        assert actions.column(f"max.{column}")[0].as_py() == rows[column].max()
        assert actions.column(f"null_count.{column}")[0].as_py() == rows[column].null_count()
    assert table_of(store).to_pyarrow_dataset().to_table().num_rows == rows.height


def test_offsets_and_known_stay_as_they_were(store: Store, logs: list[Log]) -> None:
    fill(store, logs, 12)
    before = [known(store, table_of(store), log.source_id) for log in logs]
    compact(store, "access_event", unique)
    table = table_of(store)
    assert [known(store, table, log.source_id) for log in logs] == before
    fill(store, logs, 1)
    assert stored_bytes(Path(store.location)) == {
        f"/logs/{log.source_id[0]}.log": log.content for log in logs
    }


def test_commit_is_no_change_of_data_and_says_what_it_was(store: Store, logs: list[Log]) -> None:
    """Whoever streams the table's changes sees none."""
    fill(store, logs, 9)
    compact(store, "access_event", unique)
    log = Path(store.location) / "access_event" / "_delta_log"
    last = [json.loads(line) for line in max(log.glob("*.json")).read_text().splitlines()]
    assert next(e["commitInfo"]["compacted"] for e in last if "commitInfo" in e) == "9"
    changes = [e[kind]["dataChange"] for e in last for kind in ("add", "remove") if kind in e]
    assert changes == [False] * 10


def test_few_files_are_left_alone(store: Store, logs: list[Log]) -> None:
    assert compact(store, "access_event", unique) == Compacted()
    fill(store, logs, module.LEAST - 1)
    version = table_of(store).version()
    assert compact(store, "access_event", unique) == Compacted()
    assert table_of(store).version() == version


def test_no_row_is_copied_again_and_again(store: Store, logs: list[Log]) -> None:
    """Compacting often must not cost more than the number of tiers."""
    copied = 0
    for _ in range(12):
        fill(store, logs[:1], 8)
        before = dict(_rows_of_files(store))
        compact(store, "access_event", unique)
        copied += sum(rows for path, rows in _rows_of_files(store) if path not in before)
    total = sum(rows for _, rows in _rows_of_files(store))
    assert total == logs[0].lines
    assert copied / total <= 4  # 3 to 7 rows a commit, about 1,000 in all: tiers 1 to 3
    assert len(list(_rows_of_files(store))) < 4 * 8


def _rows_of_files(store: Store) -> Iterator[tuple[str, int]]:
    actions = table_of(store).get_add_actions(flatten=True)
    yield from zip(actions.column("path").to_pylist(), actions.column("num_records").to_pylist(), strict=True)


def test_large_files_are_left_alone(store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, logs, 10)
    monkeypatch.setattr(module, "TARGET", 10_000)
    assert compact(store, "access_event", unique) == Compacted()


def test_files_of_an_older_schema_are_merged_with_each_other_alone(store: Store, logs: list[Log]) -> None:
    """A file says what its columns meant when it was written."""
    fill(store, logs, 16)
    table = store.table("access_event")
    for file in store.files("access_event", table)[:8]:
        rows = pq.read_table(file, partitioning=None)
        metadata = {**rows.schema.metadata, b"lpaudit.schema_version": b"0"}
        pq.write_table(rows.replace_schema_metadata(metadata), file, compression="zstd")
    assert compact(store, "access_event", unique) == Compacted(16, 2)
    files = store.files("access_event", store.table("access_event"))
    assert {pq.read_schema(f).metadata[b"lpaudit.schema_version"] for f in files} == {b"0", b"1"}


def test_file_that_lost_rows_is_not_merged(store: Store, logs: list[Log]) -> None:
    fill(store, logs, 8)
    file = store.files("access_event", store.table("access_event"))[0]
    pq.write_table(pq.read_table(file, partitioning=None).slice(1), file)
    version = table_of(store).version()
    with pytest.raises(StoreError, match="damaged"):
        compact(store, "access_event", unique)
    assert table_of(store).version() == version
    Path(file).write_bytes(b"not Parquet")
    with pytest.raises(StoreError, match="damaged"):
        compact(store, "access_event", unique)


def test_append_with_a_handle_from_before_is_accepted(store: Store, logs: list[Log]) -> None:
    fill(store, logs, 9)
    stale = store.table("access_event")
    assert stale is not None
    compact(store, "access_event", unique)
    append(store, stale, [log.piece(4) for log in logs], unique())
    assert contents(store).num_rows == sum(log.lines for log in logs)


def test_slower_of_two_compactions_gives_way(
    store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    """delta-rs would accept a second removal of the same files, and rows would be there twice."""
    fill(store, logs, 10)
    before = contents(store)
    real = module._replace
    outcomes: list[Compacted] = []

    def slow(*arguments):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(module, "_replace", real)
        outcomes.append(compact(store, "access_event", unique))
        commit(store, logs[0].piece(1))
        return real(*arguments)

    monkeypatch.setattr(module, "_replace", slow)
    assert compact(store, "access_event", unique) == Compacted(busy=True)
    assert outcomes == [Compacted(10, 1)]
    assert contents(store).num_rows == before.num_rows + 1
    assert len(list((Path(store.location) / "access_event").glob("part-compacted-*"))) == 1


def test_files_that_vanish_while_they_are_merged_are_somebody_elses(
    store: Store, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, logs, 10)
    before = contents(store)
    real = module._copy

    def slow(*arguments):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(module, "_copy", real)
        compact(store, "access_event", unique)
        remove_replaced(store, "access_event", 0)
        return real(*arguments)

    monkeypatch.setattr(module, "_copy", slow)
    assert compact(store, "access_event", unique) == Compacted(busy=True)
    assert contents(store).equals(before)


def test_replaced_files_stay_for_those_who_read(store: Store, logs: list[Log]) -> None:
    fill(store, logs, 10)
    reader = DeltaTable(Path(store.location) / "access_event")
    before = contents(store)
    compact(store, "access_event", unique)
    assert remove_replaced(store, "access_event", 1) == 0
    assert reader.to_pyarrow_table().num_rows == before.num_rows
    orphan = Path(store.location) / "access_event" / "part-of-a-commit-to-come.parquet"
    orphan.write_bytes(b"")
    assert remove_replaced(store, "access_event", 0) == 10
    assert remove_replaced(store, "access_event", 0) == 0
    assert orphan.exists()
    assert contents(store).equals(before)


def test_what_a_crash_has_left_goes_after_a_week(store: Store, logs: list[Log]) -> None:
    """And neither what may still be committed, nor what was replaced a moment ago, however old it is."""
    fill(store, logs, 10)
    compact(store, "access_event", unique)
    folder = Path(store.location)
    source = next((folder / "segments").iterdir())
    left = [
        folder / "access_event" / "part-1.parquet",
        *(f / ".part-1.x.1.tmp" for f in (source, folder / "retention")),
    ]
    (folder / "retention").mkdir()
    for path in left:
        path.write_bytes(b"")
    before = set(folder.rglob("*"))
    pipeline.compact(str(folder), keep_replaced=24, unique=unique)
    assert set(folder.rglob("*")) == before
    long_ago = time.time() - 8 * 24 * 3600
    for path in folder.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert pipeline.compact(str(folder), keep_replaced=24, unique=unique).removed == 3
    assert before - set(folder.rglob("*")) == set(left)


def test_tables_of_records_are_compacted_too(store: Store) -> None:
    rows = pa.Table.from_pylist(
        [
            {
                "log_format": "x",
                "format_string": "%h",
                "escaping": "default",
                "timezone": "UTC",
                "first_used": NOW,
            }
        ],
        schema=room.tables.tables()["log_format"].arrow,
    )
    for number in range(9):
        room.append_records(store, "log_format", f"format-{number}", rows, unique())
    assert compact(store, "log_format", unique) == Compacted(9, 1)
    dataset = table_of(store, "log_format").to_pyarrow_dataset()
    assert dataset.to_table(filter=pc.field("escaping") == "default").num_rows == 9
    assert not room.append_records(store, "log_format", "format-3", rows, unique())


def test_command_says_what_it_did(store: Store, logs: list[Log], lpaudit: Lpaudit) -> None:
    fill(store, logs, 10)
    first = lpaudit("compact", "--store", store.location)
    assert (first.returncode, first.stdout) == (0, "compacted 10 files into 1 in access_event\n")
    again = lpaudit("compact", "--store", store.location)
    assert (again.returncode, again.stdout) == (0, "nothing to compact\n")
    removed = lpaudit("compact", "--store", store.location, "--keep-replaced", "0")
    assert (removed.returncode, removed.stdout) == (
        0,
        "removed 10 files that had been replaced, or left by a crash\n",
    )
    fill(store, logs, 10)
    quiet = lpaudit("compact", "--store", store.location, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    missing = lpaudit("compact", "--store", Path(store.location) / "nowhere")
    assert missing.returncode == 3


def test_command_says_that_somebody_else_is_compacting(capsys: pytest.CaptureFixture[str]) -> None:
    tables = {"access_event": Compacted(24, 3, busy=True), "flow_run": Compacted()}
    summary.print_compact(pipeline.CompactResult(tables, room.Packed(), {}, 0))
    assert capsys.readouterr().out == (
        "compacted 24 files into 3 in access_event\nsomebody else is compacting access_event\n"
    )


WRITER = """
import sys, uuid
from lpaudit.store import append, create_store
from tests.pieces import Log
store = create_store(sys.argv[1])
log = Log(sys.argv[2] * 16)
for number in range(int(sys.argv[3])):
    append(store, store.create_table("access_event", uuid.uuid4().hex), [log.piece(4)], uuid.uuid4().hex)
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(store: Store, logs: list[Log]) -> None:
    """The rows are those of an undisturbed store, and the segments join to the logs."""
    undisturbed = create_store(store.location + "-undisturbed")
    for log in logs:
        log.content, log.lines, log.segments = bytearray(), 0, []
    table = store.table("access_event")
    assert table is not None
    for log in logs:
        while len(log.content) < (table.transaction_version(log.source_id) or 0):
            commit(undisturbed, log.piece(4))
        assert log.content
    assert contents(store).equals(contents(undisturbed))
    for log in logs:
        found = known(store, table, log.source_id)
        assert found is not None
        assert b"".join(room.read_segment(store.storage, s) for s in found.segments) == log.content


@pytest.mark.timeout(600)
def test_writers_and_compactions_do_not_disturb_each_other(store: Store, logs: list[Log]) -> None:
    writers = [start("-c", WRITER, Path(store.location), name, 30) for name in "abc"]
    compactions = 0
    while any(writer.poll() is None for writer in writers):
        two = [start("-m", "lpaudit", "compact", "--store", store.location) for _ in "12"]
        for one in two:
            printed, errors = one.communicate(timeout=120)
            assert one.returncode == 0, errors
            compactions += "compacted" in printed
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    assert compactions >= 2
    assert remove_replaced(store, "access_event", 0) > 0
    check(store, logs)
    assert [log.lines for log in logs] == [120] * 3


@pytest.mark.timeout(600)
def test_rows_are_the_same_after_kills_at_any_moment(store: Store, logs: list[Log]) -> None:
    rng = random.Random(20261123)
    code = """
import sys, uuid
import lpaudit.store.packing as packing
from lpaudit import pipeline
packing.LEAST = 8
print("ready", flush=True)
while True:
    pipeline.compact(sys.argv[1], keep_replaced=0, unique=lambda: uuid.uuid4().hex)
"""
    killed = 0
    for _ in range(4):
        for log in logs[:2]:
            for _ in range(8):
                commit(store, log.piece(4))
        process = start("-c", code, Path(store.location))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.communicate()
        killed += 1
    assert killed == 4
    check(store, logs[:2])
