"""Every other room, in order: what the commands do beside ingesting and syncing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from lpaudit import STORE_VERSION, __version__, act, focus, guard, query, routes, store, tally
from lpaudit.model import Check, Checkpoint, LogKind, Period, Select
from lpaudit.outfile import together
from lpaudit.schema import tables

if TYPE_CHECKING:
    from lpaudit.report import Document, Library


_LARGE = tuple(kind.table for kind in LogKind)
"""Tables that DuckDB reads by itself, where it can: of many rows that is quicker, and takes less memory."""


@contextmanager
def opened(
    root: str, api_prefixes: Sequence[str] = routes.PREFIXES
) -> Iterator[tuple[query.Connection, dict[str, int]]]:
    """Open a snapshot of a store for reading; also say each table's version (Delta's)."""
    with _snapshot(store.open_store(root), api_prefixes) as snapshot:
        yield snapshot


def select(root: str, table: str, sql: str, parameters: dict[str, object] | None = None) -> pa.Table:
    """Ask one table and its views, which are about it alone. Raises StoreError."""
    target = store.open_store(root)
    opened_table = target.table(table)
    act.opened({table: opened_table.version()} if opened_table is not None and table != act.TRAIL else {})
    dataset = target.dataset(table, opened_table)
    unreadable = partial(target.unreadable, {table: opened_table})
    connection = query.connect({table: dataset}, unreadable, only=(table,))
    try:
        return connection.select(sql, parameters)
    finally:
        connection.close()


@contextmanager
def as_if(root: str, besides: Mapping[str, pa.Table]) -> Iterator[query.Connection]:
    """Open a snapshot of a store for reading, as if these rows were stored, too."""
    target = store.open_store(root)
    opened_tables = {name: target.table(name) for name in tables()}
    datasets = _datasets(target, opened_tables)
    for name, rows in besides.items():
        stored = datasets[name]
        datasets[name] = rows if stored is None else pa.concat_tables([stored.to_table(), rows])
    unreadable = partial(target.unreadable, opened_tables)
    with closing(query.connect(datasets, unreadable)) as connection:
        yield connection


@contextmanager
def _snapshot(
    target: store.Store, api_prefixes: Sequence[str] = routes.PREFIXES
) -> Iterator[tuple[query.Connection, dict[str, int]]]:
    opened_tables = {name: target.table(name) for name in tables()}
    unreadable = partial(target.unreadable, opened_tables)
    with closing(query.connect(_datasets(target, opened_tables), unreadable, api_prefixes)) as connection:
        yield connection, _versions(opened_tables)


@contextmanager
def focused(
    target: store.Store, period: Period, api_prefixes: Sequence[str], checks: Iterable[Check]
) -> Iterator[tuple[Callable[..., pa.Table], dict[str, int]]]:
    """Open a snapshot to ask checks about a period; yield what asks it, and the tables' versions."""
    opened_tables = {name: target.table(name) for name in tables()}
    lines = opened_tables[focus.LINES]
    files = target.timed_files(focus.LINES, lines)
    readable = partial(target.readable, focus.LINES, lines)
    datasets = _datasets(target, opened_tables)
    connect = partial(query.connect, datasets, partial(target.unreadable, opened_tables), api_prefixes)
    with guard.scratch() as folder:
        counting = tally.wanted(sql for check in checks for sql in (check.population, check.sql))
        what = focus.Focus(period, files, readable, folder / "period.duckdb", counting)
        with closing(connect(focused=what)) as near, closing(connect(focused=what, copied=False)) as far:
            yield query.either(near, far), _versions(opened_tables)


def _datasets(target: store.Store, opened_tables: Mapping[str, store.Table | None]) -> dict[str, Any]:
    return {
        name: (target.all_readable if name in _LARGE else target.dataset)(name, table)
        for name, table in opened_tables.items()
    }


def _versions(opened_tables: Mapping[str, store.Table | None]) -> dict[str, int]:
    versions = {
        name: table.version()
        for name, table in opened_tables.items()
        if table is not None and name != act.TRAIL
    }
    act.opened(versions)
    return versions


def column_types(name: str) -> dict[str, str]:
    """Return the columns of a table or view with their SQL types, in order."""
    connection = query.connect({})
    try:
        described = connection.select(f'describe "{name}"').to_pylist()
    finally:
        connection.close()
    return {row["column_name"]: row["column_type"] for row in described}


def data_files(root: str) -> list[tuple[str, str]]:
    """Return (table, file) for every data file that a table consists of now, and no other file."""
    target = store.open_store(root)
    return [(name, file) for name in tables() for file in sorted(target.files(name, target.table(name)))]


# `from` and `to` are words of SQL.
_OPEN_GAPS = """
select source, host_name as host, source_id, "from", "to", bytes, lines, cause, from_offset, detected_at
from open_gap
order by source, "from", gap_id
"""


@dataclass(frozen=True, slots=True)
class CompactResult:
    """What a compaction did: with each table, with segments, and with old entries of the tables' logs.

    ``removed`` is how many files it has done away with that were replaced before.
    """

    tables: dict[str, store.Compacted]
    packed: store.Packed
    archived: dict[str, int]
    removed: int


