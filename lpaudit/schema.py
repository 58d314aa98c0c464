"""schemas/*.toml → Arrow schemas, views and the data dictionary.

The TOML files are the single source of truth: a column exists because a file there says
so, with its type, its meaning and its names in the neighbouring standards.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
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


UNIQUE = frozenset({"line_id", "byte_offset", "line_number", "url_original", "url_path", "raw", "message"})
"""Columns in which hardly two rows have the same."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column, and what it is called elsewhere.

    ``words`` are all that it may hold, if that is known; with ``open_words``, all that is usual.
    """

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
    words: tuple[str, ...] = ()
    open_words: bool = False


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view."""

    name: str
    sql: str
    description: str


@dataclass(frozen=True, slots=True)
class View:
    """A named question, most often over one table. ``relation`` is what it is asked of, in SQL."""

    name: str
    title: str
    description: str
    columns: tuple[ViewColumn, ...]
    sql: str
    relation: str = ""


@dataclass(frozen=True)
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

    @cached_property
    def travelling(self) -> pa.Schema:
        """The same as rows have it on their way to a file: a text that many rows have is there once."""
        return pa.schema(
            [pa.field(f.name, _travelling(f), nullable=f.nullable) for f in self.fields],
            metadata=self.arrow.metadata,
        )

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema; each field's metadata explains it, so that a Parquet file explains itself."""
        return pa.schema(
            [
                pa.field(f.name, TYPES[f.type], nullable=f.nullable, metadata=_metadata(f))
                for f in self.fields
            ],
            metadata={"lpaudit.table": self.name, "lpaudit.schema_version": str(self.version)},
        )


def _travelling(field: Field) -> pa.DataType:
    if field.type != "string" or field.name == "line_id":
        return TYPES[field.type]
    return pa.string_view() if field.name in UNIQUE else pa.dictionary(pa.int32(), pa.string())


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
    return View(raw["name"], raw["title"], raw["description"], tuple(columns), sql, raw.get("from", table))


def _inner(sql: str) -> str:
    """Return the column that ``min(column)`` or ``arg_max(column, …)`` is about."""
    return sql.partition("(")[2].rstrip(")").partition(",")[0] or sql


def _table(raw: dict[str, Any]) -> Table:
    fields = tuple(
        Field(**{**f, "json": tuple(f.get("json", ())), "words": tuple(f.get("words", ()))})
        for f in raw["field"]
    )
    return Table(
        name=raw["name"],
        version=raw["version"],
        title=raw["title"],
        description=raw["description"],
        key=tuple(raw["key"]),
        fields=fields,
        views=(*_snapshot_views(raw, fields), *(_view(v, raw["name"], fields) for v in raw.get("view", ()))),
        dump=raw.get("dump"),
        drop=tuple(raw.get("drop", ())),
    )


# The newest version of each record. A snapshot may have been taken again, unchanged: then its rows are
# as new as the last time. What was gone and came back is not missing.
_LATEST = """
select {columns}, last_seen, case when gone > last_seen then gone end as missing_since
from (
  select *, coalesce(seen, fetched_at) as last_seen
  from {table}
  left join (
    select snapshot_id as seen_id, max(fetched_at) as seen from snapshot
    where table_name = '{table}' group by snapshot_id
  ) on seen_id = snapshot_id
  qualify row_number() over (partition by id order by coalesce(seen, fetched_at) desc, snapshot_id) = 1
)
left join (
  select id as gone_id, max(missing_since) as gone from missing_object
  where table_name = '{table}' group by id
) on gone_id = id
"""
_AS_OF = """
select
  id, {columns}, valid_from,
  lead(valid_from) over (partition by id order by valid_from) as valid_to,
  snapshot_id
from (
  select *, case when first then least(coalesce(created, seen), seen) else seen end as valid_from
  from (
    select
      *,
      row_number() over in_order = 1 as first,
      lag(row({columns})) over in_order is distinct from row({columns}) as other
    from (
      select {table}.*, coalesce(snapshot.fetched_at, {table}.fetched_at) as seen
      from {table}
      left join snapshot
      on snapshot.snapshot_id = {table}.snapshot_id and snapshot.table_name = '{table}'
    )
    window in_order as (partition by id order by seen, snapshot_id)
  )
  where first or other
)
"""


def _snapshot_views(raw: dict[str, Any], fields: tuple[Field, ...]) -> list[View]:
    """Return the views that every table of Prefect's records has."""
    if "dump" not in raw:
        return []
    table, title, stored = raw["name"], raw["title"], {f.name: f.description for f in fields}
    names = ", ".join(f'"{name}"' for name in stored)
    latest = View(
        f"{table}_latest",
        f"{title}, latest",
        f"The newest version of each record of `{table}`, also of those that Prefect no longer has.",
        (
            *(ViewColumn(name, f'"{name}"', text) for name, text in stored.items()),
            ViewColumn("last_seen", "last_seen", "When Prefect last returned it so (UTC)."),
            ViewColumn(
                "missing_since",
                "missing_since",
                "When Prefect was first asked for it in vain (UTC): deleted between `last_seen` and then.",
            ),
        ),
        " ".join(_LATEST.format(table=table, columns=names).split()),
    )
    if "as_of" not in raw:
        return [latest]
    kept = ", ".join(f'"{name}"' for name in raw["as_of"])
    as_of = View(
        f"{table}_as_of",
        f"{title}, as of a time",
        f"What each record of `{table}` was called, and when; also those that Prefect no longer has.",
        (
            *(ViewColumn(name, f'"{name}"', stored[name]) for name in ("id", *raw["as_of"])),
            ViewColumn(
                "valid_from",
                "valid_from",
                "When the snapshot was fetched that first shows it so (UTC); "
                "of the first known version, when the record was created.",
            ),
            ViewColumn(
                "valid_to", "valid_to", "When it was seen to be otherwise (UTC), excluded; null if never."
            ),
            ViewColumn("snapshot_id", "snapshot_id", "The snapshot that first shows it so."),
        ),
        " ".join(_AS_OF.format(table=table, columns=kept).split()),
    )
    return [latest, as_of]


class _Tables(Mapping[str, Table]):
    """Tables by name, each read when it is asked for: to parse all of them takes longer than a small log."""

    def __init__(self) -> None:
        self._files = {path.stem: path for path in sorted(folder("schemas").glob("*.toml"))}
        self._read: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self._read:
            self._read[name] = _table(tomllib.loads(self._files[name].read_text("utf-8")))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@cache
def tables() -> Mapping[str, Table]:
    """Every table by name, in the order of the files' names, which are theirs."""
    return _Tables()
