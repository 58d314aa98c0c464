"""Identities into the store, and out of it: who is behind the logins of the access log.

All files are read and held against each other and against the store before anything is written.
A version's rows come first and its row of `directory` last, so that one that was interrupted is
not there; the same command again goes on with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from lpaudit import __version__, pipeline, roster, store
from lpaudit.errors import ConfigError, SourceError
from lpaudit.ingest import agreed
from lpaudit.pseudonyms import Pseudonyms
from lpaudit.query import Connection
from lpaudit.redaction import USERS
from lpaudit.schema import tables
from lpaudit.visible import instant, visible

TABLES = ("identity", "entitlement", "token")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did with one directory; ``new`` is False where the store had it already."""

    directory: str
    identities: int
    entitlements: int
    tokens: int
    new: bool


def import_files(
    root: str,
    files: Sequence[Path],
    *,
    as_of: datetime | None,
    form: roster.Form | None,
    directory: str | None,
    now: Callable[[], datetime],
    unique: Callable[[], str],
    pseudonyms: Pseudonyms | None = None,
) -> list[Imported]:
    """Take files that say who there is into the store, each directory's as one version of it.

    With ``pseudonyms`` of users, these are stored in the place of logins and names of people.

    Raises SourceError if a file is not what it should be, or contradicts another one or the store;
    ConfigError for a time to come; StoreError.
    """
    taken_at = now()
    if as_of is not None and as_of > taken_at:
        raise ConfigError(
            f"--as-of {instant(as_of)} is still to come", hint="it says when the files were true"
        )
    read = [roster.read(path, form) for path in files]
    for one in read:
        one.refuse_contradiction(as_of or taken_at)
    versions = roster.versions(read, directory)
    if pseudonyms is not None and USERS in pseudonyms.kinds:
        versions = [roster.renamed(version, partial(pseudonyms.of, USERS)) for version in versions]
    at = as_of or taken_at
    existing = store.find_store(root)
    newest: dict[str, str] = {}
    others: list[roster.Claim] = []
    if existing is not None:
        with pipeline.opened(root) as (connection, _):
            newest = _newest(connection, at)
            others = _others(connection, [version.directory for version in versions])
    _agree([claim for version in versions for claim in version.claims], others, at)
    target = existing or store.create_store(root)
    agreed(target, pseudonyms, unique)
    return [
        _store(
            target,
            version,
            at,
            taken_at,
            unique,
            known=newest.get(version.directory) == version.snapshot_id and as_of is None,
        )
        for version in versions
    ]


def _store(
    target: store.Store,
    version: roster.Version,
    as_of: datetime,
    taken_at: datetime,
    unique: Callable[[], str],
    *,
    known: bool,
) -> Imported:
    identities, entitlements, tokens = (len(version.rows[name]) for name in TABLES)
    imported = partial(Imported, version.directory, identities, entitlements, tokens)
    if known:
        return imported(new=False)
    shared = {"snapshot_id": version.snapshot_id, "fetched_at": taken_at}
    for name in TABLES:
        found = [row | shared for row in version.rows[name]]
        if found:
            rows = pa.Table.from_pylist(found, schema=tables()[name].arrow)
            store.append_records(target, name, version.snapshot_id, rows, unique())
    row = {
        "directory": version.directory,
        "as_of": as_of,
        "files": version.files,
        "identities": identities,
        "entitlements": entitlements,
        "tokens": tokens,
        "lpaudit_version": __version__,
        **shared,
    }
    rows = pa.Table.from_pylist([row], schema=tables()["directory"].arrow)
    key = f"{version.snapshot_id}:{as_of.isoformat()}"
    return imported(new=store.append_records(target, "directory", key, rows, unique()))


_NEWEST = """
select directory, arg_max(snapshot_id, (as_of, fetched_at)) as snapshot_id
from directory where as_of <= $at group by directory
"""
_OTHERS = """
select login, identity, directory, since, least(until, disabled_at) as until, source, line
from identity_login
where not list_contains(cast($directories as varchar[]), directory)
"""


def _newest(connection: Connection, at: datetime) -> dict[str, str]:
    """Return the content of each directory as of a time."""
    return {r["directory"]: r["snapshot_id"] for r in connection.select(_NEWEST, {"at": at}).to_pylist()}


def _others(connection: Connection, directories: list[str]) -> list[roster.Claim]:
    """Return whose each login is by what other directories say."""
    return [
        roster.Claim(
            row["login"],
            f"{row['identity']} in {row['directory']}",
            row["since"],
            row["until"],
            f"{row['source']}:{row['line']}",
        )
        for row in connection.select(_OTHERS, {"directories": directories}).to_pylist()
    ]


def _agree(new: list[roster.Claim], others: list[roster.Claim], at: datetime) -> None:
    """Refuse logins that other directories have, too. Raises SourceError.

    What was before is theirs to tell: two directories may only not both have a login from now on.
    """
    found = roster.contradiction([*_from(new, at), *_from(others, at)])
    if found:
        one, other = found
        raise SourceError(
            f"{one.place}: the login {visible(one.key)} is also in {other.place}, which is another directory",
            hint="leave it out of one of them; if the file is a newer version of that directory, "
            "say so with --directory",
        )


def _from(claims: list[roster.Claim], at: datetime) -> list[roster.Claim]:
    """Return what claims say of the time from ``at`` on."""
    return [
        roster.Claim(c.key, c.what, max(c.since, at) if c.since else at, c.until, c.place)
        for c in claims
        if c.until is None or c.until > at
    ]


_LIST = """
select identity, kind, display_name, owner, groups, aliases,
    case
        when disabled_at <= $at then 'disabled'
        when until <= $at then 'ended'
        when since > $at then 'not yet'
        else 'valid'
    end as state,
    since as valid_from, until as valid_to, disabled_at, directory, source, line, as_of
from (
    select *, row_number() over (
        partition by directory, identity
        -- The period that holds the time; else the last one before it; else the first one after.
        order by coalesce(since > $at, false), case when since > $at then since end, since desc nulls last
    ) as nearest
    from identity_as_of
)
where nearest = 1
order by identity, directory
"""


def listed(root: str, at: datetime) -> pa.Table:
    """Return who there was at a time, a row each identity. Raises StoreError."""
    with pipeline.opened(root) as (connection, _):
        return connection.select(_LIST, {"at": at})
