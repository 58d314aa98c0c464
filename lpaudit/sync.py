"""Prefect's records into the store: from its API, or from recorded answers.

A table is committed when its answer is whole, and never before: its rows (unless the same answer
is there already), then what was gone, then the row of ``snapshot`` that says so. A sync that was
interrupted between two tables is gone on with by the next one, if that comes within the hour.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from lpaudit import __version__, pipeline, prefect, store
from lpaudit.errors import PrefectError
from lpaudit.query import Connection
from lpaudit.schema import tables

_RESUMED = timedelta(hours=1)
"""How old a sync may be that is gone on with: an older one is of another time."""


class Silent:
    """Tells nobody how far a reading is."""

    def table_started(self, table: str) -> None:
        """Say nothing."""

    def records_read(self, table: str, records: int) -> None:
        """Say nothing."""

    def table_finished(self, table: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did with one table. ``error`` says why nothing of it was stored."""

    table: str
    records: int = 0
    new: bool = False
    missing: int = 0
    error: PrefectError | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: a result a table. ``resumed`` are tables that an earlier part of it had stored."""

    results: list[SyncResult]
    server_version: str = ""
    resumed: int = 0

    @property
    def failed(self) -> list[SyncResult]:
        """Tables of which nothing was stored."""
        return [result for result in self.results if result.error is not None]


@dataclass(frozen=True, slots=True)
class _History:
    """What the store knows of one API: which sync to go on with, and since when each table is known."""

    sync_id: str
    done: frozenset[str]
    since: Mapping[str, datetime]


def from_dump(
    root: str, folder: Path, *, now: Callable[[], datetime], unique: Callable[[], str]
) -> list[SyncResult]:
    """Take recorded answers of Prefect's API into the store; what is already there is left alone.

    Every file is read before anything is written: a broken one leaves the store as it was.
    """
    taken_at = now()
    snapshots = list(prefect.read_dump(folder, taken_at))
    target = store.create_store(root)
    sync_id = unique()
    results = []
    for snapshot in snapshots:
        new = store.append_records(target, snapshot.table, snapshot.id, snapshot.rows, unique())
        told = snapshot.record
        if told is None and new:
            told = {
                "sync_id": sync_id,
                "table_name": snapshot.table,
                "snapshot_id": snapshot.id,
                "complete": True,
                "fetched_at": taken_at,
                "records": snapshot.rows.num_rows,
                "lpaudit_version": __version__,
            }
        if told is not None:
            gone = snapshot.missing
            new = _record(target, told, gone, unique) or new
        results.append(SyncResult(snapshot.table, snapshot.rows.num_rows, new, len(snapshot.missing)))
    return results


def from_api(
    root: str,
    client: prefect.Client,
    *,
    full: bool,
    dump: Path | None,
    now: Callable[[], datetime],
    unique: Callable[[], str],
    progress: prefect.Observer,
) -> Synced:
    """Read Prefect's records into the store, and with ``dump`` also into files.

    ``full`` asks for everything, also where a window would do. A table that fails is left out,
    and said to be. Raises PrefectError if nothing can be asked at all, StoreError, OutputError.
    """
    version = client.version()
    target = store.create_store(root)
    results: list[SyncResult] = []
    answers: list[tuple[str, bytes]] = []
    records: list[dict[str, Any]] = []
    with pipeline.opened(root) as (connection, _):
        history = _history(connection, client.url, now(), unique, resume=dump is None and not full)
        for collection in prefect.COLLECTIONS.values():
            if collection.table in history.done:
                continue
            begun = now()
            progress.table_started(collection.table)
            told: dict[str, Any] = {
                "sync_id": history.sync_id,
                "table_name": collection.table,
                "server_version": version,
                "api_url": client.url,
                "lpaudit_version": __version__,
            }
            try:
                fetched = prefect.fetch(
                    client,
                    collection,
                    _known(connection, collection, client.url),
                    None if full else history.since.get(collection.table),
                    now=now,
                    progress=progress,
                )
            except PrefectError as error:
                told |= {"complete": False, "started_at": begun, "fetched_at": now(), "error": error.message}
                _record(target, told, (), unique, attempt=unique())
                results.append(SyncResult(collection.table, error=error))
                if _hopeless(results):
                    break
            else:
                told |= _told(fetched)
                results.append(_store(target, fetched, told, unique))
                if dump is not None:
                    answers.append((fetched.table, fetched.data))
                    records.append(told | {"missing": list(fetched.missing)})
            finally:
                progress.table_finished(collection.table)
    rest = [c for c in prefect.COLLECTIONS if c not in history.done and c not in {r.table for r in results}]
    if rest:
        results += [SyncResult(table, error=results[-1].error) for table in rest]
    synced = Synced(results, version, len(history.done))
    if dump is not None and not synced.failed:
        prefect.write_dump(dump, answers, records)
    return synced


def _hopeless(results: list[SyncResult]) -> bool:
    """Tell whether to stop asking: the last failure is one that lasts, or the second one in a row."""
    last = results[-1].error
    return last is not None and (last.lasting or (len(results) > 1 and results[-2].error is not None))


def _told(fetched: prefect.Fetched) -> dict[str, Any]:
    """Return what a snapshot's record says of an answer."""
    return {
        "snapshot_id": fetched.id,
        "complete": True,
        "started_at": fetched.started_at,
        "fetched_at": fetched.fetched_at,
        "window_start": fetched.window_start,
        "window_end": fetched.started_at,
        "asked": prefect.told(fetched.asked),
        "pages": fetched.pages,
        "records": fetched.rows.num_rows,
    }


