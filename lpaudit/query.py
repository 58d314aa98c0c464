"""Read-only SQL over one snapshot of the store: DuckDB, locked down.

Path settings of DuckDB do not protect files (with a store in `allowed_directories`, COPY
wrote into it), so it is given none: the tables are Arrow datasets that were opened before
the doors were shut, and a query is exactly one SELECT.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from lpaudit import routes
from lpaudit.errors import QueryError, StoreError
from lpaudit.schema import tables

_MEMORY = "2GB"
_READING = ("get_next failed", "arrow_scan", "reading the stream registered as")
_LOCKDOWN = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_progress_bar = false",  # it would be drawn on stdout, among the rows
    f"SET memory_limit = '{_MEMORY}'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open, locked connection."""

    duckdb: duckdb.DuckDBPyConnection
    unreadable: Callable[[Exception], StoreError]

    def select(self, sql: str, parameters: dict[str, object] | None = None) -> pa.Table:
        """Run one SELECT with exactly its named parameters. Raises QueryError with DuckDB's own words."""
        with self._explained():
            statement = self._statement(sql)
            given = parameters or {}
            names = set(statement.named_parameters)
            if names != set(given):
                wrong = ", ".join(f"${name}" for name in sorted(names ^ set(given)))
                raise QueryError(
                    f"the query and its parameters differ: {wrong}",
                    hint="every $name needs exactly one value",
                )
            table: pa.Table = self._interruptibly(
                lambda: self.duckdb.sql(statement, params=given).to_arrow_table()
            )
            return table

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Run one SELECT and return its rows a batch at a time. Raises QueryError."""
        with self._explained():
            statement = self._statement(sql)
            return self._interruptibly(lambda: self.duckdb.sql(statement).to_arrow_reader(10_000))

    def _interruptibly(self, work: Callable[[], Any]) -> Any:
        """Let another thread do what may take long: in C++ this one would not hear of Ctrl-C."""
        with ThreadPoolExecutor(1) as other:
            future = other.submit(work)
            try:
                # Awake now and then: the signal may reach a thread that is not Python's.
                while not wait([future], timeout=0.1).done:
                    pass
            except KeyboardInterrupt:
                self.duckdb.interrupt()
                raise
            return future.result()

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``stream``. Raises QueryError for what fails while they are made."""
        with self._explained():
            while (batch := self._interruptibly(lambda: next(reader, None))) is not None:
                yield batch

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
        if statements[0].type != duckdb.StatementType.SELECT:
            kind = statements[0].type.name
            raise QueryError(
                f"{kind} is refused: the store is read-only, and a query is one SELECT",
                hint="write rows to a file with --format csv -o FILE"
                if kind in ("COPY", "EXPORT")
                else "`lpaudit tables` lists what can be selected",
            )
        return statements[0]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.PermissionException as error:
            raise QueryError(
                _clean(error), hint="a query sees the store's tables and nothing else: `lpaudit tables`"
            ) from None
        except duckdb.CatalogException as error:
            raise QueryError(_clean(error), hint="`lpaudit tables` lists tables, views and columns") from None
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.OutOfMemoryException:
            raise StoreError(
                f"the query needs more memory than {_MEMORY}",
                hint="aggregate, or narrow it with where and limit",
            ) from None
        except RuntimeError as error:
            if "interrupted" in str(error).lower():
                raise KeyboardInterrupt from None
            raise
        except (OSError, pa.ArrowException) as error:
            raise self.unreadable(error) from error
        except duckdb.Error as error:
            if any(words in str(error) for words in _READING):
                raise self.unreadable(error) from error
            raise QueryError(_clean(error)) from None

    def close(self) -> None:
        """Let go of the snapshot."""
        self.duckdb.close()


def connect(
    datasets: Mapping[str, Any],
    unreadable: Callable[[Exception], StoreError] | None = None,
    api_prefixes: Sequence[str] = routes.PREFIXES,
    only: Collection[str] | None = None,
) -> Connection:
    """Open a connection over Arrow datasets of tables by name; a table without any is an empty one.

    ``only`` names tables whose views are about them alone: then there are no others, which is quick.

    The datasets are those of one version of each table: a query is never half old and half
    new. ``unreadable`` says what it means that one of their files cannot be read, and
    ``api_prefixes`` below which paths Prefect's API is (``routes.prefixes``).
    """
    connection = duckdb.connect(":memory:")
    wanted = {name: table for name, table in tables().items() if only is None or name in only}
    for name, table in wanted.items():
        dataset = datasets.get(name)
        connection.register(name, table.arrow.empty_table() if dataset is None else dataset)
    if only is None:
        _know_routes(connection, api_prefixes)
    for table in wanted.values():
        for view in table.views:
            connection.execute(f'create view "{view.name}" as {view.sql}')
    for setting in _LOCKDOWN:
        connection.execute(setting)
    return Connection(connection, unreadable or _damaged)


def _know_routes(connection: duckdb.DuckDBPyConnection, api_prefixes: Sequence[str]) -> None:
    connection.register(routes.RELATION, routes.catalogue().arrow)
    for name, value in routes.variables().items():
        connection.execute(f"set variable {name} = $value", {"value": value})
    for macro in routes.macros(api_prefixes):
        connection.execute(macro)


def _damaged(error: Exception) -> StoreError:
    return StoreError(f"a file cannot be read: {str(error).splitlines()[0]}")


def _clean(error: duckdb.Error) -> str:
    return str(error).strip()
