"""What a file says, as plain values → one record, checked key by key.

Every form (TOML, CSV, SCIM, Okta) is brought into the same keys first, so that what may be said,
and how it is refused, stands here once.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from lpaudit.errors import SourceError
from lpaudit.routes import catalogue
from lpaudit.visible import instant, visible

KINDS = ("human", "service", "worker", "agent")
ANY = "*"
_LONGEST = 1024  # characters of a name or text: more is no name, and was meant for somebody's memory

# What a token itself looks like: it must not get into a store.
_SECRET = re.compile(
    r"eyJ[\w-]{10,}\.|pn[ub]_\w{8,}|(?i:bearer|basic)\s|AKIA[0-9A-Z]{16}|\$2[aby]\$|[^:\s]+:\$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file something stands; ``line`` counts from 1."""

    path: Path
    line: int

    def refuse(self, message: str, hint: str) -> NoReturn:
        """Raise SourceError that names the place."""
        raise SourceError(f"{self}: {visible(message)}", hint=visible(hint))

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(slots=True)
class Roster:
    """What one file says: rows without what all rows of a version share, and each row's place.

    ``form`` is the word of the column source_format. ``pages`` is, for each kind of thing that the file
    is one page of a list of, how many there are in all and how many of them are here.
    """

    path: Path
    form: str
    sha256: str
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"identity": [], "entitlement": [], "token": []}
    )
    places: dict[str, list[Place]] = field(
        default_factory=lambda: {"identity": [], "entitlement": [], "token": []}
    )
    directory: str | None = None
    pages: list[tuple[str, int, int]] = field(default_factory=list)
    memberships: dict[str, list[str]] = field(default_factory=dict)
    """Groups by the id of a member, where a file tells of groups and not of people."""
    said_active: list[tuple[Place, str, datetime]] = field(default_factory=list)
    """Who is said to be active, and to be disabled from some time on."""

    def add(self, table: str, given: Mapping[str, object], place: Place) -> None:
        """Add the record that ``given`` says. Raises SourceError."""
        for row in _MAKERS[table](_Given(given, place)):
            row["line"] = place.line
            self.rows[table].append(row)
            self.places[table].append(place)
            if table == "identity" and row["disabled_at"] and given.get("active") not in (None, ""):
                self.said_active += [(place, row["identity"], row["disabled_at"])] if row["active"] else []

    def refuse_contradiction(self, at: datetime) -> None:
        """Refuse who is said to be active and was disabled by then: nobody can tell which is meant."""
        for place, name, disabled in self.said_active:
            if disabled <= at:
                place.refuse(
                    f"{name} is active, and was disabled at {instant(disabled)}",
                    "write active = false, or leave disabled_at out",
                )


