"""Prefect's own records of a recording, as its API tells them: one JSON file a kind."""

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.recording.api import Api

# What is asked for → an order in which nothing moves while it is paged.
KINDS = {
    "flow_runs": "ID_DESC",
    "task_runs": "ID_DESC",
    "deployments": "NAME_ASC",
    "flows": "NAME_ASC",
    "work_pools": None,
    "artifacts": "ID_DESC",
}
PAGE = 200


def dump(api: Api, folder: Path) -> None:
    """Write ``<kind>.json.gz`` into a folder, for each kind and for events."""
    folder.mkdir()
    for kind, sort in KINDS.items():
        rows: list[Any] = []
        while len(rows) % PAGE == 0:
            ordered = {"sort": sort} if sort else {}
            page = api.get(None, "POST", f"/{kind}/filter", {"limit": PAGE, "offset": len(rows), **ordered})
            rows += page
            if not page:
                break
        _write(folder / f"{kind}.json.gz", rows)
    answer = api.get(None, "POST", "/events/filter", {"limit": 50, "filter": {"order": "ASC"}})
    events = answer["events"]
    while link := answer.get("next_page"):
        parts = urlsplit(link)
        answer = api.get(None, "GET", f"{parts.path.removeprefix('/api')}?{parts.query}")
        events += answer["events"]
    _write(folder / "events.json.gz", events)


def _write(path: Path, rows: list[Any]) -> None:
    path.write_bytes(gzip.compress(json.dumps(rows, indent=0).encode(), mtime=0))
