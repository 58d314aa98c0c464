"""One table's records from Prefect's API, whole; and which of those that were known are gone.

A first reading is of everything. A later one is of a window, which begins before the last reading
began: runs that ended since or have not ended, artifacts that were created since, events that
happened since. Runs that were known to be open and are not in the window are asked for by their
id. What the window leaves out is counted: if Prefect counts other than is known, runs of long ago
have come or gone, and the table is read whole.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from lpaudit.errors import PrefectError
from lpaudit.prefect.client import Client
from lpaudit.prefect.collections import COLLECTIONS, FINAL, OPEN, Collection, Record, Window, instant
from lpaudit.prefect.paging import NoOverlapError, Slice, by_time, ordered, settled
from lpaudit.prefect.records import NotARecordError, checked, document, joined, rows_of_data
from lpaudit.schema import tables

PAGE = 200
"""Records that Prefect hands out at once, at most."""
EVENTS_PAGE = 50
OVERLAP = timedelta(hours=1)
"""How much earlier than the last reading a window begins: for clocks that differ, and late reports."""
_TRIES = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Observer(Protocol):
    """Who is told how far a reading is."""

    def table_started(self, table: str) -> None:
        """Reading of a table begins."""

    def records_read(self, table: str, records: int) -> None:
        """So many records of it have been read."""

    def table_finished(self, table: str) -> None:
        """It is whole, or has failed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a record from earlier: enough to say whether it should still be there."""

    created: datetime | None
    state_type: str | None
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer. ``data`` are its records in the order of their ids, without what is dropped.

    ``id`` is the SHA-256 of ``data``: the same records are the same bytes. ``missing``
    are the ids that were known and asked for, and that Prefect no longer has. ``window_start`` is
    None if everything was asked for. Times are UTC.
    """

    table: str
    id: str
    data: bytes
    rows: pa.Table
    missing: tuple[str, ...]
    asked: Mapping[str, Any]
    pages: int
    window_start: datetime | None
    started_at: datetime
    fetched_at: datetime


@dataclass(slots=True)
class _Reading:
    """What has been read of a table so far."""

    client: Client
    collection: Collection
    progress: Observer
    documents: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    pages: int = 0
    page_size: int = PAGE

    def take(self, records: list[Record]) -> None:
        table = tables()[self.collection.table]
        for record in records:
            self.documents[record["id"]] = document(table, record)
            if self.collection.window in {Window.RUNS, Window.CREATED}:
                self.seen[record["id"]] = Seen(
                    _instant(record, "created"),
                    str(record["state_type"]) if record.get("state_type") else None,
                    _instant(record, "end_time"),
                )
        self.progress.records_read(self.collection.table, len(self.documents))

    def page(self, path: str, question: Mapping[str, Any], offset: int) -> list[Record]:
        """Ask for one page: of as many records as this server hands out at once."""
        while True:
            try:
                answer = self.client.post(path, {**question, "limit": self.page_size, "offset": offset})
            except PrefectError as error:
                most = error.message.rpartition("less than or equal to ")[2].rstrip(".")
                if error.status != 422 or not most.isdigit() or not 3 <= int(most) < self.page_size:
                    raise
                self.page_size = int(most)
            else:
                self.pages += 1
                return checked(answer)

    def read(self, path: str, question: Mapping[str, Any], since: datetime | None = None) -> None:
        """Read all that a question is answered with; with ``since`` only what was created after it."""
        key = self.collection.key

        def ask(offset: int) -> list[Record]:
            return self.page(path, question, offset)

        def enough(last: Any) -> bool:
            return since is not None and last < since

        if key is not None:
            try:
                for records in ordered(ask, key, enough=enough):
                    self.take(records)
            except NoOverlapError:
                pass
            else:
                return
        for records in settled(ask, lambda record: str(record["id"])):
            self.take(records)


