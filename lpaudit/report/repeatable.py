"""A check's SQL → what in it would give another answer when it is asked again.

DuckDB itself says how it reads the SQL: names in comments, strings and after `as` are no calls.
"""

import json
from collections.abc import Iterator
from functools import cache

import duckdb

_BARE = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
"""What needs no brackets, so that it looks like a column."""

_CALLED = _BARE | {
    "ago",
    "current_connection_id",
    "current_localtime",
    "current_localtimestamp",
    "current_query_id",
    "current_transaction_id",
    "current_setting",
    "currval",
    "gen_random_uuid",
    "get_current_time",
    "get_current_timestamp",
    "nextval",
    "now",
    "pg_conf_load_time",
    "pg_postmaster_start_time",
    "random",
    "setseed",
    "today",
    "transaction_timestamp",
    "txid_current",
    "uuid",
    "uuidv4",
    "uuidv7",
}
"""Of the functions that DuckDB calls volatile, or consistent within a query only, those that are."""

_OF_DUCKDB = ("duckdb_", "pragma_")
"""What tells of DuckDB, and of the machine that it runs on, begins so: functions, and views of them."""


def changing(sql: str) -> str | None:
    """Return a name in a SELECT that stands for the clock, chance or this DuckDB; None if there is none."""
    with _parser().cursor() as cursor:  # one of its own: threads may ask at once
        found = cursor.execute("select json_serialize_sql($sql)", {"sql": sql}).fetchone()
    return next(_changing(json.loads(found[0])), None) if found else None


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": 1})


def _changing(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _changing(each)
    if not isinstance(node, dict):
        return
    match node:
        case {"class": "FUNCTION", "function_name": str(name), "arguments": list(given)}:
            of_today = name == "age" and len(given) == 1
            if of_today or name in _CALLED or name.startswith(_OF_DUCKDB):
                yield name
        case {"type": "BASE_TABLE", "table_name": str(name)} if name.lower().startswith(_OF_DUCKDB):
            yield name
        case {"class": "COLUMN_REF", "column_names": [str(name)]} if name.lower() in _BARE:
            yield name
        case {"sample": dict()}:
            yield "sample"
    for each in node.values():
        yield from _changing(each)
