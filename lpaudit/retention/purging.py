"""A purge: lines that are too old go, and a signed certificate stays in their place.

The order, and what a crash leaves at each step:
1. everything is signed, so that each line's segment is a leaf of the tree
2. the certificate, under a name that nobody reads      → a file that the next purge removes
3. a row of the ledger says that the purge begins       → it has begun, and will be finished
   (refused if a hold was set since the plan was made)
4. the certificate under its own name
5. rows of `purged_segment`, which stand for the lines  → both are there, and count once
6. the lines' rows leave their tables
7. all of this is signed: the certificate is in the tree before anything is deleted
8. files that hold purged rows, and raw bytes, are deleted, also those that a crash has left
9. a row of the ledger says that it is done, and that is signed

Whoever purges next goes on where a crash has left it; every step that was made is not made again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from lpaudit import anchors, pipeline, signing, store
from lpaudit.canonical import stamp
from lpaudit.errors import EvidenceError, OffsetConflict, StoreError
from lpaudit.evidence import (
    CERTIFICATES,
    Certificate,
    HeldBy,
    PurgedLeaf,
    Signer,
    certificate_name,
    sign_certificate,
    unverified_certificate,
)
from lpaudit.model import Segment
from lpaudit.redaction import blank, disguises
from lpaudit.retention.classes import Class
from lpaudit.retention.holds import Hold, Said, in_force
from lpaudit.retention.ledger import Ledger, Row, decide, existing_ledger, new_id, open_ledger
from lpaudit.retention.plan import Old, Plan, plan
from lpaudit.schema import tables
from lpaudit.store import Removed, Store

_TABLE = "purged_segment"
_WAITING = ".tmp"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """What is too old: of these classes, every line before ``cut``; ``keep`` is how that was said."""

    keep: str
    cut: datetime
    classes: tuple[Class, ...]


@dataclass(frozen=True, slots=True)
class Means:
    """What a purge needs: who signs it, where checkpoints are copied to, the time, and names."""

    signer: Signer
    anchors: tuple[str, ...]
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    unique: Callable[[], str]


@dataclass(slots=True)
class Done:
    """What was done: the purge of the plan, if there was anything to purge, and those that were finished.

    ``failed`` are anchors that did not take a checkpoint, in words.
    """

    plan: Plan
    purge_id: str | None
    finished: list[str]
    removed: Removed
    failed: list[str]


def planned(root: str, rule: Rule) -> tuple[Plan, list[str]]:
    """Say what a purge would do, and which ones it would finish first; write nothing. Raises LpauditError."""
    ledger = existing_ledger(store.open_store(root))
    if ledger is None:
        return _plan(root, rule, []), []
    return _plan(root, rule, in_force(ledger)), [row["purge_id"] for row in ledger.unfinished()]


def _plan(root: str, rule: Rule, holds: Sequence[Hold]) -> Plan:
    with pipeline.opened(root) as (connection, _):
        return plan(rule.cut, rule.classes, holds, connection.select)


def purge(root: str, rule: Rule, said: Said, means: Means) -> Done:
    """Finish what was interrupted, and purge what the rule says. Raises LpauditError."""
    target = store.open_store(root)
    done = Done(Plan(rule.cut, (), (), ()), None, [], Removed(), [])
    for _ in range(_ATTEMPTS):
        ledger = open_ledger(target, means.unique)
        for row in ledger.unfinished():
            _finish(target, row, means, done)
            done.finished.append(row["purge_id"])
        _sweep(target, ledger)
        ledger = open_ledger(target, means.unique)
        holds = in_force(ledger)
        done.plan = _plan(root, rule, holds)
        if not done.plan.purge:
            return done
        _sign(target, means, done)
        try:
            begun = _begin(target, ledger, rule, done.plan, holds, said, means)
        except OffsetConflict:
            continue  # something was decided meanwhile: a hold, or another purge
        done.purge_id = begun["purge_id"]
        _finish(target, begun, means, done)
        return done
    raise StoreError(f"others decide about {root} all the time", hint="run the same command again")


def _begin(
    target: Store, ledger: Ledger, rule: Rule, found: Plan, holds: Sequence[Hold], said: Said, means: Means
) -> Row:
    """Write the certificate, and have the ledger say that the purge begins.

    Raises OffsetConflict if anything was decided since the ledger was opened, LpauditError.
    """
    purge_id, at = new_id(means.unique()), means.now()
    certificate = _certificate(target, ledger, rule, found, holds, said, purge_id, at)
    note = sign_certificate(certificate, means.signer).encode()
    waiting = certificate_name(purge_id) + _WAITING
    _write(target, waiting, note, means)
    row: Row = {
        "at": at,
        "event": "purge",
        "id": purge_id,
        "classes": ",".join(found.classes),
        "keep": rule.keep,
        "cut": rule.cut,
        "segments": len(certificate.leaves),
        "lines": certificate.lines,
        "bytes": certificate.bytes,
        "certificate_sha256": sha256(note).hexdigest(),
        **said.columns,
    }
    try:
        ledger.append(row, means.unique())
    except OffsetConflict:
        target.storage.remove(waiting)
        raise
    return row | {"purge_id": purge_id}


def _certificate(
    target: Store,
    ledger: Ledger,
    rule: Rule,
    found: Plan,
    holds: Sequence[Hold],
    said: Said,
    purge_id: str,
    at: datetime,
) -> Certificate:
    origin, numbers = signing.numbered(target)
    return Certificate(
        purge=purge_id,
        origin=origin,
        at=stamp(at),
        by=said.by,
        reason=said.reason,
        ticket=said.ticket,
        host=said.host,
        user=said.user,
        classes=found.classes,
        keep=rule.keep,
        cut=stamp(rule.cut),
        decisions=ledger.number,
        holds=tuple(map(_held, holds)),
        leaves=tuple(_leaf(target, old, numbers) for old in found.purge),
    )


def _held(hold: Hold) -> HeldBy:
    cover = hold.cover
    return HeldBy(
        hold.id,
        None if cover.start is None else stamp(cover.start),
        None if cover.end is None else stamp(cover.end),
        cover.identity is not None,
        cover.run,
        hold.ticket,
    )


def _leaf(target: Store, old: Old, numbers: Mapping[Segment, int]) -> PurgedLeaf:
    """Say what goes with a segment. Its bytes must be those that were signed: a purge hides no change."""
    segment, row = Segment.from_name(old.name), old.row
    if segment not in numbers:
        raise EvidenceError(f"{old.name} is in no checkpoint", hint="`lpaudit verify` says why")
    data = store.read_segment(target.storage, segment)
    places = disguises(data)
    return PurgedLeaf(
        leaf=numbers[segment],
        table=old.table,
        source_id=segment.source_id,
        start=segment.start,
        end=segment.end,
        lines=old.lines,
        sha256=segment.sha256,
        source=row["source"],
        host=row["host_name"],
        first=stamp(row["first_time"]),
        last=stamp(row["last_time"]),
        ingested=stamp(row["ingest_time"]),
        line_number=row["line_number"],
        log_format=row["log_format"],
        ends_a_line=data.endswith(b"\n"),
        redacted=tuple(places),
        redacted_sha256=sha256(blank(data, places)).hexdigest() if places else None,
    )


def _finish(target: Store, begun: Row, means: Means, done: Done) -> None:
    """Make every step of a purge that is not made yet. Raises LpauditError."""
    purge_id = begun["purge_id"]
    certificate = _publish(target, begun, means)
    store.append_records(target, _TABLE, purge_id, _rows(certificate), means.unique())
    by_table: dict[str, list[Segment]] = {}
    for leaf in certificate.leaves:
        segment = Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256)
        by_table.setdefault(leaf.table, []).append(segment)
    for table, segments in by_table.items():
        store.remove_rows(target, table, {s.name for s in segments}, purge_id, means.unique)
    _sign(target, means, done)
    for table, segments in by_table.items():
        gone = [*segments, *store.left_of(target, segments)]
        done.removed += store.remove_files(target, table, {s.name for s in gone})
        done.removed += store.remove_segments(target, gone, means.unique)
    told = {name: begun[name] for name in ("by", "classes", "keep", "cut", "segments", "lines", "bytes")}

    def decision(ledger: Ledger) -> Row | None:
        if purge_id not in [row["purge_id"] for row in ledger.unfinished()]:
            return None  # somebody else has finished it
        return told | {
            "at": means.now(),
            "event": "purged",
            "id": purge_id,
            "host": certificate.host,
            "user": certificate.user,
            "certificate_sha256": begun["certificate_sha256"],
        }

    decide(target, decision, means.unique)
    _sign(target, means, done)


def _publish(target: Store, begun: Row, means: Means) -> Certificate:
    """Give a certificate its own name, if it has not got it yet; return what it says."""
    name = certificate_name(begun["purge_id"])
    try:
        note, waits = _read(target, name)
    except OSError as error:
        raise store.cannot_read(target.location, error) from error
    if sha256(note).hexdigest() != begun["certificate_sha256"]:
        raise EvidenceError(
            f"the certificate {name} is not the one that the purge began with",
            hint="restore it from a copy of the store",
        )
    if waits:
        _write(target, name, note, means)
    target.storage.remove(name + _WAITING)
    # Its hash is what the ledger says; who has signed it, `verify` asks.
    return unverified_certificate(note)


def _read(target: Store, name: str) -> tuple[bytes, bool]:
    """Return a certificate, and whether it has not got its own name yet. Raises OSError."""
    for waits in (False, True):
        with suppress(FileNotFoundError):
            return target.storage.read(name + _WAITING * waits), waits
    return target.storage.read(name), False  # somebody else has given it its name at this moment


def _sweep(target: Store, ledger: Ledger) -> None:
    """Remove certificates of purges that never began."""
    known = {row["id"] for row in ledger.select("select distinct id from retention where event = 'purge'")}
    try:
        for name in target.storage.names(CERTIFICATES):
            if name.endswith(_WAITING) and name.partition(".")[0] not in known:
                target.storage.remove(f"{CERTIFICATES}/{name}")
    except OSError as error:
        raise store.cannot_write(target.location, error) from error


def _rows(certificate: Certificate) -> pa.Table:
    """Return the rows that stand for the lines."""
    return pa.Table.from_pylist(
        [
            {
                "purge_id": certificate.purge,
                "table_name": leaf.table,
                "leaf": leaf.leaf,
                "segment": Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256).name,
                "source": leaf.source,
                "source_id": leaf.source_id,
                "host_name": leaf.host,
                "start_offset": leaf.start,
                "end_offset": leaf.end,
                "lines": leaf.lines,
                "line_number": leaf.line_number,
                "log_format": leaf.log_format,
                "first_time": datetime.fromisoformat(leaf.first),
                "last_time": datetime.fromisoformat(leaf.last),
                "ingest_time": datetime.fromisoformat(leaf.ingested),
                "ends_a_line": leaf.ends_a_line,
                "redacted": json.dumps(leaf.redacted, separators=(",", ":")) if leaf.redacted else None,
                "redacted_sha256": leaf.redacted_sha256,
                "purged_at": datetime.fromisoformat(certificate.at),
            }
            for leaf in certificate.leaves
        ],
        schema=tables()[_TABLE].arrow,
    )


def _sign(target: Store, means: Means, done: Done) -> None:
    _, failed = anchors.sign(
        target, means.signer, means.anchors, now=means.now, unique=means.unique, environ=means.environ
    )
    done.failed = failed or done.failed


def _write(target: Store, name: str, data: bytes, means: Means) -> None:
    try:
        target.storage.write(name, partial(_put, data), means.unique())
    except OSError as error:
        raise store.cannot_write(target.location, error) from error


def _put(data: bytes, file: Path) -> None:
    file.write_bytes(data)
