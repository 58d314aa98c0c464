"""A sync from the real Prefect: everything it has, no secret, and nothing missed while runs come and go."""

import json
import subprocess
import threading
import time
import urllib.request
import uuid

import pytest

pytestmark = pytest.mark.prefect

SECRETS = ("pw-in-parameters", "pw-in-job-variables", "pw-in-pull-step", "pw-in-template", "pw-in-variable")
SECRETS += ("pw-in-block", "pw-in-artifact", "pw-in-schedule", "pw-in-webhook")
MAKE = """
import asyncio, datetime as dt
from prefect import flow, task, get_client
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.variables import Variable

@task
def double(n): return 2 * n

@flow(name="sync-flow", flow_run_name="sync-run")
def work(password):
    create_markdown_artifact("pw-in-artifact", key="sync-artifact")
    return [double(n) for n in range(3)]

work("pw-in-parameters")
Variable.set("sync_variable", "pw-in-variable", tags=["t"])
Secret(value="pw-in-block").save("sync-block")

async def main():
    async with get_client() as client:
        properties = {"env": {"type": "object", "default": {"X": "pw-in-template"}}}
        template = {"job_configuration": {"env": "{{ env }}"}, "variables": {"type": "object", "properties": properties}}
        await client.create_work_pool(WorkPoolCreate(name="sync-pool", type="process", base_job_template=template))
        await client.send_worker_heartbeat("sync-pool", "sync-worker", 30)
        flow_id = await client.create_flow_from_name("sync-flow")
        schedule = DeploymentScheduleCreate(
            schedule=IntervalSchedule(interval=dt.timedelta(hours=6)), parameters={"password": "pw-in-schedule"})
        deployment = await client.create_deployment(
            flow_id, "sync-deployment", work_pool_name="sync-pool", schedules=[schedule],
            parameters={"password": "pw-in-parameters"}, job_variables={"env": {"T": "pw-in-job-variables"}},
            pull_steps=[{"prefect.deployments.steps.git_clone": {"access_token": "pw-in-pull-step"}}])
        await client.create_automation(AutomationCore(
            name="sync-automation", trigger=EventTrigger(expect={"nothing"}, posture="Reactive", threshold=1, within=0),
            actions=[RunDeployment(deployment_id=deployment, parameters={"password": "pw-in-parameters"})]))
        run = await client.create_flow_run_from_deployment(
            deployment, name="sync-scheduled", parameters={"password": "pw-in-parameters"})
        print(run.id, deployment)
asyncio.run(main())
"""


def made(server, script):
    ran = subprocess.run(
        [server.python, "-c", script],
        env=server.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def call(server, method, path, body=None):
    request = urllib.request.Request(
        server.url + path,
        json.dumps(body).encode() if body is not None else None,
        {"content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        read = answer.read()
        return json.loads(read) if read else None


def test_everything_is_taken_and_no_secret(prefect_server, lpaudit, tmp_path):
    scheduled, deployment = made(prefect_server, MAKE)[-2:]
    time.sleep(3)  # Prefect writes events and task runs a moment later

    def synced(*options):
        ran = lpaudit("sync", "--url", prefect_server.url, *options)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def sql(query):
        ran = lpaudit("sql", "--format", "json", query)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    synced("--dump", "dump")
    named = {
        "flow": "sync-flow",
        "flow_run": "sync-run",
        "deployment": "sync-deployment",
        "work_pool": "sync-pool",
        "worker": "sync-worker",
        "automation": "sync-automation",
        "block_document": "sync-block",
        "variable": "sync_variable",
    }
    counts = [
        *(
            f"select '{table}' as what, count(*) as n from {table}_latest where name = '{name}'"
            for table, name in named.items()
        ),
        "select 'artifact', count(*) from artifact where key = 'sync-artifact'",
        "select 'tasks', count(*) - 2 from task_run where name like 'double-%'",
        "select 'queue', least(count(*), 1) from work_queue where work_pool_name = 'sync-pool'",
        "select 'events', count(*) // 10 > 0 from event where event like 'prefect.%'",
    ]
    for row in sql(" union all ".join(counts)):
        assert row["n"] == 1, row["what"]
    interval = "select document->'$.schedules[0].schedule.interval' as seconds from deployment_latest where name = 'sync-deployment'"
    assert sql(interval) == [{"seconds": "21600.0"}]
    everywhere = " union all ".join(
        f"select '{table}' as table_name, document from {table}"
        for table in [*named, "task_run", "artifact", "work_queue", "event"]
    )
    secrets = ", ".join(f"'{secret}'" for secret in SECRETS)
    leaked = f"select * from ({everywhere}), (select unnest([{secrets}]) as secret) where contains(document, secret)"
    assert sql(leaked) == []
    assert len(sql(leaked.replace("pw-in-block", "sync-block"))) > 0, "nothing would ever be found"
    # Deleted and renamed, then asked again.
    call(prefect_server, "DELETE", f"/flow_runs/{scheduled}")
    call(prefect_server, "DELETE", f"/deployments/{deployment}")
    synced()
    gone = "select name from {}_latest where missing_since is not null and last_seen < missing_since and name like 'sync-%'"
    assert sql(gone.format("deployment")) == [{"name": "sync-deployment"}]
    assert {"name": "sync-scheduled"} in sql(gone.format("flow_run"))
    as_of = "select name, valid_from = created as since, valid_to from deployment_as_of join deployment_latest using (id, name)"
    assert {"name": "sync-deployment", "since": True, "valid_to": None} in sql(as_of)
    other = lpaudit("sync", "--store", "other", "--from-dump", "dump")
    assert other.returncode == 0, other.stderr
    first = "select * exclude (fetched_at) from event where fetched_at = (select min(fetched_at) from event) order by all"
    there = lpaudit("sql", "--store", "other", "--format", "json", first)
    assert json.loads(there.stdout) == sql(first)


@pytest.mark.soak  # minutes, and longer beside other tests; test_paging has the model of it
@pytest.mark.timeout(1800)
def test_runs_that_come_and_go_while_they_are_read_hide_none(prefect_server, lpaudit):
    flow = call(prefect_server, "POST", "/flows/", {"name": f"moving-{uuid.uuid4().hex[:8]}"})["id"]

    def create(name):
        body = {"flow_id": flow, "name": name, "state": {"type": "COMPLETED", "name": "Completed"}}
        return call(prefect_server, "POST", "/flow_runs/", body)["id"]

    staying, going = [], []
    for n in range(450):
        (going if n % 3 == 0 else staying).append(create(f"moving-{n}"))
    stop = threading.Event()

    def move():
        while not stop.is_set() and going:
            call(prefect_server, "DELETE", f"/flow_runs/{going.pop(len(going) // 2)}")
            create("moving-new")

    mover = threading.Thread(target=move)
    mover.start()
    try:
        before = len(going)
        ran = lpaudit("sync", "--url", prefect_server.url, "--store", "moving")
    finally:
        stop.set()
        mover.join()
    assert ran.returncode == 0, ran.stderr
    assert len(going) < before, "nothing moved"
    rows = lpaudit("sql", "--store", "moving", "--format", "json", "select id from flow_run").stdout
    got = [row["id"] for row in json.loads(rows)]
    assert len(got) == len(set(got))
    assert {*staying, *going} <= set(got)
