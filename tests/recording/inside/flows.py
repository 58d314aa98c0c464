"""The flows of a recording. Each says from inside which run it is, and in which process."""

import os
import subprocess
import sys
import time

import sitecustomize
from prefect import flow, get_run_logger, pause_flow_run, task
from prefect.artifacts import create_markdown_artifact
from prefect.concurrency.sync import concurrency
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.task_runners import ProcessPoolTaskRunner
from prefect.variables import Variable


def here(name):
    sitecustomize.note(
        "runs.jsonl",
        flow=name,
        run=flow_run.id,
        root=flow_run.root_flow_run_id,
        process=sitecustomize.NAME,
        now=time.time(),
    )


@task
def step(number, seconds=0.05):
    get_run_logger().info("step %s", number)
    time.sleep(seconds)
    return number


@task(retries=2, retry_delay_seconds=0.2)
def flaky(number):
    """Fails the first time, in each process."""
    if number not in _tried:
        _tried.add(number)
        raise RuntimeError(f"flaky {number}")
    return number


_tried = set()


@task
def limited(number):
    with concurrency("recording", occupy=1, strict=False):
        time.sleep(0.05)
    return number


@flow
def child(number: int = 1):
    here("child")
    return step(number)


@flow(log_prints=True)
def quick(number: int = 1):
    here("quick")
    print("quick", number)
    step(number)


@flow(log_prints=True)
def nested(number: int = 2):
    """Tasks side by side, retries, a subflow, an artifact, a variable, a limit, an event."""
    here("nested")
    for future in [step.submit(i) for i in range(number)] + [flaky.submit(number)]:
        future.result()
    limited(number)
    child(number)
    create_markdown_artifact("# recorded", key="recorded")
    Variable.set("last_number", number, overwrite=True)
    Variable.get("last_number")
    emit_event(event="recording.nested", resource={"prefect.resource.id": "recording.nested"})


@flow(retries=1, retry_delay_seconds=0)
def failing(number: int = 1):
    """Fails, is tried again in the same process, and fails."""
    here("failing")
    step(number)
    raise ValueError("as told")


@flow
def approved(number: int = 1):
    """Waits until somebody resumes it."""
    here("approved")
    step(number)
    pause_flow_run(timeout=900, poll_interval=1)
    step(number + 1)


@flow
def long(seconds: int = 120):
    """Waits to be cancelled."""
    here("long")
    for _ in range(seconds):
        time.sleep(1)


@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def processes(number: int = 1):
    """Runs a task in another process, and Prefect's command line in a third."""
    here("processes")
    step.submit(number).result()
    subprocess.run([sys.executable, "-m", "prefect", "version"], check=True, env=os.environ)
    subprocess.run([sys.executable, "-m", "prefect", "variable", "ls"], check=True, env=os.environ)


if __name__ == "__main__":  # a plain script: python flows.py NAME
    globals()[sys.argv[1]]()