def compact(root: str, *, keep_replaced: int, unique: Callable[[], str]) -> CompactResult:
    """Make few files of many, and remove those that were replaced ``keep_replaced`` hours ago.

    And what crashes have left unfinished. Raises StoreError.
    """
    target = store.open_store(root)
    compacted = {name: store.compact(target, name, unique) for name in tables()}
    packed = store.pack(target, unique)
    archived = {name: store.archive_commits(target, name, unique()) for name in tables()}
    removed = sum(store.remove_replaced(target, name, keep_replaced) for name in tables())
    removed += store.remove_unfinished(target, tables())
    return CompactResult(compacted, packed, archived, removed)


@dataclass(frozen=True, slots=True)
class Status:
    """Where a store is. ``sources`` has the columns of the view ``source``."""

    store: str
    store_version: int
    table_versions: dict[str, int]
    sources: list[dict[str, object]]
    records: dict[str, int]
    bytes_on_disk: int
    missing_segments: list[str]
    gaps: int
    open_gaps: list[dict[str, object]]

    def total(self, column: str) -> int:
        """Sum of a column over all sources."""
        return sum(cast("int", s[column]) for s in self.sources)


def status(root: str) -> Status:
    """Say what a store holds. Raises StoreError."""
    target = store.open_store(root)
    with _snapshot(target) as (connection, versions):
        sources = connection.select("select * from source order by source, source_id").to_pylist()
        names = connection.select("select distinct segment from log_line order by segment")
        segments = names.column("segment").to_pylist()
        records = {
            table.name: connection.select(f"select count(*) n from {table.name}").column("n")[0].as_py()  # noqa: S608 -- our own names
            for table in tables().values()
            if table.dump is not None and table.name in versions
        }
        gaps = connection.select("select count(*) n from coverage_gap").column("n")[0].as_py()
        open_gaps = connection.select(_OPEN_GAPS).to_pylist() if gaps else []
    sizes = target.sizes()
    missing = store.missing_segments(sizes, segments)
    size = sum(sizes.values())
    return Status(target.location, STORE_VERSION, versions, sources, records, size, missing, gaps, open_gaps)


# When the newest of what a report is made from was stored.
_AS_OF = """
select max(stored) as as_of
from (
    select max(ingest_time) as stored from segment union all select max(fetched_at) as stored from snapshot
)
"""


@dataclass(frozen=True, slots=True)
class Written:
    """The files of reports, and why which checks of each framework could not be asked."""

    paths: list[Path]
    errors: dict[str, dict[str, str]]


def reports(  # noqa: PLR0913 -- what, where to, and how
    root: str,
    framework_ids: Sequence[str],
    period: Period,
    out: Path,
    *,
    formats: Sequence[str],
    api_prefixes: Sequence[str] = routes.PREFIXES,
    about: Mapping[str, str] | None = None,
    library: "Library | None" = None,
    seconds: float | None = None,
    instead: Mapping[str, Select] | None = None,
) -> Written:
    """Evaluate frameworks over a period, all of one snapshot, and write a report of each in each format.

    A check that takes longer than ``seconds`` is one that could not be asked; ``instead`` has what else some
    are asked of. ``about`` may name the ``entity`` and the ``system`` for the cover. Either all files are new
    and whole, or none is. Raises LpauditError.
    """
    from lpaudit import report  # noqa: PLC0415 -- templates are for reports alone: start-up time

    report.check_formats(formats)
    with (
        asked(
            root,
            framework_ids,
            period,
            api_prefixes=api_prefixes,
            about=about,
            library=library,
            seconds=seconds,
            instead=instead,
        ) as (documents, _),
        together(out) as draft,
    ):
        made = [report.write(one, form, draft) for one in documents for form in dict.fromkeys(formats)]
    errors = {one.framework.id: report.not_asked(one) for one in documents}
    return Written([out / path.name for path in made], {name: some for name, some in errors.items() if some})


@contextmanager
def asked(
    root: str,
    framework_ids: Sequence[str],
    period: Period,
    *,
    api_prefixes: Sequence[str],
    about: Mapping[str, str] | None,
    library: "Library | None",
    seconds: float | None,
    instead: Mapping[str, Select] | None = None,
) -> "Iterator[tuple[list[Document], Select]]":
    """Evaluate frameworks over a period, and let more be asked of the same snapshot. As ``reports``."""
    from lpaudit import report  # noqa: PLC0415 -- as above

    library = library or report.SHIPPED
    frameworks = [report.load_framework(name, library) for name in dict.fromkeys(framework_ids)]
    target = store.open_store(root)
    checks = [report.load_any(section.check, library) for one in frameworks for section in one.sections]
    with focused(target, period, api_prefixes, checks) as (either, versions):
        limited = partial(either, seconds=seconds)
        select = _remembering(limited)
        head = {
            "store": target.location,
            "store version": str(STORE_VERSION),
            "route catalogue": f"version {routes.catalogue().version}",
            "api prefix": ", ".join(api_prefixes),
        }
        checkpoint = Checkpoint(
            versions=versions,
            as_of=select(_AS_OF, {}).column("as_of")[0].as_py(),
            software={"lpaudit": __version__, "DuckDB": version("duckdb")},
            **(about or {}),
        )
        yield (
            [
                report.document(
                    report.evaluate(framework, period, select, head, library, instead or {}), checkpoint
                )
                for framework in frameworks
            ],
            limited,
        )


def _remembering(select: Select) -> Select:
    """Return a select that asks nothing twice: frameworks have most of their sections in common."""
    answers: dict[str, pa.Table] = {}

    def remembered(sql: str, parameters: dict[str, object]) -> pa.Table:
        key = repr((sql, sorted(parameters.items())))
        if key not in answers:
            answers[key] = select(sql, parameters)
        return answers[key]

    return remembered
