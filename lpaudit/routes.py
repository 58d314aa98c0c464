"""schemas/routes → the routes of Prefect's API, and the SQL that finds a request's route.

Which route a request has is computed when it is asked for: the stored line stays as it is, and
a better catalogue is a better answer about the past as well.
"""

import csv
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lpaudit.errors import ConfigError
from lpaudit.resources import folder

if TYPE_CHECKING:
    import pyarrow as pa

PREFIXES = ("/api", "/prefect/api")
RELATION = "route_catalogue"

_HEX = "[0-9a-fA-F]"
# What Starlette's converter or pydantic takes for a UUID: dashes, braces and urn:uuid: may be there or not.
_UUID = rf"(?:urn:uuid:|\{{)?{_HEX}{{8}}-?(?:{_HEX}{{4}}-?){{3}}{_HEX}{{12}}\}}?"
_PARAMETER = "{}"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API. Empty texts where there is none."""

    method: str
    template: str
    transport: str
    action: str
    privileged: str
    resource_type: str
    resource_parameter: str
    resource_kind: str
    parent_type: str
    parent_parameter: str
    parent_kind: str
    openapi: str
    since: str
    until: str
    why: str

    @property
    def segments(self) -> list[str]:
        """The template's segments. A slash at its end is none: Starlette redirects to the other writing."""
        return self.template.strip("/").split("/")

    @property
    def mask(self) -> tuple[bool, ...]:
        """Which segments are parameters."""
        return tuple(s.startswith("{") for s in self.segments)

    @property
    def key(self) -> str:
        """The operation without its parameters' names, by which it is looked up."""
        shape = (_PARAMETER if free else s for s, free in zip(self.segments, self.mask, strict=True))
        return f"{self.method} /{'/'.join(shape)}"

    def position(self, parameter: str) -> int:
        """Which segment of a path a parameter is, where 1 is before the first slash; 0 for none."""
        return self.segments.index(f"{{{parameter}}}") + 2 if parameter else 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The routes, and of which versions of Prefect they are."""

    version: int
    prefect: tuple[str, ...]
    routes: tuple[Route, ...]

    @property
    def arrow(self) -> "pa.Table":
        """The catalogue as the relation behind the view ``route``."""
        import pyarrow as pa  # noqa: PLC0415 -- start-up time: the settings know the default prefixes

        texts = {
            name: pa.array([getattr(r, name) or None for r in self.routes], pa.string())
            for name in Route.__dataclass_fields__
        }
        privileged = pa.array([r.privileged == "true" for r in self.routes], pa.bool_())
        whole = pa.array([self.version] * len(self.routes), pa.int32())
        covered = pa.array([", ".join(self.prefect)] * len(self.routes), pa.string())
        return pa.table(texts | {"privileged": privileged, "catalogue": whole, "covered": covered})


@cache
def catalogue() -> Catalogue:
    """Read the catalogue."""
    where = folder("schemas") / "routes"
    head = tomllib.loads((where / "prefect.toml").read_text("utf-8"))
    rows = csv.DictReader((where / "prefect.csv").read_text("utf-8").splitlines())
    return Catalogue(head["version"], tuple(head["prefect"]), tuple(Route(**row) for row in rows))


def prefixes(setting: str, origin: str) -> tuple[str, ...]:
    """Return the paths of the setting ``api_prefix``. Raises ConfigError, which names its origin."""
    found = tuple(part.strip() for part in setting.split(",") if part.strip())
    if not found or not all(p.removeprefix("*").startswith("/") and "*" not in p[1:] for p in found):
        raise ConfigError(
            f"api_prefix is {setting!r} ({origin}), not a list of paths",
            hint=f"write it like {', '.join(PREFIXES)}; */api is /api behind anything",
        )
    return tuple(part.rstrip("/") for part in found)


def variables() -> dict[str, object]:
    """Return what `access` looks up, by the names of DuckDB's variables.

    Variables and not literals: a query would have to read hundreds of those again each time.
    """
    routes = catalogue().routes
    return {
        "route_template": [r.template for r in routes],
        "route_action": [r.action for r in routes],
        "route_privileged": [r.privileged == "true" for r in routes],
        "route_resource_type": [r.resource_type for r in routes],
        "route_resource_at": [r.position(r.resource_parameter) for r in routes],
        "route_resource_kind": [r.resource_kind for r in routes],
        "route_parent_type": [r.parent_type or None for r in routes],
        "route_parent_at": [r.position(r.parent_parameter) for r in routes],
        "route_parent_kind": [r.parent_kind for r in routes],
    }


def macros(prefixes: Sequence[str]) -> list[str]:
    """Return the statements that define how `access` finds a line's route.

    No joins: DuckDB leaves out a column that nobody asks for, but not a join.
    """
    return [
        *_shapes(catalogue().routes),
        f"create macro prefect_decoded(path) as {_DECODED}",
        f"create macro prefect_simplified(path) as {_SIMPLIFIED}",
        f"create macro prefect_api_path(path) as {_api_path(prefixes)}",
        f"create macro prefect_segments(api_path) as {_SEGMENTS}",
        f"create macro prefect_operation(method, segments) as {_operation(catalogue().routes)}",
        f"create macro prefect_uuid(text) as {_CANONICAL}",
        f"create macro prefect_id(kind, text) as {_ID}",
    ]


# Once, as uvicorn does before it routes. Where that is not UTF-8, every byte beyond ASCII is U+FFFD.
_DECODED = """case when contains(path, '%') then coalesce(
        try(url_decode(path)),
        url_decode(regexp_replace(path, '%[89a-fA-F][0-9a-fA-F]', '%EF%BF%BD', 'g')))
    else path end"""

# As lighttpd does before it asks Prefect (server.http-parseopts, url-path-dotseg-remove): the log may have
# what was sent. Few paths are such, and only those are taken apart.
_SIMPLIFIED = r"""case when contains(path, '//') or contains(path, '/.') then
    list_reduce(string_split(path, '/'), lambda done, part: case
        when part in ('', '.') then done
        when part = '..' then regexp_replace(done, '/[^/]*$', '')
        else done || '/' || part end, '')
    || case when regexp_matches(path, '/\.{0,2}$') then '/' else '' end
    else path end"""

# A slash at the end is none: Starlette redirects to the other writing.
_SEGMENTS = "string_split(case when api_path like '%/' then rtrim(api_path, '/') else api_path end, '/')"

_CANONICAL = f"""case when length(text) >= 32 and regexp_full_match(text, {"'" + _UUID + "'"})
    then try_cast(replace(text, 'urn:uuid:', '') as uuid)::varchar end"""

_ID = """case kind
    when 'uuid' then prefect_uuid(text)
    when 'text' then text
    when 'either' then coalesce(prefect_uuid(text), text)
