"""What is asked of Prefect's API for each table: endpoint, order, window.

Only what never changes can be paged by: ``id`` and ``created``. Where Prefect sorts by neither
(or by what only its database can compare), the set is read until nothing new comes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Record = dict[str, Any]
Key = str | datetime

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
"""Types of states in which a run stays until somebody runs it again."""
OPEN = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")


class Window(StrEnum):
    """How a later sync asks for less than everything."""

    NONE = "none"  # it does not: there are few of these
    RUNS = "runs"  # what ended since, and what has not ended
    CREATED = "created"  # what was created since
    OCCURRED = "occurred"  # what happened since


@dataclass(frozen=True, slots=True)
class Collection:
    """A table's endpoint. ``key`` is what the answers are sorted by, falling; None if by nothing stable."""

    table: str
    path: str
    sort: str | None = None
    key: Callable[[Record], Key] | None = None
    window: Window = Window.NONE
    count: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    of_pools: bool = False

    @property
    def filter_name(self) -> str:
        """Where the API looks for the filter of these objects."""
        return self.table + "s"


def instant(text: object) -> datetime:
    """Return a time of Prefect's; without an offset it is UTC. Raises ValueError."""
    told = datetime.fromisoformat(str(text))
    return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)


def _by_id(record: Record) -> Key:
    return str(record["id"])


def _by_created(record: Record) -> Key:
    return instant(record["created"])


def _flows_like(table: str) -> Collection:
    return Collection(table, f"/{table}s/filter", "CREATED_DESC", _by_created, count=f"/{table}s/count")


# Runs first: whatever a run names was there before it, and is read after it.
COLLECTIONS: Mapping[str, Collection] = {
    c.table: c
    for c in (
        Collection("flow_run", "/flow_runs/filter", "ID_DESC", _by_id, Window.RUNS, count="/flow_runs/count"),
        Collection("task_run", "/task_runs/filter", "ID_DESC", _by_id, Window.RUNS, count="/task_runs/count"),
        Collection("artifact", "/artifacts/filter", "CREATED_DESC", _by_created, Window.CREATED),
        _flows_like("deployment"),
        _flows_like("flow"),
        Collection("automation", "/automations/filter", "CREATED_DESC", _by_created),
        _flows_like("variable"),
        Collection("block_document", "/block_documents/filter", body={"include_secrets": False}),
        Collection("work_pool", "/work_pools/filter"),
        Collection("work_queue", "/work_queues/filter"),
        Collection("worker", "/work_pools/{pool}/workers/filter", of_pools=True),
        Collection("event", "/events/filter", window=Window.OCCURRED),
    )
}
