"""The register of exceptions: what nights saw of each, and what people decided about it.

What a night says of an exception follows from what is known of it:

| known of it            | in the night's answer             | not in it                        |
|------------------------|-----------------------------------|----------------------------------|
| nothing                | new                               |                                  |
| open or assigned       | seen                              | gone, if the night looked there  |
| closed, the same rows  | seen, and stays closed            |                                  |
| closed, other rows     | reopened                          |                                  |

A night looked there if its answer was complete, and the check asks about no period, or the night's
period holds the one in which the exception was last seen. Gone is not closed: somebody says why.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from lpaudit import pipeline, store
from lpaudit.canonical import canonical, digest
from lpaudit.errors import ConfigError, OffsetConflict
from lpaudit.model import Check, Outcome, Period, Result
from lpaudit.report import exception_ids, exceptions
from lpaudit.schema import tables

DISPOSITIONS = ("explained", "fixed", "accepted", "false-positive", "duplicate")
"""What may be found of an exception. The words are part of the store: they are only ever added to."""

_TABLE = "exception"
_ATTEMPTS = 5
_LONGEST = 500  # characters of a key's value that the register repeats
_LATEST = "select * from exception_latest where list_contains($ids, exception_id)"
_OF_CHECKS = "select * from exception_latest where list_contains($checks, check_id)"
_OF_RUN = """
select distinct exception_id, event from exception
where run_id = $run_id and event in ('new', 'reopened', 'seen', 'gone')
"""
_LISTED = """
select exception_id, check_id, severity, status, event, first_seen, last_seen, owner, ticket, due,
    disposition, comment, row_key
from exception_latest
where (not $open_only or status <> 'closed') and coalesce(check_id = $check, true)
order by list_position(['critical', 'high', 'medium', 'low'], severity), first_seen, check_id, exception_id
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sighting:
    """An exception in a check's answer: the rows that have its id."""

    exception_id: str
    check: Check
    row_key: str
    row_count: int
    rows_sha256: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a night added to the register: ids, the check's order, and how many it only saw again."""

    new: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    seen: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of an exception. None leaves what was said before."""

    by: str
    comment: str | None = None
    owner: str | None = None
    ticket: str | None = None
    due: str | None = None
    disposition: str | None = None


def sightings(results: Iterable[Result]) -> Iterator[Sighting]:
    """Yield the exceptions of controls' answers, each once."""
    for result in results:
        if result.outcome not in (Outcome.EXCEPTIONS, Outcome.INCOMPLETE):
            continue
        rows = exceptions(result)
        grouped: dict[str, list[Row]] = {}
        for exception_id, row in zip(exception_ids(result.check, rows), rows.to_pylist(), strict=True):
            grouped.setdefault(exception_id, []).append(row)
        for exception_id, mine in grouped.items():
            key = {name: _cut(mine[0][name]) for name in result.check.key}
            hashes = sorted(digest(row) for row in mine)
            yield Sighting(exception_id, result.check, canonical(key).decode(), len(mine), digest(hashes))


def record_night(
    root: str,
    results: Iterable[Result],
    period: Period,
    run_id: str,
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
) -> Recorded:
    """Record what a night's answers say of every exception; a second time for the same run adds nothing.

    Raises StoreError.
    """
    results = tuple(results)
    found = {sighting.exception_id: sighting for sighting in sightings(results)}
    whole = {r.check.id: r for r in results if r.outcome is Outcome.EXCEPTIONS}
    looked = partial(_looked_there, whole, period)
    checks = sorted({result.check.id for result in results})

    def events(latest: Mapping[str, Row]) -> Iterator[Row]:
        at = now()
        told = {"run_id": run_id, "at": at}
        place = {"period_start": period.start, "period_end": period.end, "last_seen": at}
        for exception_id, sighting in found.items():
            known = latest.get(exception_id)
            if known is None or known["run_id"] != run_id or known["rows_sha256"] != sighting.rows_sha256:
                yield _seen(known, sighting) | place | told
        for exception_id, known in latest.items():
            open_ = known["status"] != "closed" and known["event"] != "gone"
            if exception_id not in found and open_ and looked(known):
                yield known | {"event": "gone"} | told

    _append(root, partial(_select, root, _OF_CHECKS, {"checks": checks}), events, unique)
    return _recorded(root, run_id)


