"""What a commit says of its rows must hold for every reader: they skip files by it."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]
TIME = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)

FILTERS = {
    "status": pc.field("http_response_status_code").isin([401, 403]),
    "user": pc.field("user_name") == "alice",
    "end": pc.field("event_end") > TIME,
    "start": pc.field("event_start") > TIME,
    "no start": pc.field("event_start").is_null(),
    "offset": pc.field("byte_offset") > 1000,
    "source": pc.field("source").is_valid(),
}


@pytest.fixture
def store(tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit) -> Path:
    """Make a store of several commits, in formats with and without a begin time."""
    ran = lpaudit(
        "ingest",
        sample_logs / "default.log",
        sample_logs / "audit.log.gz",
        env={"LPAUDIT_SEGMENT_BYTES": "2000000"},
    )
    assert ran.returncode == 0, ran.stderr
    assert lpaudit("sync", "--from-dump", sample_logs / "prefect").returncode == 0
    return tmp_path / "lpaudit-store"


def test_other_readers_of_delta_tables_find_every_row(store: Path) -> None:
    table = DeltaTable(store / "access_event")
    dataset = table.to_pyarrow_dataset()
    everything = dataset.to_table()
    for name, condition in FILTERS.items():
        found = dataset.to_table(filter=condition).num_rows
        assert found == everything.filter(condition).num_rows > 0, name
    denied = pl.scan_delta(str(store / "access_event")).filter(pl.col("http_response_status_code") == 401)
    assert denied.collect().height == everything.filter(pc.field("http_response_status_code") == 401).num_rows
    runs = DeltaTable(store / "flow_run").to_pyarrow_dataset()
    completed = pc.field("state_type") == "COMPLETED"
    assert runs.to_table(filter=completed).num_rows == runs.to_table().filter(completed).num_rows > 0


@pytest.mark.parametrize("segment_bytes", ["2000000", "33554432"])
def test_bounds_are_those_of_the_rows(
    segment_bytes: str, tmp_path: Path, sample_logs: Path, lpaudit: Lpaudit
) -> None:
    """Also where a commit's rows come in several blocks, as those of the larger segments do."""
    log = sample_logs / "audit.log.gz"
    ran = lpaudit("ingest", "--store", "bounds", log, env={"LPAUDIT_SEGMENT_BYTES": segment_bytes})
    assert ran.returncode == 0, ran.stderr
    folder = tmp_path / "bounds" / "access_event"
    actions = DeltaTable(folder).get_add_actions(flatten=True)
    actions = {name: actions.column(name).to_pylist() for name in actions.schema.names}
    for index, path in enumerate(actions["path"]):
        rows = pl.read_parquet(folder / path)
        assert actions["num_records"][index] == rows.height
        for column in ("source_id", "byte_offset", "event_start", "event_end", "ingest_time"):
            assert actions[f"min.{column}"][index] == rows[column].min()
            assert actions[f"max.{column}"][index] == rows[column].max()
            assert actions[f"null_count.{column}"][index] == rows[column].null_count()


def test_table_is_append_only(store: Path) -> None:
    table = DeltaTable(store / "access_event")
    configuration = table.metadata().configuration
    assert configuration["delta.appendOnly"] == "true"
    assert configuration["delta.enableExpiredLogCleanup"] == "false"
    with pytest.raises(Exception, match="append"):
        table.delete("status = 1")
