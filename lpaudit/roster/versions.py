"""The files of one import → a version of each directory that they are of."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from lpaudit.errors import SourceError
from lpaudit.roster.contradictions import Claim, check, claims
from lpaudit.roster.records import Roster

# The columns that name people, by table; aliases are a list.
_PEOPLE = {
    "identity": ("identity", "display_name", "owner"),
    "entitlement": ("principal",),
    "token": ("identity",),
}


@dataclass(frozen=True, slots=True)
class Version:
    """What the files of one directory say together.

    ``rows`` are those of each table, but for the columns ``snapshot_id`` and ``fetched_at``.
    """

    directory: str
    snapshot_id: str
    files: str
    rows: dict[str, list[dict[str, Any]]]
    claims: tuple[Claim, ...]


def versions(rosters: Sequence[Roster], directory: str | None) -> list[Version]:
    """Return a version of each directory that the files are of; ``directory`` is the name of all of them.

    Raises SourceError if files contradict each other, or are not all of them.
    """
    by_name: dict[str, list[Roster]] = defaultdict(list)
    for roster in rosters:
        by_name[directory or _name(roster)].append(roster)
    return [_version(name, found) for name, found in by_name.items()]


def renamed(version: Version, name: Callable[[str], str]) -> Version:
    """Return a version with other names of people: ``name`` of each login, display name and owner.

    It is another version than with the names themselves.
    """
    rows = {table: [_renamed(table, row, name) for row in found] for table, found in version.rows.items()}
    claims = tuple(replace(claim, key=name(claim.key)) for claim in version.claims)
    snapshot_id = sha256(f"{version.snapshot_id} {name(version.directory)}".encode()).hexdigest()
    return replace(version, snapshot_id=snapshot_id, rows=rows, claims=claims)


def _renamed(table: str, row: dict[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    columns = _PEOPLE[table] if row.get("principal_kind") != "group" else ()
    changed = {column: name(row[column]) for column in columns if row[column] is not None}
    if table == "identity":
        changed["aliases"] = json.dumps(sorted(map(name, json.loads(row["aliases"]))))
    return row | changed


def _name(roster: Roster) -> str:
    """Return the name of a file's directory: its own, or the form's where that has one, or the file's."""
    return roster.directory or (roster.form if roster.form in {"okta", "scim"} else roster.path.stem)


def _version(name: str, rosters: list[Roster]) -> Version:
    rosters = list({roster.sha256: roster for roster in rosters}.values())  # one file, named twice
    _whole(rosters)
    check(rosters)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for roster in rosters:
        shared = {
            "directory": name,
            "source": str(roster.path),
            "source_format": roster.form,
            "sha256": roster.sha256,
        }
        for table, found in roster.rows.items():
            rows[table] += [row | shared for row in found]
    _join(rows["identity"], rosters)
    if not any(rows.values()):
        paths = ", ".join(str(roster.path) for roster in rosters)
        raise SourceError(
            f"{paths} says nothing of anybody", hint="an empty list would mean that everybody is gone"
        )
    files = sorted((roster.form, roster.sha256, str(roster.path)) for roster in rosters)
    content = [name, *(file[:2] for file in files)]
    return Version(
        name,
        sha256(json.dumps(content).encode()).hexdigest(),
        json.dumps([{"path": path, "format": form, "sha256": hash_} for form, hash_, path in files]),
        rows,
        tuple(claims(rosters)),
    )


def _whole(rosters: list[Roster]) -> None:
    """Refuse some pages of a list: who is on the others would be taken for gone."""
    here: dict[tuple[str, int], int] = defaultdict(int)
    for roster in rosters:
        for what, total, found in roster.pages:
            here[what, total] += found
    for (what, total), found in here.items():
        if found < total:
            path = next(r.path for r in rosters if r.pages)
            raise SourceError(
                f"{path}: {found:,} of {total:,} {what} are here: it is a page of a list",
                hint="name the files of all pages in one command",
            )


def _join(rows: list[dict[str, Any]], rosters: list[Roster]) -> None:
    """Write groups, which files tell by their members' ids, into the members' rows; and lists as JSON."""
    for row in rows:
        groups = set(row["groups"])
        for roster in rosters:
            for id_ in row["aliases"]:
                groups.update(roster.memberships.get(id_, ()))
        row["groups"] = json.dumps(sorted(groups), ensure_ascii=False)
        row["aliases"] = json.dumps(row["aliases"], ensure_ascii=False)
