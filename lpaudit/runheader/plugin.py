"""The plugin: entry point of the group ``prefect.plugins``, asked at ``import prefect``.

Prefect asks only where PREFECT_PLUGINS_ENABLED is true.
"""

from __future__ import annotations

import os
from typing import Any

from prefect.plugins import SetupResult, register_hook
from prefect.settings import get_current_settings

from .header import CUSTOM_HEADERS, HEADER, RUN_ID, custom_headers


class RunHeader:
    """Adds the header to those that are set already, wherever Prefect read them from."""

    @register_hook  # type: ignore[untyped-decorator, unused-ignore]
    def setup_environment(self, *, ctx: Any) -> Any:
        """Return what Prefect is to put into the environment; None in a process that is no run's.

        There runs may begin later (see script.py). Raises nothing: a run without the header is an
        audit's loss, not the run's.
        """
        run_id = os.environ.get(RUN_ID)
        try:
            if not run_id:
                from .script import install  # noqa: PLC0415 -- it imports Prefect's client

                install()
                return None
            headers = custom_headers(run_id, get_current_settings().client.custom_headers)
            return SetupResult(env={CUSTOM_HEADERS: headers}, note=f"{HEADER} {run_id}")
        except Exception as error:  # noqa: BLE001 -- whatever it is, the run goes on
            ctx.logger_factory("lpaudit").warning("no %s header: %s: %s", HEADER, type(error).__name__, error)
            return None


plugin = RunHeader()
