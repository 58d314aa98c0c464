"""A bucket for each test, and another way into it than lpaudit's: boto3."""

import json
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import boto3
import pytest

from lpaudit.store.storage import storage_of
from tests.objectstore.server import KEY


@pytest.fixture(scope="session")
def endpoint():
    """The URL of a server of this process."""
    script = Path(__file__).with_name("server.py")
    server = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def environment(endpoint, clean_environment, monkeypatch):
    """What a user sets, in this process and those it starts."""
    settings = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "never-to-be-shown",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


class Bucket:
    """A bucket as others see it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="eu-central-1")
        place = {"LocationConstraint": "eu-central-1"}
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration=place)

    @property
    def url(self):
        return f"s3://{self.name}/team/audit"

    def listing(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def get(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def commits(self):
        return sum("/access_event/_delta_log/" in key and key.endswith(".json") for key in self.listing())

    def fault(self, **fault):
        """Have the server fail from now on, or not, without arguments."""
        request = urllib.request.Request(f"{self.endpoint}/_fault", json.dumps(fault).encode(), method="POST")
        urllib.request.urlopen(request).close()


@pytest.fixture
def bucket(endpoint, environment):
    made = Bucket(endpoint)
    yield made
    made.fault()
    made.client.close()


@pytest.fixture(params=["directory", "bucket"])
def storage(request, tmp_path):
    """Both, one after the other: what is promised of one is promised of the other."""
    if request.param == "directory":
        made = storage_of(str(tmp_path / "store"))
        Path(made.location).mkdir()
        return made
    return storage_of(request.getfixturevalue("bucket").url)
