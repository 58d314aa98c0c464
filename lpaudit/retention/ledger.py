"""What was decided about how long lines are kept: the table `retention`, an event a row.

Every event is a commit that is made for exactly the state that was read before it: a purge that was
planned before a hold was set does not begin, and of two that decide at once one looks again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa

from lpaudit import __version__, query, store
from lpaudit.errors import OffsetConflict, StoreError
from lpaudit.schema import tables

TABLE = "retention"
_ATTEMPTS = 5
_UNFINISHED = 'select * from purge where done_at is null order by "at", purge_id'

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was decided until some event, and the handle that a next one is appended with."""

    target: store.Store
    table: store.Table

    @property
    def number(self) -> int:
        """Number of the last event; 0 if there is none. Raises StoreError."""
        return self.target.offset(self.table, TABLE) or 0

    def select(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Ask it. Raises StoreError."""
        dataset = self.target.dataset(TABLE, self.table)
        connection = query.connect({TABLE: dataset}, only=(TABLE,))
        try:
            rows: list[Row] = connection.select(sql, dict(parameters or {})).to_pylist()
        finally:
            connection.close()
        return rows

    def unfinished(self) -> list[Row]:
        """Return the purges that were begun, and that nobody has said to be done. Raises StoreError."""
        return self.select(_UNFINISHED)

    def append(self, row: Row, unique: str) -> None:
        """Append an event to what this ledger knows.

        Raises OffsetConflict if something was decided since it was opened, StoreError.
        """
        schema = tables()[TABLE].arrow
        told = dict.fromkeys(schema.names) | row
        told |= {"number": self.number + 1, "lpaudit_version": __version__}
        rows = pa.Table.from_pylist([told], schema=schema)
        store.append_next(self.target, self.table, TABLE, rows, unique)


def new_id(unique: str) -> str:
    """Return an id for a hold or a purge."""
    return sha256(unique.encode()).hexdigest()[:16]


def open_ledger(target: store.Store, unique: Callable[[], str]) -> Ledger:
    """Return what was decided until now. Raises StoreError."""
    return Ledger(target, target.create_table(TABLE, unique()))


def existing_ledger(target: store.Store) -> Ledger | None:
    """Return the same, without making the table; None if nothing was ever decided. Raises StoreError."""
    table = target.table(TABLE)
    return None if table is None else Ledger(target, table)


def decide(
    target: store.Store, decision: Callable[[Ledger], Row | None], unique: Callable[[], str]
) -> Row | None:
    """Append what ``decision`` says of the newest state; None if it says that there is nothing to add.

    Raises StoreError, and what ``decision`` raises.
    """
    for _ in range(_ATTEMPTS):
        ledger = open_ledger(target, unique)
        row = decision(ledger)
        if row is None:
            return None
        try:
            ledger.append(row, unique())
        except OffsetConflict:
            continue
        return row
    raise StoreError(f"others decide about {target.location} all the time", hint="run the same command again")