def _store(
    target: store.Store, fetched: prefect.Fetched, told: dict[str, Any], unique: Callable[[], str]
) -> SyncResult:
    records = fetched.rows.num_rows
    new = records > 0 and store.append_records(target, fetched.table, fetched.id, fetched.rows, unique())
    _record(target, told, fetched.missing, unique)
    return SyncResult(fetched.table, records, new, len(fetched.missing))


def _record(
    target: store.Store,
    told: Mapping[str, Any],
    missing: tuple[str, ...],
    unique: Callable[[], str],
    *,
    attempt: str = "",
) -> bool:
    """Store a snapshot's record and before it what was missing; False if they are there already."""
    key = f"{told['sync_id']}:{told['table_name']}{attempt and ':'}{attempt}"
    if missing:
        gone = [
            {
                "sync_id": told["sync_id"],
                "table_name": told["table_name"],
                "id": id_,
                "missing_since": told["fetched_at"],
            }
            for id_ in missing
        ]
        rows = pa.Table.from_pylist(gone, schema=tables()["missing_object"].arrow)
        ids = sha256(" ".join(missing).encode()).hexdigest()
        store.append_records(target, "missing_object", f"{key}:{ids}", rows, unique())
    row = {**told, "missing": len(missing)}
    rows = pa.Table.from_pylist([row], schema=tables()["snapshot"].arrow)
    return store.append_records(target, "snapshot", key, rows, unique())


_LAST = """
select sync_id, min(started_at) as begun, list(table_name) filter (complete) as done
from snapshot where api_url = $url and started_at is not null
group by sync_id order by begun desc, sync_id limit 1
"""
_SINCE = """
select table_name, max(started_at) as since from snapshot
where api_url = $url and complete group by table_name
"""
_KNOWN = """
select id, {columns} from {table}_latest
where missing_since is null and id in (
  select id from {table} semi join (
    select snapshot_id from snapshot where api_url = $url and table_name = '{table}'
  ) using (snapshot_id)
)
"""


def _history(
    connection: Connection, url: str, now: datetime, unique: Callable[[], str], *, resume: bool
) -> _History:
    since = {r["table_name"]: r["since"] for r in connection.select(_SINCE, {"url": url}).to_pylist()}
    last = connection.select(_LAST, {"url": url}).to_pylist()
    if resume and last and last[0]["begun"] > now - _RESUMED:
        done = frozenset(last[0]["done"] or ())
        if not done >= prefect.COLLECTIONS.keys():
            return _History(last[0]["sync_id"], done, since)
    return _History(unique(), frozenset(), since)


def _known(connection: Connection, collection: prefect.Collection, url: str) -> dict[str, prefect.Seen]:
    """Return what this API had of a table when it was last asked."""
    if collection.window is prefect.Window.OCCURRED:
        return {}
    runs = collection.window is prefect.Window.RUNS
    columns = "created, state_type, end_time" if runs else "created, null as state_type, null as end_time"
    known = connection.select(_KNOWN.format(table=collection.table, columns=columns), {"url": url})
    return {
        row["id"]: prefect.Seen(row["created"], row["state_type"], row["end_time"])
        for row in known.to_pylist()
    }
