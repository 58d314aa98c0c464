"""The header, and the environment variable that makes Prefect's client send it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "X-Prefect-Flow-Run-Id"
RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Workers and runners set it for the process of a run, and for nothing else."""
CUSTOM_HEADERS = "PREFECT_CLIENT_CUSTOM_HEADERS"
"""Headers of every HTTP request and websocket of Prefect's client, as a JSON object."""


def custom_headers(run_id: str, others: Mapping[str, str]) -> str:
    """Return a value for CUSTOM_HEADERS: ``others``, and the header with this run's id.

    A header of that name among the others is an outer run's, whose process started this one;
    its case does not matter. Raises ValueError if ``run_id`` is no UUID.
    """
    kept = {name: value for name, value in others.items() if name.lower() != HEADER.lower()}
    return json.dumps({**kept, HEADER: str(uuid.UUID(run_id))})


def from_environment(environment: Mapping[str, str]) -> str:
    """Return a value for CUSTOM_HEADERS where only the environment is known.

    Raises ValueError if that cannot be done, and KeyError outside of a run.
    """
    others = json.loads(environment.get(CUSTOM_HEADERS) or "{}")
    if not isinstance(others, dict):
        raise ValueError(f"{CUSTOM_HEADERS} is not a JSON object")  # noqa: TRY004 -- the caller's one "cannot"
    return custom_headers(environment[RUN_ID], others)
