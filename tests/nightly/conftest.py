"""Small real stores, and nights over them: the real steps, with a clock and names of the test's own."""

import itertools
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from report.small import line

from lpaudit import ingest, nightly, pipeline
from lpaudit.model import Observer
from lpaudit.nightly import record

DAY = date(2026, 11, 23)
WHOLE = (line("22/Nov/2026:23:00:00", "GET /"), line("24/Nov/2026:01:00:00", "GET /"))


class Nights:
    """A store, and what is done to it night for night. ``time`` goes on by a second whenever it is asked for."""

    def __init__(self, folder):
        self.root = str(folder / "store")
        self.out = folder / "reports"
        self.time = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
        names = map("{:032x}".format, itertools.count(1))
        self.unique = lambda: next(names)
        self.folder = folder
        self.told = []

    def now(self):
        self.time += timedelta(seconds=1)
        return self.time

    def ingest(self, *lines, name="access"):
        with (self.folder / f"{name}.log").open("a") as log:
            log.writelines(f"{text}\n" for text in lines)
        options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
        given = (self.root, [str(self.folder / f"{name}.log")], options, Observer())
        assert not ingest.ingest(*given, now=self.now, unique=self.unique).errors

    def setup(self, **more):
        night = nightly.Night(
            root=self.root,
            out=self.out,
            now=self.now,
            unique=self.unique,
            environ={"XDG_STATE_HOME": str(self.folder / "state")},
            link="https://audit.example/{night}/{framework}.html#{row}",
            left_out=frozenset({"sync"}),
        )
        return replace(night, **more)

    def run(self, day=DAY, *, perform=nightly.plainly, host="gw1", user="lpaudit", **more):
        fresh = nightly.fresh(day, ("operation",), self.now(), run_id=self.unique(), host=host, user=user)
        self.told = []
        return nightly.begin_and_run(
            self.setup(**more), fresh, process=1, told=self.told.append, perform=perform
        )

    def mark(self, day, **facts):
        """Record a run for a day that has ended, without having it do anything."""
        fresh = nightly.fresh(
            day, ("operation",), self.now(), run_id=self.unique(), host="gw1", user="lpaudit"
        )
        run = replace(fresh, **{"ended_at": self.now(), "exit_status": 0, **facts})
        return record.recorded(self.root, run, self.now(), self.unique)

    def select(self, sql):
        """Ask all tables; those of the control alone are asked quickly."""
        table = next((t for t in ("control_run", "exception", "signoff", "alert") if t in sql), None)
        if table:
            return pipeline.select(self.root, table, sql).to_pylist()
        with pipeline.opened(self.root) as (connection, _):
            return connection.select(sql).to_pylist()


FEW = (
    "coverage-gaps",
    "denied-requests",
    "incomplete-period",
    "missed-nights",
    "open-exceptions",
    "review-sign-off",
)
"""Controls that nights in these tests ask: all of them take seconds, and are tried in tests/report."""


@pytest.fixture(autouse=True)
def few_controls(monkeypatch):
    """Ask few controls; commands, which are processes of their own, ask all."""
    monkeypatch.setattr(sys.modules["lpaudit.nightly.steps"], "controls", lambda _: list(FEW))


@pytest.fixture
def nights(tmp_path):
    """A store with a day that is wholly known, and a denied request in it."""
    made = Nights(tmp_path)
    tonight, made.time = made.time, made.time - timedelta(days=6)  # so late it is nowhere, but in the log
    made.ingest(WHOLE[0], line("10:00:00", "DELETE /api/flows/1", 403), WHOLE[1])
    made.time = tonight
    return made
