"""What correlation takes in and gives back. Times are microseconds since the epoch, UTC."""

from dataclasses import dataclass
from enum import StrEnum

RULE_VERSION = 3
"""Raised whenever the same lines and records may give other links: all of them are then made anew."""

SECOND = 1_000_000
SET_STATE = "POST /flow_runs/{id}/set_state"


class Relation(StrEnum):
    """What a line has to do with a run. The words are part of the store."""

    TARGET = "target"
    ORIGIN = "origin"
    CREATED = "created"
    CLAIM = "claim"


class Method(StrEnum):
    """How that was found out, from sure to unsure. The words are part of the store."""

    PATH = "path"
    QUERY = "query"
    TASK_RUN = "task_run"
    CREATION_TIME = "creation_time"
    HEADER = "header"
    CONNECTION = "connection"
    DEPLOYMENT = "deployment"
    SEQUENCE = "sequence"
    WINDOW = "window"


class Confidence(StrEnum):
    """How sure it is; docs/correlation.md has the precision that was measured for each word."""

    EXACT = "exact"
    STRONG = "strong"
    LIKELY = "likely"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an access log, as far as it matters here.

    ``route`` is the method with the route's template. ``named`` are the ids in the path, canonical;
    ``asked`` those in the query. ``run``, ``deployment``, ``flow`` and ``worker`` (its name) are
    what the client claims in headers.
    """

    line_id: str
    host: str
    client: str | None
    port: int | None
    number: int | None
    user: str | None
    route: str | None
    status: int | None
    begin: int
    end: int
    named: tuple[str, ...]
    asked: tuple[str, ...]
    run: str | None
    deployment: str | None
    flow: str | None
    worker: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """A flow run as Prefect records it.

    ``process`` is the run whose process executes it: itself, or for a subflow the nearest run above
    it that a worker or a runner starts. ``root`` is the uppermost run. ``begin`` is when it was due
    or created, whichever came first; ``start`` and ``end`` are None before it started or ended.
    ``starts`` are all times at which it was set to Running, as far as is known: more than one of a run
    that was retried, perhaps elsewhere.
    """

    id: str
    process: str
    root: str
    deployment: str | None
    flow: str | None
    created: int | None
    begin: int
    start: int | None
    end: int | None
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A line and a run that it has to do with: what a row of ``flow_run_link`` says."""

    line_id: str
    begin: int
    relation: Relation
    flow_run_id: str
    root_flow_run_id: str
    task_run_id: str | None
    method: Method
    confidence: Confidence
    evidence: str
