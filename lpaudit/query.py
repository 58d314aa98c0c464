"""Read-only SQL over one snapshot of the store: DuckDB, locked down.

Path settings of DuckDB do not protect files: with a store in `allowed_directories`, COPY wrote
into it. So a query is exactly one SELECT, and reads the files of the snapshot, by their names, and
Arrow datasets that were opened before the doors were shut. Others it cannot name.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from lpaudit import focus, guard, routes, tally
from lpaudit.errors import QueryError, QueryLimit, StoreError, is_interruption
from lpaudit.schema import tables

_MEMORY = "2GB"
_ANSWER = 1 << 30
"""Bytes of an answer that is held as a whole: DuckDB does not count them as its own."""

_SLICE = 0.1
"""Seconds after which it is looked whether somebody wants to stop."""

_READING = (
    *("get_next failed", "arrow_scan", "reading the stream registered as"),
    *(
        "magic bytes",
        "arquet",
        "TProtocol",
        "ZSTD",
        "zstd",
        "IO Error",
    ),  # of files that DuckDB reads by itself
)
_MISSING = re.compile(r'"(.+)/\*\*/\*\.parquet"')
"""What is not a file DuckDB takes for a folder, into which it may not look."""

_NOT_COPIED = (duckdb.BinderException, duckdb.CatalogException)
"""What a view that asks for such a column ends in."""

_REFUSED = {
    duckdb.PermissionException: "a query sees the store's tables and nothing else: `lpaudit tables`",
    duckdb.CatalogException: "`lpaudit tables` lists tables, views and columns",
    # Their words are the query's, which may be those of _READING.
    duckdb.BinderException: "`lpaudit tables` lists tables, views and columns",
    duckdb.ParserException: "it is DuckDB's SQL; try: select * from access limit 10",
}
_WRONG = "`lpaudit tables NAME` has the columns of a view, with their types"
_CAREFUL = (
    "SET TimeZone = 'UTC'",
    "SET temp_directory = ''",
    f"SET memory_limit = '{_MEMORY}'",
    "SET parquet_metadata_cache = true",
)
_LOCKDOWN = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET secret_directory = ''",  # both directories' names would say whose home this is
    "SET extension_directory = '/dev/null'",
    "SET enable_progress_bar = false",  # it would be drawn on stdout, among the rows
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open, locked connection. ``files`` are those that DuckDB reads by itself."""

    duckdb: duckdb.DuckDBPyConnection
    unreadable: Callable[[Exception], StoreError]
    files: frozenset[str] = frozenset()

    def select(
        self, sql: str, parameters: dict[str, object] | None = None, *, seconds: float | None = None
    ) -> pa.Table:
        """Run one SELECT with exactly its named parameters. Raises QueryError with DuckDB's own words.

        Raises QueryLimit if it takes longer than ``seconds``, or more memory than it may have.
        """
        with self.explained():
            statement = self._statement(sql)
            given = parameters or {}
            names = set(statement.named_parameters)
            if names != set(given):
                wrong = ", ".join(f"${name}" for name in sorted(names ^ set(given)))
                raise QueryError(
                    f"the query and its parameters differ: {wrong}",
                    hint="every $name needs exactly one value",
                )
            table: pa.Table = self._interruptibly(lambda: self._whole(statement, given), seconds)
            return table

    def _whole(self, statement: Any, given: dict[str, object]) -> pa.Table:
        reader = self.duckdb.sql(statement, params=given).to_arrow_reader(100_000)
        batches, size = [], 0
        for batch in reader:
            size += batch.nbytes
            if size > _ANSWER:
                raise QueryLimit(
                    f"the answer has more than {_ANSWER >> 20:,} MiB",
                    hint="aggregate, or narrow it with where and limit",
                )
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)

    def stream(self, sql: str, *, seconds: float | None = None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Run one SELECT and return its columns, and its rows a batch at a time, as they are made.

        Raises QueryError, both at once and while rows are taken; QueryLimit when the last row was not there
        ``seconds`` after the first was asked for, whoever was slow.
        """
        until = None if seconds is None else time.monotonic() + seconds
        with self.explained():
            statement = self._statement(sql)
            reader = self._interruptibly(
                lambda: self.duckdb.sql(statement).to_arrow_reader(10_000), seconds, until
            )
            return reader.schema, self._batches(reader, seconds, until)

    def _batches(
        self, reader: pa.RecordBatchReader, seconds: float | None, until: float | None
    ) -> Iterator[pa.RecordBatch]:
        with self.explained():
            while (batch := self._interruptibly(lambda: next(reader, None), seconds, until)) is not None:
                yield batch

    def _interruptibly(
        self, work: Callable[[], Any], seconds: float | None, until: float | None = None
    ) -> Any:
        """Let another thread do what may take long: in C++ this one would not hear of Ctrl-C.

        It is to be over ``seconds`` from now, or ``until`` (monotonic) if some of them are used up.
        """
        if until is None and seconds is not None:
            until = time.monotonic() + seconds
        left = None if until is None else until - time.monotonic()
        if seconds is not None and left is not None and left <= 0:
            raise guard.took_longer(seconds)
        late = False
        with guard.limited(left, seconds), ThreadPoolExecutor(1) as other:
            future = other.submit(work)
            try:
                # Awake now and then: the signal may reach a thread that is not Python's.
                while not wait([future], timeout=_SLICE).done:
                    late = until is not None and time.monotonic() >= until
                    if late:
                        self.duckdb.interrupt()
            except KeyboardInterrupt:
                self.duckdb.interrupt()
                raise
            if seconds is not None and late and future.exception():
                raise guard.took_longer(seconds)
            return future.result()

    def _statement(self, sql: str) -> Any:  # duckdb's stubs do not name its Statement
        if not sql.isprintable():
            try:
                sql.encode()
            except UnicodeEncodeError:
                raise QueryError("the query is not UTF-8", hint="check the terminal's encoding") from None
        statements = self.duckdb.extract_statements(sql)
        if not statements:
            raise QueryError("there is no query", hint="try: select * from access limit 10")
        if len(statements) > 1:
            raise QueryError("one query at a time", hint="leave out what follows the first ;")
        kind = _kind(statements[0])
        if kind != duckdb.StatementType.SELECT.name:
            raise QueryError(
                f"{kind} is refused: the store is read-only, and a query is one SELECT",
                hint="write rows to a file with --format csv -o FILE"
                if kind in ("COPY", "EXPORT")
                else "a pivot names its values: pivot … on … in (…)"
                if kind == "MULTI"
                else "`lpaudit tables` lists what can be selected",
            )
        return statements[0]

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Have DuckDB's errors told in our words."""
        try:
            yield
        except tuple(_REFUSED) as error:
            if (missing := _MISSING.search(str(error))) and missing[1] in self.files:
                raise self.unreadable(FileNotFoundError(f"{missing[1]} is not there")) from None
            raise QueryError(_clean(error), hint=_REFUSED[type(error)]) from None
        except duckdb.OutOfMemoryException:
            raise QueryLimit(
                f"the query needs more memory than {_MEMORY}",
                hint="aggregate, or narrow it with where and limit",
            ) from None
        except (duckdb.InterruptException, RuntimeError) as error:
            if "interrupted" in str(error).lower():
                raise KeyboardInterrupt from None
            raise
        except (OSError, pa.ArrowException) as error:
            raise self.unreadable(error) from error
        except duckdb.Error as error:
            if is_interruption(error):
                raise KeyboardInterrupt from None
            if any(words in str(error) for words in _READING):
                raise self.unreadable(error) from error
            raise QueryError(_clean(error), hint=_WRONG) from None

    def replace(self, datasets: Mapping[str, Any]) -> None:
        """Ask other tables from now on: these, and all others empty. Views are over them as before."""
        for name, table in tables().items():
            dataset = datasets.get(name)
            self.duckdb.register(name, table.arrow.empty_table() if dataset is None else dataset)

    def close(self) -> None:
        """Let go of the snapshot."""
        self.duckdb.close()


def either(first: Connection, second: Connection) -> Callable[..., pa.Table]:
    """Return a select that asks one connection, and if it does not know what is asked for, the other one."""

    def select(
        sql: str, parameters: dict[str, object] | None = None, *, seconds: float | None = None
    ) -> pa.Table:
        try:
            return first.select(sql, parameters, seconds=seconds)
        except QueryLimit:
            raise
        except QueryError:
            return second.select(sql, parameters, seconds=seconds)

    return select


def connect(
    datasets: Mapping[str, Any],
    unreadable: Callable[[Exception], StoreError] | None = None,
    api_prefixes: Sequence[str] = routes.PREFIXES,
    only: Collection[str] | None = None,
    focused: focus.Focus | None = None,
    *,
    copied: bool = True,
) -> Connection:
    """Open a connection over Arrow datasets of tables by name; a table without any is an empty one.

    Instead of a dataset there may be a tuple of Parquet files, which are then all that can be read.

    ``only`` names tables whose views are about them alone: then there are no others, which is quick.
    ``focused`` copies the lines of a period first, to ask much about them: then columns and views that
    were not asked for beforehand are not there. Without ``copied`` they are, and are read from the store.

    The datasets are those of one version of each table: a query is never half old and half
    new. ``unreadable`` says what it means that one of their files cannot be read, and
    ``api_prefixes`` below which paths Prefect's API is (``routes.prefixes``).
    """
    connection = duckdb.connect(":memory:")
    files = [path for dataset in datasets.values() if isinstance(dataset, tuple) for path in dataset]
    opened = Connection(connection, unreadable or _damaged, frozenset(files))
    wanted = {name: table for name, table in tables().items() if only is None or name in only}
    for name, table in wanted.items():
        dataset = datasets.get(name)
        focus.know(connection, name, table.arrow.empty_table() if dataset is None else dataset)
    if only is None:
        _know_routes(connection, api_prefixes)
    sql = {view.name: view.sql for table in wanted.values() for view in table.views}
    with opened.explained(), _with_room_for(focused):
        if focused is not None:
            for setting in _CAREFUL:
                connection.execute(setting)
            sql |= (focus.focus if copied else focus.divide)(connection, focused)
        for name, text in sql.items():
            with suppress(*(_NOT_COPIED if focused else ())):
                made = text
                if focused and copied:
                    made = (
                        tally.make(connection, focused)
                        if name == tally.VIEW
                        else focus.make(connection, name, text)
                    )
                connection.execute(f'create view "{name}" as {made}')
    if files:
        connection.execute("SET allowed_paths = $files", {"files": files})
    for setting in (*_CAREFUL, *_LOCKDOWN):
        connection.execute(setting)
    return opened


@contextmanager
def _with_room_for(focused: focus.Focus | None) -> Iterator[None]:
    """Say where there is too little room for a copy, if there is."""
    try:
        yield
    except duckdb.IOException as error:
        if focused is None or str(focused.database) not in str(error):
            raise
        reason = str(error).rpartition(": ")[2].lower()
        raise StoreError(
            f"cannot copy the period's lines to {focused.database.parent.parent}: {reason}",
            hint="name a directory with more room: TMPDIR=DIR lpaudit … (a million lines take some 80 MB)",
        ) from None


def _know_routes(connection: duckdb.DuckDBPyConnection, api_prefixes: Sequence[str]) -> None:
    connection.register(routes.RELATION, routes.catalogue().arrow)
    for name, value in routes.variables().items():
        connection.execute(f"set variable {name} = $value", {"value": value})
    for macro in routes.macros(api_prefixes):
        connection.execute(macro)


def _damaged(error: Exception) -> StoreError:
    return StoreError(f"a file cannot be read: {str(error).splitlines()[0]}")


def _kind(statement: Any) -> str:
    try:
        return str(statement.type.name)
    except ValueError:  # DuckDB has more kinds than its Python package has names: UPDATE EXTENSIONS
        return "this"


def _clean(error: duckdb.Error) -> str:
    return str(error).strip()
