"""A reviewer's decision about a report: checked, signed, and appended."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from lpaudit import __version__, keys, pipeline, report, store
from lpaudit.errors import ConfigError, SourceError
from lpaudit.model import Period
from lpaudit.reason import reason_of
from lpaudit.schema import tables

DECISIONS = ("accepted", "accepted-with-exceptions", "rejected")
"""The words are part of the store: they are only ever added to."""

_TABLE = "signoff"
_MADE_BY = """
select run_id, "user", period_start, period_end from control_run_latest
where list_contains(map_values(report_hashes), $sha256)
order by started_at desc, run_id limit 1
"""
_LOGINS = """
select distinct login, identity from identity_login where asked_from <= $now and $now < asked_to
"""
_OF_REPORT = "select * from signoff where report_sha256 = $sha256 order by signed_at, signoff_id"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a reviewer says; ``prepared_by`` and ``period`` only where the store does not know them."""

    reviewer: str
    decision: str
    comment: str
    prepared_by: str | None = None
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A sign-off that is stored, and what is wrong with it."""

    row: Row
    problems: tuple[str, ...]


def sign_off(
    root: str,
    file: Path,
    said: Said,
    key_file: Path,
    *,
    host: str,
    user: str,
    now: datetime,
    unique: Callable[[], str],
) -> Row:
    """Append a signed decision about a report's bytes, and return its row.

    Raises ConfigError for what may not be signed (by its preparer, with somebody else's key, no report),
    StoreError, SourceError if the report cannot be read.
    """
    target = store.open_store(root)
    private = keys.load(key_file)
    key = keys.key_of(target, private)
    if key.name != said.reviewer:
        raise ConfigError(
            f"the key {key.key_id} is {key.name}'s, and not {said.reviewer}'s",
            hint="sign with a key of your own: `lpaudit keys init --as NAME`",
        )
    data = _bytes(file)
    made = _made_by(root, data)
    if made is None and not report.is_report(data):
        raise ConfigError(
            f"{file} is no report of lpaudit",
            hint="name a file that `lpaudit report`, `binder` or `nightly` wrote, as it was written",
        )
    preparer, known_from = _preparer(file, said, made)
    _refuse_own(root, said, preparer, known_from, now)
    period = Period(made["period_start"], made["period_end"]) if made else said.period
    row: Row = {
        "signoff_id": unique(),
        "signed_at": now,
        "report": file.name,
        "report_sha256": sha256(data).hexdigest(),
        "report_bytes": len(data),
        "run_id": made["run_id"] if made else None,
        "period_start": period.start if period else None,
        "period_end": period.end if period else None,
        "preparer": preparer,
        "preparer_from": known_from,
        "reviewer": said.reviewer,
        "decision": said.decision,
        "comment": said.comment,
        "host": host,
        "user": user,
        "lpaudit_version": __version__,
        "key_id": key.key_id,
    }
    row["signature"] = keys.sign(private, row)
    rows = pa.Table.from_pylist([row], schema=tables()[_TABLE].arrow)
    store.append_records(target, _TABLE, row["signoff_id"], rows, unique())
    return row


def _refuse_own(root: str, said: Said, preparer: str, known_from: str, now: datetime) -> None:
    """Raise ConfigError if who reviews is who made it, by the store or as told, under whatever login."""
    reviewer = _person(root, said.reviewer, now)
    for name, origin in ((said.prepared_by, "told"), (preparer, known_from)):
        if name is not None and reviewer & _person(root, name, now):
            alias = "" if _same(name, said.reviewer) else f", who is {said.reviewer}"
            raise ConfigError(
                f"{name} made this report ({origin}){alias}, and nobody reviews his own",
                hint="have somebody else sign it off",
            )


def _person(root: str, name: str, now: datetime) -> frozenset[str]:
    """Return the plain names of whom a name is: its own, and of the identities that have it as a login."""
    with pipeline.opened(root) as (connection, _):
        logins = connection.select(_LOGINS, {"now": now}).to_pylist()
    plain = _plain(name)
    return frozenset({plain, *(_plain(row["identity"]) for row in logins if _plain(row["login"]) == plain)})


def verify(root: str, file: Path) -> list[Verified]:
    """Return every sign-off of a report's bytes, the oldest first, each with its problems.

    Raises StoreError, SourceError.
    """
    target = store.open_store(root)
    known = keys.published(target)
    asked: Row = {"sha256": sha256(_bytes(file)).hexdigest()}
    rows = pipeline.select(root, _TABLE, _OF_REPORT, asked).to_pylist()
    return [Verified(row, tuple(_problems(row, known))) for row in rows]


def _problems(row: Row, known: dict[str, keys.Key]) -> list[str]:
    problems = []
    key = known.get(row["key_id"])
    if key is None:
        problems.append(f"the store has no key {row['key_id']}")
    else:
        if not key.made(row["signature"], {name: row[name] for name in row if name != "signature"}):
            problems.append("the signature is not of this row")
        if key.name != row["reviewer"]:
            problems.append(f"the key is {key.name}'s")
    if _same(row["reviewer"], row["preparer"]):
        problems.append("who reviewed it made it")
    return problems


def _made_by(root: str, data: bytes) -> Row | None:
    asked: Row = {"sha256": sha256(data).hexdigest()}
    found: list[Row] = pipeline.select(root, "control_run", _MADE_BY, asked).to_pylist()
    return found[0] if found else None


def _preparer(file: Path, said: Said, made: Row | None) -> tuple[str, str]:
    """Return who made a report, and where that is known from: the night's record before anything else."""
    if made is not None:
        return made["user"], "control_run"
    if said.prepared_by is not None:
        return said.prepared_by, "told"
    try:
        return file.owner(), "file-owner"
    except (KeyError, OSError):
        raise ConfigError(
            f"nobody knows who made {file}: no night did, and its owner has no name",
            hint="say it with --prepared-by",
        ) from None


def _same(one: str, other: str) -> bool:
    """Tell whether two names are one, however they are written."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {file}: {reason_of(error)}", hint="name a report's file") from error
