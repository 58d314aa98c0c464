"""Who may do what at Prefect's API: one table, written into lighttpd's conditions and into Lua alike.

A row says which requests take more than a login, and what role: the first row that fits
decides, and what fits none takes the role ``run``. So a route that a later Prefect adds is
closed to those who may only read, unless it is read with GET.

In a path ``*`` is one segment and a last ``**`` any number of them, none too. The paths are
those that lighttpd has normalised, so that they say what Prefect will see.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

READ, RUN, DELETE, ADMINISTER = "read", "run", "delete", "administer"
ROLES = (RUN, DELETE, ADMINISTER)
"""What takes more than a login. ``read`` takes none more."""

READING = ("GET", "HEAD", "OPTIONS")
ANY = ("*",)
POST = ("POST",)
CHANGE = ("POST", "PUT", "PATCH")


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests and the role that they take."""

    role: str
    methods: tuple[str, ...]
    path: str


# Read from the routes of Prefect 3.8.8. Prefect reads with POST, too; and the websocket that
# takes events in, and the one that hands work to workers, are opened with GET.
RULES = (
    Rule(RUN, ("GET",), "/api/events/in"),
    Rule(RUN, ("GET",), "/api/work_pools/*/workers/connect"),
    # With include_secrets in the query or in the body these answer with secrets.
    Rule(RUN, READING, "/api/block_documents/**"),
    Rule(RUN, READING, "/api/block_types/slug/*/block_documents/**"),
    Rule(RUN, POST, "/api/block_documents/filter"),
    Rule(READ, READING, "/**"),
    Rule(READ, POST, "/api/*/filter"),
    Rule(READ, POST, "/api/*/count"),
    Rule(READ, POST, "/api/*/paginate"),
    Rule(READ, POST, "/api/*/history"),
    Rule(READ, POST, "/api/*/latest/filter"),
    Rule(READ, POST, "/api/*/latest/count"),
    Rule(READ, POST, "/api/flow_runs/lateness"),
    Rule(READ, POST, "/api/v2/concurrency_limits/filter"),
    Rule(READ, POST, "/api/work_pools/*/queues/filter"),
    Rule(READ, POST, "/api/work_pools/*/workers/filter"),
    Rule(READ, POST, "/api/events/count-by/*"),
    Rule(READ, POST, "/api/ui/**"),
    Rule(DELETE, ("DELETE",), "/**"),
    Rule(DELETE, POST, "/api/*/bulk_delete"),
    Rule(DELETE, POST, "/api/*/bulk_set_state"),
    Rule(RUN, POST, "/api/deployments/*/create_flow_run/**"),
    Rule(RUN, POST, "/api/deployments/get_scheduled_flow_runs"),
    Rule(ADMINISTER, CHANGE, "/api/deployments/**"),
    Rule(RUN, POST, "/api/work_pools/*/get_scheduled_flow_runs"),
    Rule(RUN, POST, "/api/work_pools/*/concurrency_status"),
    Rule(RUN, POST, "/api/work_pools/*/workers/heartbeat"),
    Rule(ADMINISTER, CHANGE, "/api/work_pools/**"),
    Rule(RUN, POST, "/api/work_queues/*/get_runs"),
    Rule(RUN, POST, "/api/work_queues/*/concurrency_status"),
    Rule(ADMINISTER, CHANGE, "/api/work_queues/**"),
    Rule(ADMINISTER, CHANGE, "/api/admin/**"),
    Rule(ADMINISTER, CHANGE, "/api/automations/**"),
    Rule(ADMINISTER, CHANGE, "/api/block_types/**"),
    Rule(ADMINISTER, CHANGE, "/api/block_schemas/**"),
    Rule(ADMINISTER, CHANGE, "/api/block_documents/**"),
    Rule(ADMINISTER, POST, "/api/concurrency_limits"),
    Rule(ADMINISTER, POST, "/api/concurrency_limits/tag/*/reset"),
    Rule(ADMINISTER, POST, "/api/v2/concurrency_limits"),
    Rule(ADMINISTER, ("PATCH",), "/api/v2/concurrency_limits/*"),
    Rule(RUN, ANY, "/**"),
)


def regex(path: str) -> str:
    """Write a rule's path as the regular expression of a condition on ``$HTTP["url"]``."""
    pieces = []
    for segment in path.strip("/").split("/"):
        if segment == "**":
            pieces.append("(?:/|$)")
            break
        pieces.append("/[^/]+" if segment == "*" else "/" + re.escape(segment))
    else:
        pieces.append("/?$")
    return "".join(pieces)


def conditions() -> Iterator[tuple[str, str, str]]:
    """Yield role, regular expression for paths, regular expression for methods; an empty one fits all.

    The last rule is first: in lighttpd not the first condition that holds decides, but the
    last. Neighbours of one role and the same methods are one condition. What fits everything
    is left out: it is the rule without a condition.
    """
    groups: list[tuple[str, tuple[str, ...], list[str]]] = []
    for rule in RULES:
        if groups and groups[-1][:2] == (rule.role, rule.methods):
            groups[-1][2].append(rule.path)
        else:
            groups.append((rule.role, rule.methods, [rule.path]))
    for role, methods, paths in reversed(groups[:-1]):
        path = "" if "/**" in paths else "^(?:" + "|".join(map(regex, paths)) + ")"
        yield role, path, f"^(?:{'|'.join(methods)})$"
