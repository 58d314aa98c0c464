"""Legal holds: lines that are kept whatever their age, by time, by identity, or by run.

A hold is a row of the ledger, and so is its release: neither is ever changed. It covers the lines to
which everything applies that it names, also lines that are still to come.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyarrow as pa

from lpaudit import pipeline, store
from lpaudit.errors import ConfigError
from lpaudit.retention.ledger import TABLE, Ledger, Row, decide, new_id

_LISTED = """
select * from legal_hold where $released or released_at is null order by "at", hold_id
"""
_ONE = "select * from legal_hold where hold_id = $id"


@dataclass(frozen=True, slots=True)
class Cover:
    """What a hold covers: ``start`` inclusive, ``end`` exclusive; None is any."""

    start: datetime | None = None
    end: datetime | None = None
    identity: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Who decides, why, and where that is tracked; and on which host, as which of the system's users."""

    by: str
    reason: str | None
    ticket: str | None
    host: str
    user: str

    @property
    def columns(self) -> Row:
        """The same as columns of the ledger."""
        return {
            "by": self.by,
            "reason": self.reason,
            "ticket": self.ticket,
            "host": self.host,
            "user": self.user,
        }


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that is in force."""

    id: str
    cover: Cover
    ticket: str | None


def add(
    root: str, cover: Cover, said: Said, *, now: Callable[[], datetime], unique: Callable[[], str]
) -> tuple[str, list[str]]:
    """Set a hold; return its id, and the purges that had begun before it, which it does not stop.

    Raises ConfigError for one that covers nothing, or everything for ever; StoreError.
    """
    if cover == Cover():
        raise ConfigError("a hold of what?", hint="give --from and --to, --identity or --run")
    if cover.start is not None and cover.end is not None and cover.end <= cover.start:
        raise ConfigError("the time of the hold is none", hint="--to comes after --from")
    if cover.identity is not None and not cover.identity.strip():
        raise ConfigError("the hold's identity has no name", hint="write it as the column user of access")
    hold_id = new_id(unique())
    under_way: list[str] = []

    def decision(ledger: Ledger) -> Row:
        under_way[:] = [row["purge_id"] for row in ledger.unfinished()]
        return {
            "at": now(),
            "event": "hold",
            "id": hold_id,
            "from": cover.start,
            "to": cover.end,
            "identity": cover.identity,
            "flow_run_id": None if cover.run is None else run_id(cover.run),
            **said.columns,
        }

    decide(store.open_store(root), decision, unique)
    return hold_id, under_way


def release(
    root: str, hold_id: str, said: Said, *, now: Callable[[], datetime], unique: Callable[[], str]
) -> None:
    """Release a hold. Raises ConfigError if there is none of that id, or it was released; StoreError."""

    def decision(ledger: Ledger) -> Row:
        found = ledger.select(_ONE, {"id": hold_id})
        if not found:
            raise ConfigError(f"there is no hold {hold_id!r}", hint="`lpaudit hold list` shows their ids")
        if found[0]["released_at"] is not None:
            raise ConfigError(
                f"the hold {hold_id} was released by {found[0]['released_by']}",
                hint="`lpaudit hold list --all` says when and why",
            )
        return {"at": now(), "event": "release", "id": hold_id, **said.columns}

    decide(store.open_store(root), decision, unique)


def listed(root: str, *, released: bool) -> pa.Table:
    """Return the holds that are in force, or all that there ever were. Raises StoreError."""
    return pipeline.select(root, TABLE, _LISTED, {"released": released})


def in_force(ledger: Ledger) -> list[Hold]:
    """Return the holds that nobody has released. Raises StoreError."""
    return [
        Hold(
            row["hold_id"],
            Cover(row["from"], row["to"], row["identity"], row["flow_run_id"]),
            row["ticket"],
        )
        for row in ledger.select(_LISTED, {"released": False})
    ]


def run_id(text: str) -> str:
    """Return a flow run's id as the store writes it. Raises ConfigError for what is none."""
    try:
        return str(UUID(text))
    except ValueError:
        raise ConfigError(
            f"--run {text!r} is no flow run's id", hint="write it as Prefect does: 34a1e685-aad5-47b0-…"
        ) from None
