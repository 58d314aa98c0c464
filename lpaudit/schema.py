"""schemas/*.toml → Arrow schemas, views and the data dictionary.

The TOML files are the single source of truth: a column exists because a file there says
so, with its type, its meaning and its names in the neighbouring standards.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from lpaudit.resources import folder

# The closed vocabulary of types. Delta tables have no unsigned integers and no
# nanoseconds, so there are none here.
TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "small": pa.int16(),
    "int": pa.int32(),
    "integer": pa.int64(),
    "instant": pa.timestamp("us", tz="UTC"),
    "map": pa.map_(pa.string(), pa.string()),
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column, and what it is called elsewhere."""

    name: str
    type: str
    nullable: bool
    sensitivity: str
    description: str
    example: str
    directive: str | None = None
    otel: str | None = None
    ecs: str | None = None
    ocsf: str | None = None
    json: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view."""

    name: str
    sql: str
    description: str


@dataclass(frozen=True, slots=True)
class View:
    """A named question, most often over one table."""

    name: str
    title: str
    description: str
    columns: tuple[ViewColumn, ...]
    sql: str


@dataclass(frozen=True, slots=True)
class Table:
    """A stored table."""

    name: str
    version: int
    title: str
    description: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    views: tuple[View, ...]
    dump: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema; each field's metadata explains it, so that a Parquet file explains itself."""
        return pa.schema(
            [
                pa.field(f.name, TYPES[f.type], nullable=f.nullable, metadata=_metadata(f))
                for f in self.fields
            ],
            metadata={"lpaudit.table": self.name, "lpaudit.schema_version": str(self.version)},
        )


def _metadata(field: Field) -> dict[str, str]:
    named = {"description": field.description, "sensitivity": field.sensitivity, "directive": field.directive}
    standards = {"otel": field.otel, "ecs": field.ecs, "ocsf": field.ocsf}
    return {key: value for key, value in (named | standards).items() if value}


def _view(raw: dict[str, Any], table: str, fields: tuple[Field, ...]) -> View:
    described = {f.name: f.description for f in fields}
    columns = [
        ViewColumn(c["name"], c["sql"], c.get("description") or described[_inner(c["sql"])])
        for c in raw["columns"]
    ]
    if raw.get("with_stored_columns"):
        taken = {c.name for c in columns}
        columns += [ViewColumn(f.name, f'"{f.name}"', f.description) for f in fields if f.name not in taken]
    select = ", ".join(f'{c.sql} as "{c.name}"' for c in columns)
    clauses = {
        "where": raw.get("where"),
        "group by": ", ".join(raw.get("group_by", ())),
        "qualify": raw.get("qualify"),
    }
    tail = "".join(f" {word} {clause}" for word, clause in clauses.items() if clause)
    sql = f"select {select} from {raw.get('from', table)}{tail}"  # noqa: S608 -- from our own schema files, not from input
    return View(raw["name"], raw["title"], raw["description"], tuple(columns), sql)


def _inner(sql: str) -> str:
    """Return the column that ``min(column)`` or ``arg_max(column, …)`` is about."""
    return sql.partition("(")[2].rstrip(")").partition(",")[0] or sql


def _table(raw: dict[str, Any]) -> Table:
    fields = tuple(Field(**{**f, "json": tuple(f.get("json", ()))}) for f in raw["field"])
    return Table(
        name=raw["name"],
        version=raw["version"],
        title=raw["title"],
        description=raw["description"],
        key=tuple(raw["key"]),
        fields=fields,
        views=tuple(_view(v, raw["name"], fields) for v in raw.get("view", ())),
        dump=raw.get("dump"),
        drop=tuple(raw.get("drop", ())),
    )


@cache
def tables() -> dict[str, Table]:
    """Every table by name, in the order of the files' names."""
    loaded = (
        _table(tomllib.loads(path.read_text("utf-8"))) for path in sorted(folder("schemas").glob("*.toml"))
    )
    return {table.name: table for table in loaded}
