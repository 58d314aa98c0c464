"""A stand-in for Prefect's API with a few records, and a sync from it whose pauses cost no time."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from lpaudit import pipeline, prefect, sync
from tests.prefect.fake import Api, serving

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    """Return a time so many minutes after NOW, as the stand-in compares them."""
    return (NOW + timedelta(minutes=minutes)).isoformat()


def run(number: int, state: str = "COMPLETED", end: float | None = -120, **more: object) -> dict:
    return {
        "id": str(uuid.UUID(int=number)),
        "created": at(-600 + number / 100),
        "name": f"run-{number}",
        "state_type": state,
        "end_time": None if end is None else at(end),
        **more,
    }


def event(number: int, minutes: float) -> dict:
    return {"id": str(uuid.UUID(int=number)), "event": "x", "occurred": at(minutes), "resource": {}}


@pytest.fixture
def api():
    made = Api()
    made.records["flow_runs"] = [run(n) for n in range(450)]
    made.records["deployments"] = [{"id": "d1", "name": "nightly", "created": at(-500)}]
    made.records["work_pools"] = [{"id": "p1", "name": "pool a", "created": at(-500)}]
    made.workers["pool%20a"] = [{"id": "w1", "name": "worker-1", "created": at(-400)}]
    made.events = [event(n, -n / 7) for n in range(1, 300)]
    with serving(made) as served:
        yield served


class Syncing:
    """Syncs from the stand-in; ``slept`` are the pauses, and ``minutes`` is what the clock has gone on since NOW.

    ``tables`` are those that are asked for: all, or the few that a test is about.
    """

    def __init__(self, root, api):
        self.root, self.api = str(root), api
        self.slept: list[float] = []
        self.minutes = 0.0
        self.tables = tuple(prefect.COLLECTIONS)
        self._names = itertools.count()

    def now(self):
        self.minutes += 1e-6
        return NOW + timedelta(minutes=self.minutes)

    def table_started(self, table):
        pass

    def records_read(self, table, records):
        pass

    def table_finished(self, table):
        pass

    def __call__(self, *, full=False, dump=None, url=None, **environ):
        settings = prefect.load(
            {"PREFECT_API_URL": self.api.url, "HOME": "/nonexistent", **environ}, _nowhere(self.root), url=url
        )
        asked_for = {name: prefect.COLLECTIONS[name] for name in self.tables}
        with (
            prefect.Client(settings, sleep=self.slept.append, now=self.now, name="test") as client,
            mock.patch.object(prefect, "COLLECTIONS", asked_for),
        ):
            return sync.from_api(
                self.root,
                client,
                full=full,
                dump=dump,
                now=self.now,
                unique=lambda: f"u{next(self._names)}",
                progress=self,
            )

    def sql(self, *queries, root=None):
        """The rows that a query gives; of several, those of each."""
        with pipeline.opened(str(root or self.root)) as (connection, _):
            found = [
                [tuple(row.values()) for row in connection.select(query).to_pylist()] for query in queries
            ]
        return found[0] if len(found) == 1 else found


def _nowhere(root):
    from pathlib import Path

    folder = Path(root).parent / "nowhere"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def syncing(tmp_path, api):
    return Syncing(tmp_path / "store", api)


@pytest.fixture
def runs(syncing):
    """Syncs of flow runs alone."""
    syncing.tables = ("flow_run",)
    return syncing


@pytest.fixture
def few(syncing):
    """Syncs of flow runs, deployments and events."""
    syncing.tables = ("flow_run", "deployment", "event")
    return syncing
