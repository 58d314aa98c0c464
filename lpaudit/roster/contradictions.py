"""What cannot both be true: two records of one login, entitlement or token at the same time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from lpaudit.errors import SourceError
from lpaudit.roster.records import Roster
from lpaudit.visible import visible

_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """That ``key`` (a login, say) is ``what``'s from ``since`` to ``until``, and where that is said.

    None is for ever.
    """

    key: str
    what: str
    since: datetime | None
    until: datetime | None
    place: str


def claims(rosters: Sequence[Roster]) -> list[Claim]:
    """Return which identity each login is said to be of."""
    return [
        Claim(login, row["identity"], row["valid_from"], row["valid_to"], str(place))
        for roster in rosters
        for row, place in zip(roster.rows["identity"], roster.places["identity"], strict=True)
        for login in (row["identity"], *row["aliases"])
    ]


def contradiction(claimed: Iterable[Claim]) -> tuple[Claim, Claim] | None:
    """Return two claims about the same key whose times overlap, None if there are none."""
    by_key: dict[str, list[Claim]] = defaultdict(list)
    for claim in claimed:
        by_key[claim.key].append(claim)
    for found in by_key.values():
        if len(found) > 1:
            found.sort(key=lambda claim: (claim.since or _EVER, claim.until or _NEVER))
            for before, after in pairwise(found):
                if (after.since or _EVER) < (before.until or _NEVER):
                    return before, after
    return None


def check(rosters: Sequence[Roster]) -> None:
    """Refuse files of one version that contradict themselves or each other. Raises SourceError."""
    if found := contradiction(claims(rosters)):
        before, after = found
        _refuse(
            before,
            after,
            f"{after.key} is there twice at the same time"
            if after.what == before.what
            else f"the login {after.key} is {after.what}'s and {before.what}'s at the same time",
            "remove one, or give them a valid_from and valid_to that do not overlap",
        )
    told = ("principal_kind", "principal", "action", "resource_type")
    entitled = [
        Claim(" ".join(row[key] for key in told), "", row["valid_from"], row["valid_to"], str(place))
        for roster in rosters
        for row, place in zip(roster.rows["entitlement"], roster.places["entitlement"], strict=True)
    ]
    if found := contradiction(entitled):
        _refuse(*found, f"the entitlement of {found[1].key} is there twice at the same time", "remove one")
    tokens = [
        Claim(row["token_id"], row["identity"], None, None, str(place))
        for roster in rosters
        for row, place in zip(roster.rows["token"], roster.places["token"], strict=True)
    ]
    if found := contradiction(tokens):
        _refuse(*found, f"the token {found[1].key} is there twice", "remove one")


def _refuse(before: Claim, after: Claim, message: str, hint: str) -> None:
    raise SourceError(f"{after.place}: {visible(message)}: also in {before.place}", hint=hint)