def say(
    root: str,
    exception_ids: Iterable[str],
    said: Said,
    *,
    now: Callable[[], datetime],
    unique: Callable[[], str],
) -> int:
    """Assign exceptions to somebody, or close them if there is a disposition; return how many.

    Raises ConfigError if one is not there, or is closed already, and then records nothing; StoreError.
    """
    ids = list(dict.fromkeys(exception_ids))

    def events(latest: Mapping[str, Row]) -> Iterator[Row]:
        at = now()
        for exception_id in ids:
            known = latest.get(exception_id)
            if known is None:
                raise ConfigError(
                    f"there is no exception {exception_id!r}", hint="`lpaudit exceptions list` has their ids"
                )
            if known["status"] == "closed":
                raise ConfigError(
                    f"the exception {exception_id} is closed: {known['disposition']}, by {known['by']}",
                    hint="it opens again by itself if a night sees it with other rows",
                )
            yield known | _decided(said) | {"at": at, "run_id": None}

    return _append(root, partial(_select, root, _LATEST, {"ids": ids}), events, unique)


def listed(root: str, *, open_only: bool, check: str | None) -> pa.Table:
    """Return exceptions for people, the worst and the oldest first. Raises StoreError."""
    return pipeline.select(root, _TABLE, _LISTED, {"open_only": open_only, "check": check})


def _decided(said: Said) -> Row:
    state = "assigned" if said.disposition is None else "closed"
    given = {
        "owner": said.owner,
        "ticket": said.ticket,
        "due": said.due,
        "disposition": said.disposition,
    }
    changed: Row = {name: value for name, value in given.items() if value is not None}
    return changed | {"event": state, "status": state, "by": said.by, "comment": said.comment}


def _seen(known: Row | None, sighting: Sighting) -> Row:
    """Return the event of an exception that a night saw, without what the night says of itself."""
    fresh: Row = {
        "exception_id": sighting.exception_id,
        "check_id": sighting.check.id,
        "check_sha256": sighting.check.sha256,
        "severity": sighting.check.severity,
        "row_key": sighting.row_key,
        "row_count": sighting.row_count,
        "rows_sha256": sighting.rows_sha256,
    }
    if known is None:
        return fresh | {"event": "new", "status": "open", "first_seen": None}
    if known["status"] == "closed" and known["rows_sha256"] != sighting.rows_sha256:
        # Who looked into it knows it; until when it must be done, and what came of it, is open again.
        again = {"event": "reopened", "status": "open", "due": None, "disposition": None}
        return known | fresh | again
    return known | fresh | {"event": "seen"}


def _looked_there(whole: Mapping[str, Result], period: Period, known: Row) -> bool:
    """Tell if a night would have seen an exception that is still there."""
    result = whole.get(known["check_id"])
    if result is None:
        return False
    if not {"start", "end"} & result.parameters.keys():
        return True
    return bool(period.start <= known["period_start"] and known["period_end"] <= period.end)


def _append(
    root: str,
    read: Callable[[], list[Row]],
    events: Callable[[Mapping[str, Row]], Iterator[Row]],
    unique: Callable[[], str],
) -> int:
    """Append the events that follow from what is known; again, if somebody else was faster."""
    target = store.open_store(root)
    table = target.create_table(_TABLE, unique())
    for attempt in range(_ATTEMPTS):
        latest = {row["exception_id"]: row for row in read()}
        rows = [
            event
            | {"first_seen": event["first_seen"] or event["at"]}
            | {"revision": latest.get(event["exception_id"], {}).get("revision", 0) + 1}
            for event in events(latest)
        ]
        try:
            if rows:
                fresh = pa.Table.from_pylist(rows, schema=tables()[_TABLE].arrow)
                store.append_next(target, table, _TABLE, fresh, unique())
        except OffsetConflict:
            if attempt == _ATTEMPTS - 1:
                raise
            target.refresh(table)
        else:
            return len(rows)
    raise AssertionError  # the last attempt returns or raises


def _select(root: str, sql: str, parameters: dict[str, object]) -> list[Row]:
    rows: list[Row] = pipeline.select(root, _TABLE, sql, parameters).to_pylist()
    return rows


def _recorded(root: str, run_id: str) -> Recorded:
    """Return what is recorded of a night, whichever of its attempts did so."""
    ids: dict[str, set[str]] = {}
    for row in _select(root, _OF_RUN, {"run_id": run_id}):
        ids.setdefault(row["event"], set()).add(row["exception_id"])
    new, reopened = ids.get("new", set()), ids.get("reopened", set())
    return Recorded(
        tuple(sorted(new)),
        tuple(sorted(reopened)),
        len(ids.get("seen", set()) - new - reopened),
        len(ids.get("gone", set())),
    )


def _cut(value: object) -> object:
    if not isinstance(value, str) or len(value) <= _LONGEST:
        return value
    return f"{value[:_LONGEST]}… ({len(value) - _LONGEST:,} more characters)"
