"""Small real stores: log lines in lighttpd's default format → ingest → a connection."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from report.hostile import ESCAPED, FRAMEWORK, HOSTILE, USERS
from report.printed import document
from report.small import DAY, gap, line

from lpaudit import ingest, pipeline, report
from lpaudit.model import Gap, Observer, Section
from lpaudit.report.framework import parse_framework
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


def stored(folder, logs, runs=(), gaps=()):
    """Make a store of logs, ``{"name": [lines]}``, in folder/store. Names become files' names."""
    unique = map("{:032x}".format, itertools.count(1))
    for name, lines in logs.items():
        (folder / f"{name}.log").write_text("".join(f"{text}\n" for text in lines))
    files = [str(folder / f"{name}.log") for name in logs]
    options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
    result = ingest.ingest(
        str(folder / "store"),
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
        write_deltalake(folder / "store" / "flow_run", pa.Table.from_pylist(given, schema=columns))
    for number, facts in enumerate(gaps):
        append_gap(open_store(str(folder / "store")), Gap(**facts), f"{number:032x}")
    return str(folder / "store")


@pytest.fixture
def store_of(tmp_path):
    """Make a store of logs, ``store_of(log=[lines])``, and open it."""
    opened = []

    def make(runs=(), gaps=(), **logs):
        opened.append(pipeline.opened(stored(tmp_path, logs, runs, gaps)))
        return Asked(opened[-1].__enter__()[0])

    yield make
    for store in opened:
        store.__exit__(None, None, None)


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory):
    """A store full of hostile lines: read it, never write there."""
    lines = [line("09:00:00", "GET /"), *(line("10:00:00", f"DELETE /api/{text}", 403) for text in ESCAPED)]
    lines += [line(f"11:{n:02d}:00", "GET /api/x", 401, user=user) for n, user in enumerate(USERS)]
    folder = tmp_path_factory.mktemp("hostile")
    return stored(folder, {"access": lines}, gaps=[gap("10:00", "12:30", source=HOSTILE)])


@pytest.fixture(scope="session")
def printable(hostile_store):
    """What is printed of a hostile store, by a framework with controls."""
    with pipeline.opened(hostile_store) as (connection, _):
        return document(
            report.evaluate(
                parse_framework(FRAMEWORK, "frameworks/mine.toml"), DAY, connection.select, {"store": HOSTILE}
            )
        )


@pytest.fixture
def no_lines(store_of):
    """A store whose only line is outside of the period."""
    return store_of(access=[line("01/Jan/2026:00:00:00", "GET /api/health")])
