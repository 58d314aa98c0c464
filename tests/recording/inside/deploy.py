"""Make work pools and deployments: ``deploy.py JSON``, a list of {flow, name, pool, …}; further keys go to deploy()."""

import json
import sys
from pathlib import Path

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    with get_client(sync_client=True) as client:
        for pool in sorted({one["pool"] for one in wanted}):
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"), overwrite=True)
    for one in wanted:
        source = flow.from_source(source=str(Path(__file__).parent), entrypoint=f"flows.py:{one.pop('flow')}")
        source.deploy(work_pool_name=one.pop("pool"), print_next_steps=False, ignore_warnings=True, **one)
