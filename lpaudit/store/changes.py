"""What versions of a table added: from its log of commits, where compaction is no change of data.

A purge is one, but what it puts in the place of files are rows that were there before.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lpaudit.store.tables import Store, cannot_read


@dataclass(frozen=True, slots=True)
class Added:
    """A data file that a commit added: the bounds of its columns, and what the commit says of it.

    ``bounds`` has (lowest, highest) by column, as Delta writes them, None if all of its values are null;
    a column of which nothing is stated is not in it. ``about`` are lpaudit's own words: custom metadata.
    """

    rows: int
    bounds: Mapping[str, tuple[Any, Any] | None]
    about: Mapping[str, str]


def added(store: Store, name: str, since: int, until: int) -> list[Added] | None:
    """Return what the versions after ``since`` up to ``until`` added to the table ``name``.

    None if that cannot be told: an entry is no longer in the log, or the table never had ``since``.
    Raises StoreError.
    """
    if since > until:
        return None
    found: list[Added] = []
    for version in range(since + 1, until + 1):
        try:
            entry = store.storage.read(f"{name}/_delta_log/{version:020d}.json")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot_read(store.location, error) from error
        try:
            found += _of_entry([json.loads(line) for line in entry.splitlines() if line.strip()])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise cannot_read(store.location, error) from error
    return found


def _of_entry(actions: list[dict[str, Any]]) -> list[Added]:
    about: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    if "purge" in about:
        return []
    return [_added(action["add"], about) for action in actions if action.get("add", {}).get("dataChange")]


def _added(add: dict[str, Any], about: dict[str, Any]) -> Added:
    told = json.loads(add.get("stats") or "{}")
    rows = told.get("numRecords", 0)
    low, high = told.get("minValues", {}), told.get("maxValues", {})
    bounds: dict[str, tuple[Any, Any] | None] = {
        column: (low[column], high[column]) for column in low.keys() & high.keys()
    }
    bounds |= {
        column: None
        for column, nulls in told.get("nullCount", {}).items()
        if column not in bounds and nulls == rows
    }
    return Added(rows, bounds, {key: value for key, value in about.items() if isinstance(value, str)})