def fetch(
    client: Client,
    collection: Collection,
    known: Mapping[str, Seen],
    since: datetime | None,
    *,
    now: Callable[[], datetime],
    progress: Observer,
) -> Fetched:
    """Return a table's records as they are; ``since`` is when the last whole reading of them began.

    ``known`` are the records that Prefect had then. Raises PrefectError; a reading that is not
    whole is never returned.
    """
    started_at = now()
    begin = since - OVERLAP if since is not None and collection.window is not Window.NONE else None
    try:
        reading, asked, missing = _read(client, collection, known, begin, started_at, progress)
        fetched_at = now()
        data = joined(reading.documents[key] for key in sorted(reading.documents))
        snapshot_id = sha256(data).hexdigest()
        rows = rows_of_data(tables()[collection.table], data, snapshot_id, fetched_at)
    except (NotARecordError, KeyError, ValueError, TypeError) as error:
        detail = f"it has no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise PrefectError(
            f"{collection.path}: the answer is not one of Prefect's: {detail}",
            hint="is this a version of Prefect that lpaudit knows?",
        ) from error
    return Fetched(
        table=collection.table,
        id=snapshot_id,
        data=data,
        rows=rows,
        missing=tuple(sorted(missing)),
        asked=asked,
        pages=reading.pages,
        window_start=None if asked.get("everything") else begin,
        started_at=started_at,
        fetched_at=fetched_at,
    )


def _read(
    client: Client,
    collection: Collection,
    known: Mapping[str, Seen],
    begin: datetime | None,
    until: datetime,
    progress: Observer,
) -> tuple[_Reading, dict[str, Any], set[str]]:
    reading = _Reading(client, collection, progress)
    if collection.window is Window.OCCURRED:
        asked = _events(reading, begin or _EPOCH, until) | ({"everything": True} if begin is None else {})
        return reading, asked, set()  # Prefect forgets events by itself: that one is gone says nothing
    if begin is None:
        return reading, _everything(reading), known.keys() - reading.documents.keys()
    if collection.window is Window.CREATED:
        question = _question(collection)
        reading.read(collection.path, question, begin)
        expected = {key for key, seen in known.items() if seen.created is not None and seen.created > begin}
        return reading, question, expected - reading.documents.keys()
    return _runs(reading, known, begin)


def _question(collection: Collection) -> dict[str, Any]:
    return {**collection.body, **({"sort": collection.sort} if collection.sort else {})}


def _everything(reading: _Reading) -> dict[str, Any]:
    """Read a table whole, and compare with what Prefect counts. Returns what was asked."""
    collection, client = reading.collection, reading.client
    question = _question(collection)
    if collection.of_pools:
        _of_pools(reading, question)
        return {**question, "everything": True}
    for attempt in range(1, _TRIES + 1):
        before = _count(client, collection, {})
        reading.read(collection.path, question)
        after = _count(client, collection, {})
        read = len(reading.documents)
        # While runs come and go a count says little. Where they do not, it must agree.
        if before is None or after is None or read >= min(before, after):
            break
        if attempt == _TRIES and before == after:
            raise PrefectError(
                f"{collection.path}: Prefect counts {after} and hands out {read}",
                hint="run the same command again; if it stays so, something between cuts answers short",
            )
    return {**question, "everything": True}


def _of_pools(reading: _Reading, question: Mapping[str, Any]) -> None:
    """Read what belongs to work pools, pool by pool."""
    pools = _Reading(reading.client, COLLECTIONS["work_pool"], reading.progress)
    names: set[str] = set()
    for records in settled(
        lambda offset: pools.page(pools.collection.path, {}, offset), lambda record: str(record["id"])
    ):
        names |= {str(record["name"]) for record in records}
    reading.pages += pools.pages
    for name in sorted(names):
        try:
            reading.read(reading.collection.path.format(pool=quote(name, safe="")), question)
        except PrefectError as error:
            if error.status != 404:  # a pool that was deleted meanwhile has none
                raise


