"""A team behind a gateway: lines with groups and tokens, directories, and what Prefect recorded."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from report.small import DAY

from lpaudit import correlate, identities, ingest, pipeline, report, sync
from lpaudit.model import Observer

NOW = datetime(2026, 11, 24, tzinfo=UTC)
RUN = "34a1e685-aad5-47b0-af6e-921ad94366d9"
DEPLOYMENT = "df08f525-ed8a-4a74-baee-a3961e71fa61"
CREATE = f"POST /api/deployments/{DEPLOYMENT}/create_flow_run"
RESUME = f"POST /api/flow_runs/{RUN}/resume"
SET_STATE = f"POST /api/flow_runs/{RUN}/set_state"
DELETE = f"DELETE /api/flow_runs/{RUN}"
READ = "POST /api/flow_runs/filter"

TEAM = """
[[identity]]
name = "alice"
kind = "human"
display_name = "Alice Ngata"
owner = "platform"
groups = ["deployers"]
aliases = ["00u1alice"]

[[identity]]
name = "bob"
kind = "human"
groups = ["readers"]

[[identity]]
name = "svc-ci"
kind = "service"
owner = "alice"

[[identity]]
name = "worker-etl"
kind = "worker"
owner = "alice"

[[identity]]
name = "copilot"
kind = "agent"
owner = "bob"
"""


def at(text):
    """A time of 23 November 2026 from "10:15" or "10:15:00.5", another one from what ISO 8601 says."""
    return datetime.fromisoformat(f"{text}+00:00" if "T" in text else f"2026-11-23T{text}+00:00")


def line(
    time,
    request,
    status=200,
    *,
    user="alice",
    client="192.0.2.7",
    groups="-",
    token="-",
    agent="prefect/3.9.1",
):
    """A line in the gateway's format; the request takes 20 ms."""
    begin = round(at(time).timestamp() * 1_000_000)
    method, _, path = request.partition(" ")
    return (
        f"lpaudit=2 begin={begin} end={begin + 20_000} duration=20000 client={client} client_port=49338 request=0 "
        f'connection=- server=127.0.0.1 server_port=443 user="{user}" method="{method}" path="{path}" query="" '
        f'protocol="HTTP/1.1" status={status} in=893 out=150 body=19 authority="gateway" vhost="gateway" '
        f'user_agent="{agent}" referer="-" xff="-" flow_run_id="-" flow_run_name="-" flow_id="-" flow_name="-" '
        'deployment_id="-" deployment_name="-" worker_id="-" worker_name="-" traceparent="-" request_id="-" '
        f'upgrade="-" location="-" tls="-" cipher="-" groups="{groups}" token_id="{token}" refused="-" '
        f'line="{method} {path} HTTP/1.1"'
    )


def run(created, id_=RUN, **more):
    """Prefect's record of a run that was created by hand from the deployment."""
    return {
        "id": id_, "name": "rousing-whale", "deployment_id": DEPLOYMENT, "created": at(created).isoformat(), **more
    }  # fmt: skip


def events(*states, id_=RUN):
    """What Prefect says of a run's states: (time, name)."""
    return [
        {
            "id": f"00000000-0000-4000-8000-{number:012x}",
            "event": f"prefect.flow-run.{name}",
            "occurred": at(time).isoformat(),
            "resource": {
                "prefect.resource.id": f"prefect.flow-run.{id_}",
                "prefect.resource.name": "rousing-whale",
            },
        }
        for number, (time, name) in enumerate(states)
    ]


class Team:
    """A store that is made step by step, as its owners would, and then asked."""

    def __init__(self, folder):
        self.folder, self.root = folder, str(folder / "store")
        self.unique = map("{:032x}".format, itertools.count(1))
        self.clock = (NOW + timedelta(seconds=number) for number in itertools.count())

    def log(self, *lines, name="access"):
        (self.folder / f"{name}.log").write_text("".join(f"{text}\n" for text in lines))
        options = ingest.IngestOptions("gw1", None, ZoneInfo("UTC"), 1 << 20)
        done = ingest.ingest(
            self.root, [str(self.folder / f"{name}.log")], options, Observer(),
            now=lambda: next(self.clock), unique=lambda: next(self.unique),
        )  # fmt: skip
        assert not done.errors
        assert not done.rejected
        return self

    def directory(self, text=TEAM, as_of=None, name="team.toml", directory=None):
        (self.folder / name).write_text(text)
        return self.imported(name, as_of=as_of, directory=directory)

    def imported(self, *names, as_of=None, directory=None):
        self.results = identities.import_files(
            self.root, [self.folder / name for name in names], as_of=as_of and at(as_of), form=None,
            directory=directory, now=lambda: next(self.clock), unique=lambda: next(self.unique),
        )  # fmt: skip
        return self

    def prefect(self, runs=(), events=()):
        """Take in what Prefect recorded, and tie requests to runs."""
        dump = self.folder / "dump"
        dump.mkdir()
        (dump / "flow_runs.json").write_text(json.dumps(list(runs)))
        (dump / "events.json").write_text(json.dumps(list(events)))
        sync.from_dump(self.root, dump, now=lambda: next(self.clock), unique=lambda: next(self.unique))
        correlate.correlate(
            self.root,
            everything=False,
            now=lambda: next(self.clock),
            unique=lambda: next(self.unique),
            api_prefixes=("/api",),
        )
        return self

    def select(self, sql):
        with pipeline.opened(self.root) as (connection, _):
            return connection.select(sql).to_pylist()

    def ask(self, check_id, period=DAY, **parameters):
        """Return the population and the rows of a check; of a control, only those that are exceptions."""
        check = report.load_check(check_id)
        with pipeline.opened(self.root) as (connection, _):
            for name in check.needs:
                assert connection.select(f"select 1 from {name} limit 1").num_rows, f"there is no {name}"
            population, rows, _ = report.ask(check, period, connection.select, parameters)
        found = rows.to_pylist()
        keys = [tuple(row[key] for key in check.key) for row in found]
        assert len(set(keys)) == len(keys) or not check.key, "two exceptions have the same key"
        return population, [row for row in found if row.get("finding", True)]
