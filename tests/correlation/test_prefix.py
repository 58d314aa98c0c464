"""Prefect below another path: correlation goes by the same routes."""

import gzip
import json

from tests.correlation.recorded import records


def test_another_prefix_is_known_to_correlate(tmp_path, lpaudit, sample_logs):
    log = gzip.decompress((sample_logs / "audit.log.gz").read_bytes()).splitlines(keepends=True)[:1500]
    (tmp_path / "audit.log").write_bytes(b"".join(log).replace(b'url="/api/', b'url="/team/flows/api/'))
    (tmp_path / "dump").mkdir()
    for table in ("flow_runs", "task_runs", "events", "deployments"):
        (tmp_path / "dump" / f"{table}.json").write_text(json.dumps(records(table)))
    for command in (("ingest", "--host", "gw1", "audit.log"), ("sync", "--from-dump", "dump")):
        assert lpaudit(*command).returncode == 0
    found = {}
    for prefix in ("/api", "/team/flows/api", "*/api"):
        ran = lpaudit("correlate", "--all", "--api-prefix", prefix, "--format", "json")
        assert ran.returncode == 0, ran.stderr
        rows = json.loads(ran.stdout)
        found[prefix] = {(row["relation"], row["method"]): row["links"] for row in rows}
    assert ("created", "creation_time") not in found["/api"]
    assert found["/team/flows/api"] == found["*/api"]
    assert found["*/api"]["created", "creation_time"] > 10
    assert found["*/api"]["origin", "sequence"] > 0
