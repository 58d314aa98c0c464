"""What a run did so far → a row of `control_run`, each time that something is known."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pyarrow as pa

from lpaudit import __version__, pipeline, store
from lpaudit.errors import Busy, Exit
from lpaudit.model import Period
from lpaudit.schema import tables
from lpaudit.visible import instant, visible

_TABLE = "control_run"
_SILENT = timedelta(hours=6)
"""How long another host's run may record nothing and still be taken for one that works."""

_LAST = """
select * from control_run_latest where night = $night and frameworks = $frameworks
order by started_at desc, run_id limit 1
"""
_ELSEWHERE = """
select host, "user", night, recorded_at from control_run_latest
where ended_at is null and host <> $host and recorded_at > $since
order by recorded_at desc limit 1
"""
_BEFORE = """
select * from control_run_latest where ended_at is not null and run_id <> $run_id
order by ended_at desc, run_id limit 1
"""
_REVISIONS = "select * from control_run where run_id = $run_id order by revision desc"


class Outcome(StrEnum):
    """What became of a step. The words are part of the store: they are only ever added to."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """A step that it needs was not done."""
    LEFT_OUT = "left-out"
    """The operator said so."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken: what became of it, in words, and with figures of its own."""

    step: str
    outcome: Outcome
    started_at: str
    ended_at: str
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as far as it has come. ``night`` is the day that it is about, YYYY-MM-DD."""

    run_id: str
    night: str
    period: Period
    started_at: datetime
    frameworks: tuple[str, ...]
    host: str
    user: str
    flow_run_id: str | None = None
    revision: int = 0
    steps: tuple[Taken, ...] = ()
    table_versions: Mapping[str, int] = field(default_factory=dict)
    report_hashes: Mapping[str, str] = field(default_factory=dict)
    ended_at: datetime | None = None
    exit_status: int | None = None

    @property
    def failed(self) -> tuple[Taken, ...]:
        """Steps that failed, and those that could therefore not be taken."""
        return tuple(t for t in self.steps if t.outcome in (Outcome.FAILED, Outcome.SKIPPED))

    def facts(self, step: str) -> Mapping[str, Any]:
        """Return what a step found, in figures; nothing if it was not taken."""
        return next((t.facts for t in self.steps if t.step == step), {})

    @property
    def status(self) -> Exit:
        """3 if a step failed, 1 if there is something new or something is not known, else 0."""
        if self.failed:
            return Exit.FAILED
        found = self.facts("checks")
        return Exit.NO if found.get("new") or found.get("reopened") or found.get("incomplete") else Exit.OK


def resumed_or_new(root: str, fresh: Run, left_out: frozenset[str], now: datetime) -> Run:
    """Return the run to go on with: one of the same night that has not come to its end, or the fresh one.

    What is gone on with keeps its steps up to the first that is still to be taken: the ones after that are
    taken again, as they may rest on it. ``left_out`` are those that are not wanted.
    Raises Busy if another host seems to be at it, StoreError.
    """
    asked = {"night": fresh.night, "frameworks": _json(list(fresh.frameworks))}
    elsewhere = _select(root, _ELSEWHERE, {"host": fresh.host, "since": now - _SILENT})
    last = _select(root, _LAST, asked)
    if elsewhere:
        other = elsewhere[0]
        who = f"{other['user']} on {other['host']} (night {other['night']})"
        raise Busy(
            f"another `lpaudit nightly` is at work on this store: {visible(who)}; "
            f"it last recorded something at {instant(other['recorded_at'])}",
            hint=f"if that host is gone, try again {_SILENT // timedelta(hours=1)} hours after that",
        )
    if not last or last[0]["exit_status"] in (Exit.OK, Exit.NO):
        return fresh
    begun = _run(last[0])
    done: list[Taken] = []
    for taken in begun.steps:
        wanted = Outcome.LEFT_OUT if taken.step in left_out else Outcome.DONE
        if taken.outcome is not wanted:
            break
        done.append(taken)
    return replace(
        begun,
        host=fresh.host,
        user=fresh.user,
        flow_run_id=fresh.flow_run_id,
        steps=tuple(done),
        ended_at=None,
        exit_status=None,
    )


def before(root: str, run: Run) -> Run | None:
    """Return the run that ended last before this one; None if there is none. Raises StoreError."""
    found = _select(root, _BEFORE, {"run_id": run.run_id})
    return _run(found[0]) if found else None


def last_with(root: str, run: Run, step: str, fact: str) -> Run | None:
    """Return a run as it was when a step of it last had a fact; None if none ever did. Raises StoreError."""
    found = map(_run, _select(root, _REVISIONS, {"run_id": run.run_id}))
    return next((one for one in found if fact in one.facts(step)), None)


def known(root: str, run_id: str) -> Run:
    """Return a run that is recorded. Raises StoreError."""
    sql = "select * from control_run_latest where run_id = $run_id"
    [row] = _select(root, sql, {"run_id": run_id})
    return _run(row)


def recorded(root: str, run: Run, now: datetime, unique: Callable[[], str]) -> Run:
    """Record how far a run has come; return it with its new revision. Raises StoreError."""
    target = store.open_store(root)
    table = target.create_table(_TABLE, unique())
    run = replace(run, revision=run.revision + 1)
    rows = pa.Table.from_pylist([_row(run, now)], schema=tables()[_TABLE].arrow)
    store.append_next(target, table, f"{_TABLE}:{run.run_id}", rows, unique())
    return run


def as_ended(run: Run, now: datetime) -> pa.Table:
    """Return the row of a run that ends now, with what is known of it so far."""
    ended = replace(run, revision=run.revision + 1, ended_at=now, exit_status=int(run.status))
    return pa.Table.from_pylist([_row(ended, now)], schema=tables()[_TABLE].arrow)


def _select(root: str, sql: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pipeline.select(root, _TABLE, sql, dict(parameters)).to_pylist()
    return rows


def _row(run: Run, now: datetime) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "revision": run.revision,
        "night": run.night,
        "period_start": run.period.start,
        "period_end": run.period.end,
        "started_at": run.started_at,
        "recorded_at": now,
        "ended_at": run.ended_at,
        "exit_status": run.exit_status,
        "steps": _json([_taken(taken) for taken in run.steps]),
        "frameworks": _json(list(run.frameworks)),
        "table_versions": [(name, str(version)) for name, version in sorted(run.table_versions.items())],
        "report_hashes": sorted(run.report_hashes.items()),
        "host": run.host,
        "user": run.user,
        "flow_run_id": run.flow_run_id,
        "lpaudit_version": __version__,
        "error": "\n".join(f"{taken.step}: {taken.detail}" for taken in run.failed) or None,
    }


def _taken(taken: Taken) -> dict[str, object]:
    told: dict[str, object] = {
        "step": taken.step,
        "outcome": taken.outcome,
        "started_at": taken.started_at,
        "ended_at": taken.ended_at,
        "detail": taken.detail,
    }
    return told | dict(taken.facts)


def _run(row: Mapping[str, Any]) -> Run:
    return Run(
        run_id=row["run_id"],
        night=row["night"],
        period=Period(row["period_start"], row["period_end"]),
        started_at=row["started_at"],
        frameworks=tuple(json.loads(row["frameworks"])),
        host=row["host"],
        user=row["user"],
        flow_run_id=row["flow_run_id"],
        revision=row["revision"],
        steps=tuple(_read(told) for told in json.loads(row["steps"])),
        table_versions={name: int(version) for name, version in row["table_versions"]},
        report_hashes=dict(row["report_hashes"]),
        ended_at=row["ended_at"],
        exit_status=row["exit_status"],
    )


def _read(told: dict[str, Any]) -> Taken:
    own = {key: told[key] for key in ("step", "started_at", "ended_at", "detail")}
    facts = {key: value for key, value in told.items() if key not in own and key != "outcome"}
    return Taken(outcome=Outcome(told["outcome"]), facts=facts, **own)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
