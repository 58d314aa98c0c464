"""Small real stores: log lines in lighttpd's default format → ingest → a connection."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from report.small import DAY, line

from lpaudit import ingest, pipeline, report
from lpaudit.model import Gap, Observer, Section
from lpaudit.schema import tables
from lpaudit.store import append_gap, open_store

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Asked:
    """A store that is open for asking."""

    def __init__(self, connection):
        self.select = connection.select

    def evaluate(self, period=DAY):
        return report.evaluate(report.load_framework("access"), period, self.select, {"store": "/srv/store"})

    def rows(self, check_id, period=DAY):
        """The check's rows as dictionaries."""
        return self.result(check_id, period).rows.to_pylist()

    def result(self, check_id, period=DAY):
        """Ask one check as the framework does; those around it take their time."""
        only = replace(report.load_framework("access"), sections=(Section(check_id),))
        [result] = report.evaluate(only, period, self.select, {}).results
        return result


@pytest.fixture
def store_of(tmp_path):
    """Make a store of logs, ``store_of(log=[lines])``, and open it. Names become files' names."""
    opened = []

    def make(runs=(), gaps=(), **logs):
        unique = map("{:032x}".format, itertools.count(1))
        for name, lines in logs.items():
            (tmp_path / f"{name}.log").write_text("".join(f"{text}\n" for text in lines))
        files = [str(tmp_path / f"{name}.log") for name in logs]
        options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
        result = ingest.ingest(
            str(tmp_path / "store"),
            files,
            options,
            Observer(),
            now=lambda: NOW,
            unique=lambda: next(unique),
        )
        assert not result.errors
        if runs:
            columns = tables()["flow_run"].arrow
            given = [{"snapshot_id": "1", "fetched_at": NOW, "document": "{}", **run} for run in runs]
            write_deltalake(tmp_path / "store" / "flow_run", pa.Table.from_pylist(given, schema=columns))
        for number, gap in enumerate(gaps):
            append_gap(open_store(str(tmp_path / "store")), Gap(**gap), f"{number:032x}")
        opened.append(pipeline.opened(str(tmp_path / "store")))
        return Asked(opened[-1].__enter__()[0])

    yield make
    for store in opened:
        store.__exit__(None, None, None)


@pytest.fixture
def no_lines(store_of):
    """A store whose only line is outside of the period."""
    return store_of(access=[line("01/Jan/2026:00:00:00", "GET /api/health")])
