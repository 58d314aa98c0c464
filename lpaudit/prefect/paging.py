"""Pages of a set that moves while it is read → every record that was there throughout, once.

Prefect pages by offset. An offset is a promise that nobody before it comes or goes; when one
does, the next page repeats a record or skips one. Three ways around it, none of which trusts an
offset:

- ``ordered``: the set is sorted by what never changes. A page is a contiguous piece of that
  order, as it was at one moment. It is only taken if it begins before where the last one ended,
  so that nothing can have slipped through between them; else it is asked for again, further up.
- ``settled``: there is no such order. The whole set is read again until nothing new comes.
- ``by_time``: events. Each question is for a piece of time, of which the answer is the first
  page: there is no second one that could slip.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Generic, TypeVar

from lpaudit.errors import PrefectError

_PATIENCE = 40
"""Pages without progress, or readings of the whole set, after which it is said to move too fast."""

_ALIKE = 10
"""Pages in a row with the same records, at other offsets: no set moves so."""


class NoOverlapError(Exception):
    """A page of so few records, or so many alike, that the next one cannot begin within it."""


R = TypeVar("R")
K = TypeVar("K", str, datetime)


def ordered(
    ask: Callable[[int], list[R]],
    key: Callable[[R], K],
    *,
    enough: Callable[[K], bool] = lambda _: False,
) -> Iterator[list[R]]:
    """Yield pages of a set that is sorted by ``key``, falling; records at their borders come twice.

    ``ask`` returns the page at an offset. Reading ends behind the first page whose last key is
    ``enough``. What was there from the first question to the last is on a page; so may be what
    came or went meanwhile. Raises NoOverlapError if pages cannot overlap (``settled`` can do
    without), PrefectError if the answers are not sorted, or the set does not stand still.
    """
    offset, idle, full = 0, 0, 0
    floor: K | None = None  # of all records above it, those that were there throughout have been yielded
    while True:
        page = ask(offset)
        keys = [key(record) for record in page]
        if any(a < b for a, b in pairwise(keys)):
            raise PrefectError("Prefect's answer is not sorted as it was asked to be")
        idle += 1
        if idle > _PATIENCE:
            raise _restless()
        if offset and floor is not None and (not keys or keys[0] <= floor):
            # Records before this page are gone, and it begins too late: what it skips is not known.
            offset = max(0, offset - max(len(page) // 2, 1) * 2 ** min(idle, 20))
            continue
        yield page
        if not keys or enough(keys[-1]):
            return
        # The end is a page that has room for more below the floor, and has nothing there.
        if floor is not None and keys[-1] >= floor and len(keys) < full:
            return
        full = max(full, len(keys))
        if floor is None or keys[-1] < floor:
            floor, idle = keys[-1], 0
        # The next page begins before the records that have the last key: there may be more of them.
        step = len(keys) - keys.count(keys[-1]) - 1
        if step < 1:
            raise NoOverlapError
        offset += step


def settled(ask: Callable[[int], list[R]], identity: Callable[[R], str]) -> Iterator[list[R]]:
    """Yield pages of a set in no stable order, read again and again until nothing new comes.

    Raises PrefectError if something new comes every time.
    """
    seen: set[str] = set()
    for reading in range(_PATIENCE):
        before, offset, alike = len(seen), 0, 0
        last: set[str] = set()
        while page := ask(offset):
            yield page
            names = {identity(record) for record in page}
            alike = alike + 1 if names == last else 0
            if alike >= _ALIKE or (offset > 2 * len(seen) + 1000 and names <= seen):
                raise PrefectError("Prefect hands out the same page again and again")
            seen |= names
            last = names
            offset += len(page)
        if reading and len(seen) == before:
            return
    raise _restless()


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """The first page of a piece of time, rising, and how many records the whole piece has."""

    records: list[R]
    total: int


def by_time(
    ask: Callable[[datetime, datetime], Slice[R]],
    rest: Callable[[datetime], list[R]],
    when: Callable[[R], datetime],
    since: datetime,
    until: datetime,
) -> Iterator[list[R]]:
    """Yield pages of what happened from ``since`` to ``until`` (both included); some records come twice.

    ``ask`` returns the first page of a piece of time, ``rest`` all of one instant that has more
    than a page. Raises PrefectError for an answer that is not what was asked, or only half.
    """
    start, step = since, until - since
    while True:
        end = min(start + step, until)
        piece = ask(start, end)
        times = [when(record) for record in piece.records]
        if times != sorted(times) or any(not start <= time <= end for time in times):
            raise PrefectError("Prefect's events are not those of the time that was asked for, in order")
        if len(times) >= piece.total:
            yield piece.records
            if end >= until:
                return
            start, step = end, max(2 * step, timedelta(seconds=1))
        elif not times:
            raise PrefectError(f"Prefect says that there are {piece.total} events, and hands out none")
        elif times[-1] == start:
            yield rest(start)
            start += timedelta(microseconds=1)
            if start > until:
                return
        else:
            yield piece.records
            # Of the last instant there may be more: it is asked for again. The page tells how busy it is.
            start, step = times[-1], times[-1] - start


def _restless() -> PrefectError:
    return PrefectError(
        f"the records did not stand still in {_PATIENCE} readings", hint="run the same command again later"
    )
