"""Access lines and Prefect's records → which flow run a request acted on, and which one made it."""

from lpaudit.correlation.facts import RULE_VERSION, Confidence, Link, Method, Relation
from lpaudit.correlation.links import links
from lpaudit.correlation.read import Facts, read, read_runs
from lpaudit.correlation.sequence import shipped

__all__ = [
    "RULE_VERSION",
    "Confidence",
    "Facts",
    "Link",
    "Method",
    "Relation",
    "links",
    "read",
    "read_runs",
    "shipped",
]
