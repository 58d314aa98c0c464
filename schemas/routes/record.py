"""Print the routes of the Prefect server that is installed beside this Python, as CSV.

    path/to/venv/bin/python schemas/routes/record.py > schemas/routes/recorded/3.9.1.csv

Needs nothing of lpaudit and starts no server. Rows are in the order in which Starlette tries the
routes. ``parameters`` says of each parameter whether it must be a UUID (``uuid``) or may be any
text (``text``), and ``openapi`` whether the operation is in the server's OpenAPI document: websockets
and the documents themselves are not. It stops if the document and the routes disagree.
"""

import csv
import logging
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

warnings.simplefilter("ignore")
logging.disable()

from prefect.server.api.server import SERVER_API_VERSION, create_app  # noqa: E402 -- after the silence

API = "/api"
HEAD = ("position", "transport", "method", "template", "parameters", "openapi", "api_version")


def routes(tree: Iterable[Any]) -> Iterator[Any]:
    """Yield every route of a router in the order of matching. FastAPI 0.137 and newer nest them."""
    for route in tree:
        if hasattr(route, "effective_candidates"):
            yield from routes(route.effective_candidates())
        else:
            # A websocket's context keeps its path in the route that it stands for.
            yield getattr(route, "starlette_route", None) or route


def is_mount(route: Any) -> bool:
    """Say whether a route is another application. Prefect 2 brings its own copy of Starlette's class."""
    return type(route).__name__ == "Mount"


def bare(path: str) -> str:
    """Return a route's path as OpenAPI writes it: without converters."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def kinds(path: str, operation: dict[str, Any]) -> str:
    """Say of each path parameter whether it must be a UUID."""
    declared = {
        p["name"]: p["schema"].get("format") for p in operation.get("parameters", ()) if p["in"] == "path"
    }
    found = re.findall(r"\{(\w+)(?::(\w+))?\}", path)
    if any(converter == "path" for _, converter in found):
        sys.exit(f"{path}: a parameter that takes slashes is not provided for")
    uuids = {name for name, converter in found if "uuid" in {converter, declared.get(name)}}
    return " ".join(f"{name}:{'uuid' if name in uuids else 'text'}" for name, _ in found)


def main() -> None:
    """Print them."""
    mounted = next(r for r in create_app(ephemeral=True).routes if is_mount(r) and r.path == API)
    document = mounted.app.openapi()["paths"]
    told = {
        (method.upper(), path): operation
        for path, operations in document.items()
        for method, operation in operations.items()
    }
    rows = csv.DictWriter(sys.stdout, HEAD, lineterminator="\n")
    rows.writeheader()
    seen = set()
    for position, route in enumerate(routes(mounted.app.routes)):
        if is_mount(route):
            continue
        methods = getattr(route, "methods", None)
        template = bare(route.path)
        for method in sorted(methods or {"GET"}):
            operation = told.get((method, template))
            seen |= {(method, template)} if operation is not None else set()
            rows.writerow(
                {
                    "position": position,
                    "transport": "http" if methods else "websocket",
                    "method": method,
                    "template": template,
                    "parameters": kinds(route.path, operation or {}),
                    "openapi": "yes" if operation is not None else "no",
                    "api_version": SERVER_API_VERSION,
                }
            )
    if seen != set(told):
        sys.exit(f"in the OpenAPI document, but no route: {sorted(set(told) - seen)}")


if __name__ == "__main__":
    main()
