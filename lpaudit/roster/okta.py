"""Okta: the answer of `/api/v1/users` (JSON), and the admin console's reports on users (CSV)."""

from collections.abc import Mapping
from typing import Any

from lpaudit.roster.jsonlines import elements
from lpaudit.roster.own import rows_of
from lpaudit.roster.records import Place, Roster
from lpaudit.roster.scim import kind_of

# Whether a user of that status may come in, or will when it has done something about its password.
# The console has words of its own for them.
_STATUSES: Mapping[str, bool] = {
    "STAGED": True,
    "PROVISIONED": True,
    "PENDING USER ACTION": True,
    "ACTIVE": True,
    "RECOVERY": True,
    "PASSWORD RESET": True,
    "PASSWORD EXPIRED": True,
    "LOCKED OUT": True,
    "SUSPENDED": False,
    "DEPROVISIONED": False,
    "DEACTIVATED": False,
}
_HINT = "export users with Okta's API, /api/v1/users?search=… so that deprovisioned ones are there, too"


def is_okta(told: Any) -> bool:
    """Tell whether JSON is of this form."""
    first = told[0] if isinstance(told, list) and told else told
    return isinstance(first, dict) and isinstance(first.get("profile"), dict) and "status" in first


def is_okta_csv(columns: list[str]) -> bool:
    """Tell whether a CSV file's columns are those of a report on users."""
    return {"login", "status"} <= {column.strip().lower() for column in columns}


def read_okta(text: str, told: Any, roster: Roster) -> None:
    """Read an array of users, or one user. Raises SourceError."""
    for line, record in elements(text) if isinstance(told, list) else [(1, told)]:
        place = Place(roster.path, line)
        if not is_okta(record):
            place.refuse("this is not a user of Okta: it has no profile, or no status", _HINT)
        roster.add("identity", _user(record, place), place)


def _user(record: Mapping[str, Any], place: Place) -> dict[str, Any]:
    profile = record["profile"]
    active = _may_log_in(record["status"], place)
    names = (profile.get("firstName"), profile.get("lastName"))
    return {
        "name": profile.get("login"),
        "kind": kind_of(profile.get("userType")),
        "display_name": profile.get("displayName")
        or " ".join(n for n in names if isinstance(n, str))
        or None,
        "owner": profile.get("manager") or profile.get("managerId"),
        "aliases": [record["id"]] if record.get("id") else [],
        "active": active,
        "disabled_at": None if active else record.get("statusChanged"),
        "created_at": record.get("created"),
    }


def read_okta_csv(text: str, roster: Roster) -> None:
    """Read a report of the admin console. Raises SourceError.

    Its times are left alone: they have no zone, and which one they are in depends on the console.
    """
    for place, row in rows_of(text, roster):
        given = {column.strip().lower(): value.strip() for column, value in row.items()}
        user = {
            "name": given.get("login"),
            "kind": kind_of(given.get("user type")),
            "display_name": given.get("user") or given.get("display name"),
            "active": _may_log_in(given["status"], place),
        }
        roster.add("identity", user, place)


def _may_log_in(status: object, place: Place) -> bool:
    word = status.replace("_", " ").upper() if isinstance(status, str) else status
    if not isinstance(word, str) or word not in _STATUSES:
        place.refuse(f"unknown status {status!r}", "there are: " + ", ".join(_STATUSES))
    return _STATUSES[word]
