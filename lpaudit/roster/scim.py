"""SCIM 2.0 (RFC 7643 and 7644): Users and Groups, alone, as an array, or as a ListResponse.

A SCIM server says what is, and hardly since when: `meta.lastModified` of an inactive user is the
latest time at which it can have been deactivated.
"""

from collections.abc import Mapping
from typing import Any

from lpaudit.roster.jsonlines import elements
from lpaudit.roster.records import KINDS, Place, Roster

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_HINT = "export Users and Groups of SCIM 2.0 as JSON"


def is_scim(told: Any) -> bool:
    """Tell whether JSON is of this form."""
    first = told[0] if isinstance(told, list) and told else told
    return isinstance(first, dict) and _schemas(first) & {USER, GROUP, LIST} != set()


def _schemas(record: Mapping[str, Any]) -> set[str]:
    schemas = record.get("schemas")
    return {s for s in schemas if isinstance(s, str)} if isinstance(schemas, list) else set()


def read_scim(text: str, told: Any, roster: Roster) -> None:
    """Read users and groups. Raises SourceError."""
    top = Place(roster.path, 1)
    if isinstance(told, dict) and LIST in _schemas(told):
        total, records = told.get("totalResults"), told.get("Resources", [])
        if not isinstance(records, list) or not isinstance(total, int):
            top.refuse("this ListResponse has no Resources or no totalResults", _HINT)
        if total or records:
            first = _schemas(records[0]) if records and isinstance(records[0], dict) else set()
            roster.pages.append(("groups" if GROUP in first else "users", total, len(records)))
        found = list(elements(text, "Resources")) if records else []
    elif isinstance(told, dict):
        found = [(1, told)]
    else:
        found = list(elements(text))
    for line, record in found:
        place = Place(roster.path, line)
        schemas = _schemas(record) if isinstance(record, dict) else set()
        if USER in schemas:
            roster.add("identity", _user(record, place), place)
        elif GROUP in schemas:
            _group(record, roster, place)
        else:
            place.refuse("this is neither a User nor a Group", _HINT)


def _user(record: Mapping[str, Any], place: Place) -> dict[str, Any]:
    meta, manager = (_object(record.get(key), key, place) for key in ("meta", "manager"))
    manager = manager or _object(
        _object(record.get(_ENTERPRISE), "extension", place).get("manager"), "manager", place
    )
    name = _object(record.get("name"), "name", place)
    active = record.get("active", True)
    inactive = active is False or str(active).lower() == "false"
    groups = record.get("groups") or []
    if not isinstance(groups, list):
        place.refuse("groups is not an array", _HINT)
    return {
        "name": record.get("userName"),
        "kind": kind_of(record.get("userType")),
        "display_name": record.get("displayName") or name.get("formatted"),
        "owner": manager.get("displayName") or manager.get("value"),
        "groups": [_called(group, place) for group in groups],
        "aliases": [record["id"]] if record.get("id") else [],
        "active": active,
        "disabled_at": meta.get("lastModified") if inactive else None,
        "created_at": meta.get("created"),
    }


def _called(group: Any, place: Place) -> str:
    """Return the name of a group that a user is in: what people call it, else its id."""
    group = _object(group, "groups", place)
    name = group.get("display") or group.get("value")
    if not isinstance(name, str):
        place.refuse("a group has neither display nor value", _HINT)
    return name


def _group(record: Mapping[str, Any], roster: Roster, place: Place) -> None:
    name = record.get("displayName")
    members = record.get("members") or []
    if not isinstance(name, str) or not isinstance(members, list):
        place.refuse("this Group has no displayName, or its members are no array", _HINT)
    for member in members:
        value = _object(member, "members", place).get("value")
        if isinstance(value, str):
            roster.memberships.setdefault(value, []).append(name)


def _object(value: Any, key: str, place: Place) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        place.refuse(f"{key} is not an object", _HINT)
    return value


def kind_of(user_type: object) -> str:
    """Return the kind that a directory's own word for a user's type means: most words are of people."""
    word = user_type.strip().lower() if isinstance(user_type, str) else ""
    return word if word in KINDS else {"ai agent": "agent", "bot": "agent"}.get(word, "human")
