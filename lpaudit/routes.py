"""schemas/routes → the routes of Prefect's API, and the SQL that finds a request's route.

Which route a request has is computed when it is asked for: the stored line stays as it is, and
a better catalogue is a better answer about the past as well.
"""

import csv
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa

from lpaudit.errors import ConfigError, LpauditError
from lpaudit.resources import folder

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
        """Which segment a parameter is, from 1; 0 for none."""
        return self.segments.index(f"{{{parameter}}}") + 1 if parameter else 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The routes, and of which versions of Prefect they are."""

    version: int
    prefect: tuple[str, ...]
    routes: tuple[Route, ...]

    @property
    def arrow(self) -> pa.Table:
        """The catalogue as the relation behind the view ``route``."""
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
    found = tuple(part.strip().rstrip("/") for part in setting.split(",") if part.strip())
    if not found or not all(p.removeprefix("*").startswith("/") and "*" not in p[1:] for p in found):
        raise ConfigError(
            f"api_prefix is {setting!r} ({origin}), not a list of paths",
            hint=f"write it like {', '.join(PREFIXES)}; */api is /api behind anything",
        )
    return found


def macros(prefixes: Sequence[str]) -> list[str]:
    """Return the statements that define how `access` finds a line's route.

    No joins: DuckDB leaves out a column that nobody asks for, but not a join. The key of an
    operation is cast to an enum, which is a look-up in a hash table.
    """
    routes = catalogue().routes
    lists: dict[str, Sequence[object]] = {
        "route": [r.template for r in routes],
        "action": [r.action for r in routes],
        "privileged": [r.privileged == "true" for r in routes],
        "resource_type": [r.resource_type for r in routes],
        "parent_type": [r.parent_type or None for r in routes],
        "resource_position": [r.position(r.resource_parameter) + 1 for r in routes],
        "parent_position": [r.position(r.parent_parameter) + 1 for r in routes],
        "resource_kind": [r.resource_kind or None for r in routes],
        "parent_kind": [r.parent_kind or None for r in routes],
    }
    return [
        f"create macro prefect_decoded(path) as {_DECODED}",
        f"create macro prefect_api_path(decoded) as {_api_path(prefixes)}",
        f"create macro prefect_segments(api_path) as {_SEGMENTS}",
        f"create macro prefect_operation(method, segments) as {_OPERATION.format(matching=_matching(_tree(routes)))}",
        *(
            f"create macro prefect_{name}(operation) as {_list(values)}[operation]"
            for name, values in lists.items()
        ),
        f"create macro prefect_uuid(text) as {_CANONICAL}",
        *(
            f"""create macro prefect_{of}_id(operation, segments) as
            case prefect_{of}_kind(operation)
                when 'uuid' then prefect_uuid(segments[prefect_{of}_position(operation)])
                when 'text' then segments[prefect_{of}_position(operation)]
                when 'either' then coalesce(prefect_uuid(segments[prefect_{of}_position(operation)]),
                    segments[prefect_{of}_position(operation)])
            end"""
            for of in ("resource", "parent")
        ),
    ]


# Once, as uvicorn does before it routes. Bytes that are not UTF-8 become U+FFFD, as there.
_DECODED = r"""case when contains(path, '%')
    then coalesce(try(url_decode(path)), url_decode(regexp_replace(path, '%[89a-fA-F][0-9a-fA-F]', '%EF%BF%BD', 'g')))
    else path end"""

# A slash at the end is none: Starlette redirects to the other writing.
_SEGMENTS = "string_split(case when api_path like '%/' then rtrim(api_path, '/') else api_path end, '/')"

# random() is never below 0. It is there because DuckDB copies what is certain into a filter, once for
# every column that the filter reads; what depends on chance it computes once, where it stands.
_OPERATION = "case when random() >= 0 then {matching} end"

_CANONICAL = f"""case when length(text) >= 32 and regexp_full_match(text, {"'" + _UUID + "'"})
    then try_cast(replace(text, 'urn:uuid:', '') as uuid)::varchar end"""


def _api_path(prefixes: Sequence[str]) -> str:
    """Return SQL for what follows the prefix, null for what is not below any; the longest prefix wins."""
    literal = sorted((p for p in prefixes if not p.startswith("*")), key=len, reverse=True)
    cases = [
        f"when starts_with(decoded, {_text(p + '/')}) then substr(decoded, {len(p) + 1})" for p in literal
    ]
    for ending in (p[1:] + "/" for p in prefixes if p.startswith("*")):
        cases.append(
            f"when contains(decoded, {_text(ending)})"
            f" then substr(decoded, instr(decoded, {_text(ending)}) + {len(ending) - 1})"
        )
    return f"case {' '.join(cases)} end"


@dataclass(slots=True)
class _Node:
    """The routes that go on after some segments: by method where they end, and by the next segment."""

    ends: dict[str, int] = field(default_factory=dict)
    literal: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None


def _tree(routes: Sequence[Route]) -> _Node:
    root = _Node()
    for number, route in enumerate(routes, start=1):
        node = root
        for segment, free in zip(route.segments, route.mask, strict=True):
            if free:
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        if node.ends.setdefault(route.method, number) != number:
            raise LpauditError(f"two routes of one shape: {route.method} {route.template}", hint="a bug")
    return root


def _matching(node: _Node, depth: int = 1) -> str:
    """Return SQL for the number of the route of these segments; null for none. A literal goes before a parameter."""
    here = f"segments[{depth + 1}]"
    tries = []
    if node.literal:
        whens = (f"when {_text(word)} then {_matching(n, depth + 1)}" for word, n in node.literal.items())
        tries.append(f"case {here} {' '.join(whens)} end")
    if node.parameter:
        # What Starlette calls a parameter is not empty.
        tries.append(f"case when {here} <> '' then {_matching(node.parameter, depth + 1)} end")
    if node.ends:
        whens = (f"when {_text(method)} then {number}" for method, number in node.ends.items())
        tries.append(f"case when {here} is null then case method {' '.join(whens)} end end")
    return tries[0] if len(tries) == 1 else f"coalesce({', '.join(tries)})"


def _list(values: Sequence[object]) -> str:
    return (
        f"[{', '.join(_text(v) if isinstance(v, str) else 'null' if v is None else str(v) for v in values)}]"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
