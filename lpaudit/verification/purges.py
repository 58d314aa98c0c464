"""Certificates of purges ↔ the leaves that they name, the holds that were in force, and the ledger.

Where a certificate that a trusted key has signed covers a leaf, its bytes and rows may be gone. Nowhere else.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pyarrow as pa

from lpaudit import pipeline
from lpaudit.errors import EvidenceError, LpauditError
from lpaudit.evidence import (
    CERTIFICATES,
    Certificate,
    HeldBy,
    PublicKey,
    PurgedLeaf,
    certificate_name,
    read_certificate,
)
from lpaudit.model import Segment
from lpaudit.store import Store, cannot_read
from lpaudit.verification.finding import Finding, What
from lpaudit.verification.tree import Told

_NAME = re.compile(r"([0-9a-f]{16})\.certificate")
_LEDGER = "retention"
_EVENTS = "select number, event, id, certificate_sha256 from retention order by number"
_STANDING = "purged_segment"


@dataclass(slots=True)
class Gone:
    """What valid certificates cover: segments by name, each with its leaf; and the purges' ids."""

    leaves: dict[str, PurgedLeaf] = field(default_factory=dict)
    purges: set[str] = field(default_factory=set)

    @property
    def lines(self) -> int:
        """Lines that may be gone."""
        return sum(leaf.lines for leaf in self.leaves.values())


def read_purges(target: Store, keys: Sequence[PublicKey], told: Told, gone: Gone) -> Iterator[Finding]:
    """Read all certificates into ``gone``; yield what is wrong with them."""
    events, problem = _events(target)
    yield from problem
    begun = {event["id"]: event for event in events if event["event"] == "purge"}
    done = {event["id"] for event in events if event["event"] == "purged"}
    for name in target.storage.names(CERTIFICATES):
        where, match = f"{CERTIFICATES}/{name}", _NAME.fullmatch(name)
        if match is None:
            if not name.endswith(".tmp"):
                yield Finding(What.ADDED, where, "it is no certificate")
            continue
        try:
            note = target.storage.read(where)
            certificate = read_certificate(note, keys)
        except EvidenceError as error:
            what = What.UNSIGNED if "no key is known" in error.message else What.CHANGED
            yield Finding(what, where, error.message)
            continue
        except OSError as error:
            yield Finding(What.UNREADABLE, where, str(error))
            continue
        if certificate.purge != match[1] or certificate.origin != told.origin:
            yield Finding(What.DIFFERENT, where, "it is of another purge, or of another tree")
            continue
        gone.purges.add(certificate.purge)
        yield from _leaves(certificate, where, told, gone)
        yield from _rule(certificate, where)
        yield from _decided(certificate, where, sha256(note).hexdigest(), events, begun)
    there = target.storage.names(CERTIFICATES)
    for purge_id in sorted(begun):
        name = f"{purge_id}.certificate"
        # One that has just begun may not have its own name yet.
        if name not in there and (purge_id in done or f"{name}.tmp" not in there):
            yield Finding(What.MISSING, certificate_name(purge_id), "the ledger says that it was signed")


def _events(target: Store) -> tuple[list[dict[str, Any]], list[Finding]]:
    try:
        return pipeline.select(target.location, _LEDGER, _EVENTS).to_pylist(), []
    except LpauditError as error:
        return [], [Finding(What.UNREADABLE, _LEDGER, error.message)]


def _leaves(certificate: Certificate, where: str, told: Told, gone: Gone) -> Iterator[Finding]:
    """Compare what it names with the tree. What is not in the tree as it says is not covered."""
    for leaf in certificate.leaves:
        name = Segment(leaf.source_id, leaf.start, leaf.end, leaf.sha256).name
        signed = told.numbered.get(leaf.leaf)
        if signed is None or (
            (leaf.table, leaf.source_id, leaf.start, leaf.end, leaf.lines, leaf.sha256)
            != (signed.table, signed.source_id, signed.start, signed.end, signed.lines, signed.sha256)
        ):
            yield Finding(What.DIFFERENT, where, f"leaf {leaf.leaf} of the tree is not {name}")
        elif name in gone.leaves:
            yield Finding(What.DIFFERENT, where, f"another certificate names {name}, too")
        else:
            gone.leaves[name] = leaf


def _rule(certificate: Certificate, where: str) -> Iterator[Finding]:
    """See that every line was old enough, and that no hold by time alone covered one."""
    by_time = [hold for hold in certificate.holds if not hold.identity and hold.flow_run_id is None]
    for leaf in certificate.leaves:
        if leaf.last >= certificate.cut:
            yield Finding(What.DIFFERENT, where, f"leaf {leaf.leaf} has lines that were too young")
        for hold in by_time:
            if _covers(hold, leaf):
                yield Finding(What.DIFFERENT, where, f"leaf {leaf.leaf} was held by {hold.hold}")


def _covers(hold: HeldBy, leaf: PurgedLeaf) -> bool:
    # Times are written so that they sort as texts do.
    return (hold.start is None or leaf.last >= hold.start) and (hold.end is None or leaf.first < hold.end)


def _decided(
    certificate: Certificate,
    where: str,
    known: str,
    events: Sequence[dict[str, Any]],
    begun: dict[str, dict[str, Any]],
) -> Iterator[Finding]:
    """Compare it with the ledger: that the purge began with it, and past exactly these holds."""
    row = begun.get(certificate.purge)
    if row is None:
        yield Finding(What.DIFFERENT, where, "the ledger knows of no such purge")
        return
    if row["certificate_sha256"] != known:
        yield Finding(What.DIFFERENT, where, "the ledger says that another one was signed")
    if row["number"] != certificate.decisions + 1:
        yield Finding(What.DIFFERENT, where, "something was decided between what it knows and the purge")
    before = [event for event in events if event["number"] <= certificate.decisions]
    held = {event["id"] for event in before if event["event"] == "hold"}
    held -= {event["id"] for event in before if event["event"] == "release"}
    if held != {hold.hold for hold in certificate.holds}:
        yield Finding(What.DIFFERENT, where, "other holds were in force than it says")


def read_standing(target: Store, gone: Gone) -> Iterator[Finding]:
    """Compare the rows that stand for purged lines with the certificates. Raises StoreError."""
    dataset = target.dataset(_STANDING, target.table(_STANDING))
    try:
        rows = dataset.to_table(columns=["segment", "purge_id"]).to_pylist() if dataset is not None else []
    except (OSError, pa.ArrowException) as error:
        raise cannot_read(target.location, error) from error
    for row in rows:
        if row["segment"] not in gone.leaves or row["purge_id"] not in gone.purges:
            yield Finding(
                What.ADDED, row["segment"], "purged_segment says that it was purged; no certificate does"
            )
    if len({row["segment"] for row in rows}) != len(rows):
        yield Finding(What.DIFFERENT, _STANDING, "it names a segment twice")
