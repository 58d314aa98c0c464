"""`lpaudit nightly` as a flow of Prefect's: a task for each step, tried again, and a summary as an artifact.

The one module that imports prefect (`pip install lpaudit[prefect]`). Settings are those of the command,
from the environment and lpaudit.toml of wherever the flow runs.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from getpass import getuser
from typing import Any
from uuid import uuid4

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Completed

from lpaudit import config
from lpaudit import nightly as nights
from lpaudit.errors import Exit, LpauditError, StoreError
from lpaudit.nightly import Done, Step, Taken

RETRIES = 2
RETRY_DELAY = 60.0
"""How often a step that failed is tried again, and after how many seconds."""


@flow(name="lpaudit-nightly", log_prints=False)  # type: ignore[untyped-decorator]
def nightly(
    day: date | None = None,
    frameworks: list[str] | None = None,
    skip: list[str] | None = None,
    settings_file: str | None = None,
    retries: int = RETRIES,
    retry_delay_seconds: float = RETRY_DELAY,
) -> Any:
    """Run a night: the day before, in UTC, unless ``day`` says another.

    Ends as Completed; with the name `Exceptions` if there is something new or something is not known
    (exit status 1 of the command), and fails if a step failed (3) or another night is at work (5).
    """
    options = {"frameworks": ",".join(frameworks)} if frameworks else {}
    settings = config.load(options, config.environment(), file=settings_file)
    begun = _now()
    setup = nights.prepare(
        settings, config.environment(), frozenset(skip or ()), file=settings_file, now=_now, unique=_unique
    )
    fresh = nights.fresh(
        day or begun.date() - timedelta(days=1),
        config.names(settings, "frameworks"),
        begun,
        run_id=_unique(),
        host=socket.gethostname(),
        user=getuser(),
        flow_run_id=flow_run.get_id(),
        known=setup.library,
    )

    def perform(step: Step, take: Callable[[], Done]) -> Done:
        return _as_task(step, take, retries, retry_delay_seconds)

    run = nights.begin_and_run(setup, fresh, process=os.getpid(), told=_log, perform=perform)
    create_markdown_artifact(
        key="lpaudit-nightly", markdown=nights.in_markdown(run), description=f"Night {run.night}"
    )
    if run.status is Exit.FAILED:
        raise StoreError(nights.in_a_line(run))
    name = "Completed" if run.status is Exit.OK else "Exceptions"
    return Completed(name=name, message=nights.in_a_line(run))


def _as_task(step: Step, take: Callable[[], Done], retries: int, delay: float) -> Done:
    """Take a step in a task of its own; what it did last is what it did, also if that was not all."""
    last: list[Done] = []

    @task(  # type: ignore[untyped-decorator]
        name=step.name,
        task_run_name=step.name,
        retries=retries,
        retry_delay_seconds=delay,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def taken() -> None:
        last[:] = [take()]
        if last[0].problem:
            raise _Unfinished(last[0].problem)

    with suppress(_Unfinished):
        taken()
    return last[0]


class _Unfinished(LpauditError):
    """A step that did what it could, and that was not all: Prefect tries it again."""


def _log(taken: Taken) -> None:
    get_run_logger().info("%s %s: %s", taken.step, taken.outcome, taken.detail)


def _now() -> datetime:
    return datetime.now(UTC)


def _unique() -> str:
    return uuid4().hex