class _Given:
    """The keys of one record, each taken as what it must be."""

    def __init__(self, given: Mapping[str, object], place: Place) -> None:
        self.given, self.place = given, place

    def only(self, known: tuple[str, ...]) -> None:
        """Refuse a key that means nothing: it is a typing error that would silently change the answer."""
        for key in self.given:
            if key not in known:
                self.place.refuse(f"unknown key {key!r}", _meant(key, known))

    def remark(self, key: str) -> str | None:
        """Return a text for people, None if there is none: nothing is found by it, so any will do."""
        value = self.given.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.place.refuse(f"{key} is {value!r}, not a text", f'write {key} = "…"')
        return visible(value.strip())[:_LONGEST] or None

    def text(self, key: str) -> str | None:
        """Return a text that something is found by, None if there is none."""
        value = self.given.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.place.refuse(f"{key} is {value!r}, not a text", f'write {key} = "…"')
        return _clean(key, value, self.place)

    def name(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.text(key)
        if value is None:
            self.place.refuse(f"there is no {key}", f"every record needs a {key}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return texts; none if there are none."""
        values = self.given.get(key)
        if values is None:
            return []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self.place.refuse(f"{key} is {values!r}, not a list of texts", f'write {key} = ["…", "…"]')
        return list(dict.fromkeys(_clean(key, value, self.place) for value in values))

    def word(self, key: str, known: tuple[str, ...]) -> str:
        """Return a word of a closed list."""
        value = self.name(key)
        if value not in known:
            self.place.refuse(f"unknown {key} {value!r}", _meant(value, known))
        return value

    def instant(self, key: str) -> datetime | None:  # noqa: RET503 -- refuse() never returns
        """Return a time in UTC, None if there is none. A date is the midnight (UTC) with which it begins."""
        value = self.given.get(key)
        if value is None or value == "":
            return None
        try:
            told = datetime.fromisoformat(value) if isinstance(value, str) and len(value) > 10 else value
            if isinstance(told, str):
                told = date.fromisoformat(told)
            if isinstance(told, date) and not isinstance(told, datetime):
                told = datetime.combine(told, time(), UTC)
            if isinstance(told, datetime) and told.tzinfo is not None:
                return told.astimezone(UTC)
        except (ValueError, OverflowError):
            told = None
        if isinstance(told, datetime):
            self.place.refuse(
                f"{key} {told.isoformat()} has no time zone",
                f"write {told.isoformat()}Z for UTC, or with another offset",
            )
        self.place.refuse(f"{key} is {value!r}, not a time", "write it like 2026-11-23 or 2026-11-23T06:00Z")

    def truth(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.given.get(key)
        if value is None or value == "":
            return default
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            self.place.refuse(f"{key} is {value!r}, neither true nor false", f"write {key} = true or false")
        return value

    def days(self, key: str) -> int | None:
        """Return a number of days."""
        value = self.given.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 100_000:
            self.place.refuse(f"{key} is {value!r}, not a number of days", f"write {key} = 90")
        return value

    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return valid_from and valid_to."""
        since, until = self.instant("valid_from"), self.instant("valid_to")
        if since is not None and until is not None and since >= until:
            self.place.refuse("valid_to is not after valid_from", "it is the first moment that is not valid")
        return since, until


def _meant(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else "there are: " + ", ".join(known)


def _clean(key: str, value: str, place: Place) -> str:
    """Refuse what cannot be a name: it would match nothing, and nobody would see why."""
    if len(value) > _LONGEST:
        place.refuse(f"{key} has {len(value):,} characters", f"at most {_LONGEST:,} make a name")
    if not value.strip() or value != value.strip():
        place.refuse(f"{key} {value!r} is blank, or begins or ends with a blank", "write it without")
    if visible(value) != value:
        place.refuse(f"{key} {value} has characters that nobody sees", "write it as lighttpd logs it")
    return value


def _no_secret(key: str, value: str, place: Place) -> str:
    """Refuse what looks like a token or password itself; it is not repeated in the message."""
    if _SECRET.search(value):
        place.refuse(f"{key} looks like a token or password itself", "give its jti, or a fingerprint of it")
    return value


_IDENTITY = (
    "name", "kind", "display_name", "owner", "groups", "aliases", "active", "valid_from", "valid_to",
    "disabled_at", "created_at",
)  # fmt: skip
_ENTITLEMENT = ("group", "identity", "actions", "resource_types", "ticket", "valid_from", "valid_to")
_TOKEN = ("id", "identity", "issued_at", "cadence_days", "revoked_at", "ticket")
KEYS: Mapping[str, tuple[str, ...]] = {"identity": _IDENTITY, "entitlement": _ENTITLEMENT, "token": _TOKEN}


def _identity(given: _Given) -> list[dict[str, Any]]:
    given.only(_IDENTITY)
    name = given.name("name")
    since, until = given.period()
    disabled = given.instant("disabled_at")
    if disabled is not None and since is not None and disabled < since:
        given.place.refuse(f"{name} is disabled before it is valid", "check disabled_at and valid_from")
    row = {
        "identity": name,
        "kind": given.word("kind", KINDS),
        "display_name": given.remark("display_name"),
        "owner": given.remark("owner"),
        "groups": sorted(given.texts("groups")),
        "aliases": sorted(set(given.texts("aliases")) - {name}),
        "active": given.truth("active", default=True),
        "valid_from": since,
        "valid_to": until,
        "disabled_at": disabled,
        "created_at": given.instant("created_at"),
    }
    return [row]


def _entitlement(given: _Given) -> list[dict[str, Any]]:
    given.only(_ENTITLEMENT)
    group, identity = given.text("group"), given.text("identity")
    if (group is None) == (identity is None):
        given.place.refuse("an entitlement is of a group or of an identity", 'write group = "…"')
    kind, principal = ("group", group) if group is not None else ("identity", identity)
    known = catalogue().routes
    actions = _words(given, "actions", {route.action for route in known})
    types = _words(given, "resource_types", {route.resource_type for route in known}, default=[ANY])
    if not actions:
        given.place.refuse("there are no actions", 'write actions = ["execute", "update"]')
    since, until = given.period()
    shared = {"ticket": given.remark("ticket"), "valid_from": since, "valid_to": until}
    return [
        {"principal_kind": kind, "principal": principal, "action": action, "resource_type": thing, **shared}
        for action in actions
        for thing in types
    ]


def _words(given: _Given, key: str, known: set[str], default: list[str] | None = None) -> list[str]:
    """Return words of the route catalogue: one that is misspelt would entitle nobody to anything."""
    words = given.texts(key) or default or []
    for word in words:
        if word not in known | {ANY}:
            names = tuple(sorted(known - {""}))
            given.place.refuse(f"{key}: the route catalogue has no {word!r}", _meant(word, names))
    return words


def _token(given: _Given) -> list[dict[str, Any]]:
    given.only(_TOKEN)
    issued = given.instant("issued_at")
    if issued is None:
        given.place.refuse("there is no issued_at", "without it nobody can say how old it is")
    revoked = given.instant("revoked_at")
    if revoked is not None and revoked < issued:
        given.place.refuse("it is revoked before it is issued", "check issued_at and revoked_at")
    row = {
        "token_id": _no_secret("id", given.name("id"), given.place),
        "identity": given.name("identity"),
        "issued_at": issued,
        "cadence_days": given.days("cadence_days"),
        "revoked_at": revoked,
        "ticket": given.remark("ticket"),
    }
    return [row]


_MAKERS: Mapping[str, Callable[[_Given], list[dict[str, Any]]]] = {
    "identity": _identity,
    "entitlement": _entitlement,
    "token": _token,
}