def _runs(
    reading: _Reading, known: Mapping[str, Seen], begin: datetime
) -> tuple[_Reading, dict[str, Any], set[str]]:
    """Read runs that ended since ``begin`` or have not ended, and those that were known to be open."""
    collection, client = reading.collection, reading.client
    name = collection.filter_name
    window = {
        "operator": "or_",
        "end_time": {"after_": begin.isoformat()},
        "state": {"type": {"any_": list(OPEN)}},
    }
    question = {**_question(collection), name: window}
    reading.read(collection.path, question)
    expected = [
        key
        for key, seen in known.items()
        if key not in reading.documents
        and (seen.state_type not in FINAL or seen.ended is None or seen.ended >= begin)
    ]
    for i in range(0, len(expected), PAGE):
        by_id = {name: {"id": {"any_": expected[i : i + PAGE]}}, **_question(collection)}
        reading.read(collection.path, by_id)
    missing = set(expected) - reading.documents.keys()
    settled_before = {"end_time": {"before_": begin.isoformat()}, "state": {"type": {"any_": list(FINAL)}}}
    there = _count(client, collection, {name: settled_before})
    all_known = {**known, **reading.seen}
    expected_count = sum(
        seen.state_type in FINAL and seen.ended is not None and seen.ended <= begin and key not in missing
        for key, seen in all_known.items()
    )
    if there is not None and there != expected_count:
        asked = _everything(reading)
        return reading, asked, known.keys() - reading.documents.keys()
    return reading, {**question, "by_id": len(expected)}, missing


def _events(reading: _Reading, since: datetime, until: datetime) -> dict[str, Any]:
    """Read events of a closed time. Returns what was asked."""

    def ask(start: datetime, end: datetime) -> Slice[Record]:
        return _events_page(reading, reading.client.post(reading.collection.path, _events_of(start, end)))[0]

    for records in by_time(
        ask,
        lambda moment: _events_at(reading, moment),
        lambda record: instant(record["occurred"]),
        since,
        until,
    ):
        reading.take(records)
    return _events_of(since, until)


def _events_of(start: datetime, end: datetime) -> dict[str, Any]:
    occurred = {"since": start.isoformat(), "until": end.isoformat()}
    return {"filter": {"occurred": occurred, "order": "ASC"}, "limit": EVENTS_PAGE}


def _events_page(reading: _Reading, answer: Any) -> tuple[Slice[Record], object]:
    """Return a page of events, and where the next one is."""
    if not isinstance(answer, dict) or not isinstance(answer.get("total"), int):
        raise NotARecordError("it is not a page of events")
    reading.pages += 1
    return Slice(checked(answer.get("events")), answer["total"]), answer.get("next_page")


def _events_at(reading: _Reading, moment: datetime) -> list[Record]:
    """Return all events of one instant that has more than a page of them."""
    total, found = 0, dict[str, Record]()
    for _ in range(_TRIES):
        question = _events_of(moment, moment)
        page, following = _events_page(reading, reading.client.post(reading.collection.path, question))
        total = page.total
        found = {record["id"]: record for record in page.records}
        for _ in range(total // EVENTS_PAGE + 1):
            if following is None:
                break
            page, following = _events_page(reading, reading.client.get(next_page(following)))
            found |= {record["id"]: record for record in page.records}
        if len(found) >= total:
            return list(found.values())
    raise PrefectError(
        f"Prefect says that {total} events happened at {moment.isoformat()}, and hands out {len(found)}"
    )


def next_page(link: object) -> str:
    """Return the path of the next page of events, below the configured URL. Raises PrefectError.

    Prefect gives a whole URL with the address that it knows itself by, which may lead past the
    proxy, and a hostile answer may name any host: only the page's token is taken from it.
    """
    parts = urlsplit(link) if isinstance(link, str) else None
    if parts is None or not parts.path.endswith("/events/filter/next"):
        raise PrefectError("the next page of events is not where Prefect has it: not followed")
    name, _, token = parts.query.partition("=")
    try:
        base64.b64decode(unquote(token), validate=True)
    except (binascii.Error, ValueError):
        name = ""
    if name != "page-token":
        raise PrefectError("the next page of events has no page token: not followed")
    return f"/events/filter/next?page-token={token}"


def _count(client: Client, collection: Collection, question: Mapping[str, Any]) -> int | None:
    if collection.count is None:
        return None
    try:
        count = client.post(collection.count, question)
    except PrefectError as error:
        if error.status in {404, 405}:  # older servers do not count everything
            return None
        raise
    if not isinstance(count, int):
        raise NotARecordError(f"a count is {json.dumps(count)[:40]}")
    return count


def _instant(record: Record, name: str) -> datetime | None:
    return instant(record[name]) if record.get(name) is not None else None


def told(asked: Mapping[str, Any]) -> str:
    """Return what was asked as JSON, for the snapshot's record."""
    return json.dumps(asked, sort_keys=True)
