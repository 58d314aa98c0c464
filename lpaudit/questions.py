"""Questions that have a command of their own: one check, asked of a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import pyarrow as pa

from lpaudit import pipeline, report
from lpaudit.errors import ConfigError
from lpaudit.model import Check, Period

_FINDING = "finding"
_RUNS = """
select id, name from flow_run_latest where id = $run or name = $run order by created desc, id
"""
_NAMED = """
select count(*) as n from access
where (resource_type = 'flow_run' and resource_id = $run)
    or try_cast(prefect_flow_run_id as uuid)::varchar = $run
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check gave: its rows, and how many of them are findings (a column says which).

    ``lacking`` says why no finding means nothing: what the check needs and the store does not have.
    """

    check: Check
    population: int
    rows: pa.Table
    findings: int
    lacking: tuple[str, ...]


def ask(
    root: str,
    check_id: str,
    period: Period,
    parameters: Mapping[str, object],
    api_prefixes: Sequence[str],
    library: report.Library = report.SHIPPED,
) -> Answer:
    """Ask a check. Raises LpauditError."""
    check = report.load_check(check_id, library)
    with pipeline.opened(root, api_prefixes) as (connection, _):
        population, rows, _ = report.ask(check, period, connection.select, parameters)
        lacking = report.lacking(check, connection.select)
    found = rows.column(_FINDING).to_pylist()
    return Answer(check, population, rows, sum(map(bool, found)), lacking)


def run_of(root: str, text: str, api_prefixes: Sequence[str]) -> str:
    """Return the id of the run that a text names: an id in any spelling, or a name that one run has.

    Raises ConfigError if there is none, or if several have the name.
    """
    try:
        wanted = str(UUID(text))
    except ValueError:
        wanted = text
    with pipeline.opened(root, api_prefixes) as (connection, _):
        found = connection.select(_RUNS, {"run": wanted}).to_pylist()
        if not found and connection.select(_NAMED, {"run": wanted}).to_pylist()[0]["n"]:
            return wanted  # Prefect's records do not have it (any more); the log does
    if not found:
        raise ConfigError(
            f"there is no flow run {text!r}, neither in Prefect's records nor in the log",
            hint="`lpaudit sync` brings new runs; the view flow_run_latest has those that are known",
        )
    if len(found) > 1:
        ids = ", ".join(row["id"] for row in found[:3])
        raise ConfigError(f"{len(found)} flow runs are called {text!r}", hint=f"give an id: {ids}")
    run: str = found[0]["id"]
    return run
