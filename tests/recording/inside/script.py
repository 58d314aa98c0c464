"""A script that runs flows: one after the other, side by side, nested. Each asks for things whose names say who asks."""

import asyncio
import contextvars
import threading

from flows import ProcessPoolTaskRunner
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.variables import Variable


def ask(where):
    """Ask for a variable that is not there: its name is in the path."""
    Variable.get(f"asked-{where}-{flow_run.id or 'nobody'}")


contexts = []


def ask_anew(where):
    """Ask with a client of its own, not that of the run, which may be closed."""
    with get_client(sync_client=True, httpx_settings={"timeout": 60}) as client:
        client.read_variable_by_name(f"asked-{where}-{flow_run.id}")


@task
def asking(where):
    ask(where)


@flow
def inner():
    ask("subflow")


@flow(retries=1, retry_delay_seconds=0)
def outer():
    ask("flow")
    asking("task")
    asking.submit("thread").result()
    inner()
    ask("after-subflow")
    ask_anew("client")
    contexts.append(contextvars.copy_context())
    if flow_run.run_count == 1:
        raise ValueError("once more")


@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def processes():
    asking.submit("process").result()


@flow
async def beside():
    async with get_client() as client:
        for _ in range(3):
            await client.read_variable_by_name(f"asked-async-{flow_run.id}")
            await asyncio.sleep(0.2)


async def side_by_side():
    await asyncio.gather(beside(), beside())


if __name__ == "__main__":
    ask("before")
    outer()
    ask("between")
    processes()
    threads = [threading.Thread(target=outer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(side_by_side())
    contexts[-1].run(ask_anew, "ended")  # as Prefect's services do, which a run has started
    ask("after")
