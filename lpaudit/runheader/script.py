"""In a process that was not started for a run, such as a script: each request says which run's code sends it.

A script's run gets its id from the server when the client that asks for it has its headers
already, so the setting comes too late. But when a request is built Prefect knows whose code
is running, and takes X-Prefect-Flow-Id from there. This looks at the same place, Prefect's
public FlowRunContext, and adds the run's id. Prefect asks no plugin at that moment: what is
changed is ``build_request``, httpx's public method, in Prefect's two HTTP clients and nowhere
else, so that nobody but Prefect's API is told.
"""

from __future__ import annotations

import functools
from typing import Any

from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.context import FlowRunContext

from .header import HEADER


def running() -> str | None:
    """Return the id of the run whose code is running here: the innermost one; None outside of runs.

    None too when the run has ended: Prefect's services in the background go on, with the context
    of the run in which they were started.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or (run.state is not None and run.state.is_final()):
        return None
    return str(run.id)


def install() -> None:
    """Have Prefect's HTTP clients add the header to what a run sends. Twice does no harm."""
    for client in (PrefectHttpxSyncClient, PrefectHttpxAsyncClient):
        if not hasattr(client.build_request, HEADER):
            client.build_request = _saying(client.build_request)


def _saying(build: Any) -> Any:
    @functools.wraps(build)
    def build_request(*arguments: Any, **keywords: Any) -> Any:
        request = build(*arguments, **keywords)
        # Logs are sent by one service for all runs of the process, several at a time.
        if HEADER not in request.headers and not request.url.path.endswith("/logs/"):
            run_id = running()
            if run_id is not None:
                request.headers[HEADER] = run_id
        return request

    setattr(build_request, HEADER, True)
    return build_request
