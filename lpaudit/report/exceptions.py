"""A control's answer → its exceptions, each with an id that is the same the next night."""

import json
from datetime import datetime
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.model import Check, Result
from lpaudit.visible import instant

EXCEPTION_ID = "exception_id"
"""The column that is put before those of a control."""

FINDING = "finding"
"""A boolean column by which a control says which of its rows are exceptions. Without it, all are."""


def exceptions(result: Result) -> pa.Table:
    """Return the rows that are exceptions, with the same columns; of a table, none."""
    return among(result, result.rows)


def among(result: Result, rows: pa.Table) -> pa.Table:
    """Return those of the rows, which are a result's with more columns, that are exceptions."""
    if result.check.kind != "control":
        return rows.slice(0, 0)
    if FINDING not in rows.column_names:
        return rows
    return rows.filter(pc.fill_null(pc.equal(rows.column(FINDING), pa.scalar(value=True)), fill_value=False))


def exception_ids(check: Check, rows: pa.Table) -> list[str]:
    """Return each row's id: 16 hex digits of a SHA-256 over the check's id and the values of its key."""
    columns = [rows.column(name).to_pylist() for name in check.key]
    return [_id(check.id, values) for values in zip(*columns, strict=True)]


def anchor(exception_id: str) -> str:
    """Return the id that an exception's first row has in HTML."""
    return f"exception-{exception_id}"


def _id(check_id: str, values: tuple[object, ...]) -> str:
    told = [instant(v) if isinstance(v, datetime) else v for v in values]
    text = json.dumps([check_id, *told], ensure_ascii=False, separators=(",", ":"), default=str)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