end"""


def _api_path(prefixes: Sequence[str]) -> str:
    """Return SQL for what follows the prefix, null for what is below none; the longest prefix wins."""
    literal = sorted((p + "/" for p in prefixes if not p.startswith("*")), key=len, reverse=True)
    endings = [p[1:] + "/" for p in prefixes if p.startswith("*")]
    cases = [f"when starts_with(path, {_text(p)}) then substr(path, {len(p)})" for p in literal]
    cases += [
        f"when contains(path, {_text(e)}) then substr(path, instr(path, {_text(e)}) + {len(e) - 1})"
        for e in endings
    ]
    return f"case {' '.join(cases)} end"


def _shapes(routes: Sequence[Route]) -> Iterator[str]:
    """Yield statements that keep the routes, a map a mask: DuckDB reads a map from its start."""
    for mask in sorted({r.mask for r in routes}):
        found = [(r.key, number) for number, r in enumerate(routes, start=1) if r.mask == mask]
        keys, numbers = ", ".join(_text(key) for key, _ in found), [number for _, number in found]
        yield f"set variable {_shape(mask)} = map([{keys}], {numbers})"


def _shape(mask: tuple[bool, ...]) -> str:
    """Return the name of the variable with the routes of a mask."""
    return "route_number_" + "".join(str(int(free)) for free in mask)


def _operation(routes: Sequence[Route]) -> str:
    """Return SQL for a route's number; null for none.

    It looks up the shapes that a path of so many segments may have, and literal segments go
    before parameters. random() is never below 0: it is there because DuckDB copies what is
    certain into every filter that reads it, and computes once what depends on chance.
    """
    cases = []
    for length in sorted({len(r.mask) for r in routes}):
        masks = sorted({r.mask for r in routes if len(r.mask) == length})
        tries = ", ".join(f"getvariable('{_shape(mask)}')[{_key(mask)}]" for mask in masks)
        cases.append(f"when {length + 1} then coalesce({tries})")
    return f"case when random() >= 0 then case len(segments) {' '.join(cases)} end end"


def _key(mask: tuple[bool, ...]) -> str:
    """Return SQL for the key of a path under a mask; segments[1] is what is before the first slash."""
    parts = ["method", "' '"]
    for position, free in enumerate(mask, start=2):
        # What Starlette takes for a parameter is not empty.
        parts += [
            "'/'",
            f"case when segments[{position}] <> '' then '{_PARAMETER}' end"
            if free
            else f"segments[{position}]",
        ]
    return " || ".join(parts)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
