"""Read-only SQL over one snapshot of the store: DuckDB, locked down.

Path settings of DuckDB do not protect files (with a store in `allowed_directories`, COPY
wrote into it), so it is given none: the tables are Arrow datasets that were opened before
the doors were shut, and a query is exactly one SELECT.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from lpaudit.errors import QueryError, StoreError
from lpaudit.schema import tables

_LOCKDOWN = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET memory_limit = '2GB'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open, locked connection."""

    duckdb: duckdb.DuckDBPyConnection

    def select(self, sql: str, parameters: dict[str, object] | None = None) -> pa.Table:
        """Run one SELECT with exactly its named parameters. Raises QueryError with DuckDB's own words."""
        with _explained():
            statement = self._statement(sql)
            given = parameters or {}
            names = set(statement.named_parameters)
            if names != set(given):
                wrong = ", ".join(f"${name}" for name in sorted(names ^ set(given)))
                raise QueryError(
                    f"the query and its parameters differ: {wrong}",
                    hint="every $name needs exactly one value",
                )
            return self.duckdb.sql(statement, params=given).to_arrow_table()

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Run one SELECT and return its rows a batch at a time. Raises QueryError."""
        with _explained():
            return self.duckdb.sql(self._statement(sql)).to_arrow_reader(10_000)

    def explained(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Hand batches on; what fails while they are made is a QueryError, too."""
        with _explained():
            yield from batches

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

    def close(self) -> None:
        """Let go of the snapshot."""
        self.duckdb.close()


def connect(opened: dict[str, DeltaTable | None]) -> Connection:
    """Open a connection over tables by name; one that does not exist yet is an empty one.

    What it sees is the tables' versions as they were opened: a query is never half old and half new.
    """
    connection = duckdb.connect(":memory:")
    for name, table in tables().items():
        delta = opened.get(name)
        files = [] if delta is None else delta.file_uris()
        # Not delta's own dataset (to_pyarrow_dataset): it makes a file whose commit has no
        # statistics of a column vanish as soon as that column is filtered by, and its file
        # system calls back into Python while the interpreter is shutting down, which aborts.
        try:
            dataset = ds.dataset(files, table.arrow, format="parquet") if files else table.arrow.empty_table()
        except (OSError, pa.ArrowException) as error:
            raise _damaged(error) from error
        connection.register(name, dataset)
    for table in tables().values():
        for view in table.views:
            connection.execute(f'create view "{view.name}" as {view.sql}')
    for setting in _LOCKDOWN:
        connection.execute(setting)
    return Connection(connection)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except duckdb.PermissionException as error:
        raise QueryError(
            _clean(error), hint="a query sees the store's tables and nothing else: `lpaudit tables`"
        ) from None
    except duckdb.CatalogException as error:
        raise QueryError(_clean(error), hint="`lpaudit tables` lists tables, views and columns") from None
    except (OSError, pa.ArrowException) as error:
        raise _damaged(error) from error
    except duckdb.Error as error:
        raise QueryError(_clean(error)) from None


def _damaged(error: Exception) -> StoreError:
    return StoreError(
        f"the store is damaged: {str(error).splitlines()[0]}",
        hint="keep it as it is, and restore a copy beside it",
    )


def _clean(error: duckdb.Error) -> str:
    return str(error).strip()
