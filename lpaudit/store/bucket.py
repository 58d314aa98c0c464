"""A store in a bucket of an object store that speaks the S3 API.

A put is atomic and, once acknowledged, durable: there is nothing to sync, and nothing half
written to be seen. What rows and offsets rest on is the Delta log's put-if-absent.

Two clients do the work: delta-rs commits, Arrow moves files. Both look up credentials
themselves, in AWS's usual places; lpaudit never sees any. Whatever else they could read
differently (endpoint, region, time-outs) is decided here, once, and told to both.
"""

import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError
from pyarrow import fs

from lpaudit.errors import StoreError

_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT", "AWS_ENDPOINT")
_ONCE = CommitProperties(max_commit_retries=0)

# Seconds. An endpoint that answers nothing stops a command within half a minute.
_CONNECT, _ANSWER, _REQUEST = 5, 10, 30
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix of a bucket, as both clients see it."""

    location: str
    filesystem: Any
    options: Mapping[str, str]
    kind = "a place in a bucket"

    @classmethod
    def of(cls, url: str) -> "Bucket":
        """Return what ``s3://bucket/prefix`` names; nothing is asked of it yet. Raises StoreError."""
        url = url.rstrip("/")
        if not _URL.fullmatch(url):
            # It is not shown: what stands before an @ could be a secret.
            raise StoreError(
                "cannot use this s3:// URL: it is s3://BUCKET/PREFIX, of letters, digits and . _ = -",
                hint="name another place with --store; credentials do not belong into a URL",
            )
        endpoint = _endpoint(os.environ)
        client = fs.S3FileSystem(
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            endpoint_override=endpoint,
            connect_timeout=_CONNECT,
            request_timeout=_ANSWER,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            allow_delayed_open=True,  # a small file is one put
        )
        options = {
            "aws_region": client.region,
            "aws_conditional_put": "etag",
            # Without it, delta-rs reads no profile where there is an endpoint.
            "aws_force_credential_load": "true",
            "connect_timeout": f"{_CONNECT}s",
            "timeout": f"{_REQUEST}s",
            "max_retries": str(_ATTEMPTS - 1),
            "retry_timeout": f"{_REQUEST}s",
        }
        if endpoint is not None:
            # By both names: one in the environment would win over the other here.
            options |= {"aws_endpoint_url": endpoint, "aws_endpoint_url_s3": endpoint}
            options["aws_allow_http"] = str(endpoint.startswith("http://")).lower()
        return cls(url, fs.SubTreeFileSystem(url.removeprefix("s3://"), client), options)

    def entries(self) -> list[str] | None:
        """Return the names right below the prefix; None if there are none."""
        return self.names("") or None

    def prepare(self) -> None:
        """Do nothing: a prefix begins with its first object."""

    def write(self, name: str, write: Callable[[Path], None], unique: str) -> int:
        """Make the file locally and put it: at once if it is small, else in parts that appear together."""
        with TemporaryDirectory(prefix="lpaudit-") as folder:
            file = Path(folder, unique)
            write(file)
            data = file.read_bytes()
        # In another thread, which no signal interrupts: a stream that is left half written is
        # completed when it is thrown away, and then the name stands for half of the bytes.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self._put, name, data).result()
        return len(data)

    def create(self, name: str, data: bytes, unique: str) -> bool:
        """Put an object if there is none. Two that do so at the same instant are not told apart.

        Arrow cannot put under a condition. What is created so is read by `verify`, which finds
        a batch that does not go on from the one before.
        """
        if self.filesystem.get_file_info(name).type != fs.FileType.NotFound:
            return False
        self.write(name, lambda file: _write_bytes(file, data), unique)
        return True

    def _put(self, name: str, data: bytes) -> None:
        # Not fs.copy_files: it does not hear of what fails when the stream is closed.
        stream = self.filesystem.open_output_stream(name, compression=None)
        stream.write(data)
        stream.close()

    def read(self, name: str) -> bytes:
        """Return an object's bytes."""
        with self.filesystem.open_input_stream(name, compression=None) as stream:
            data: bytes = stream.readall()
        return data

    def sizes(self) -> dict[str, int]:
        """Return every object and its size."""
        return {entry.path: entry.size for entry in self._list("", recursive=True) if entry.is_file}

    def names(self, folder: str) -> list[str]:
        """Return the names right below a prefix."""
        return sorted(entry.base_name for entry in self._list(folder, recursive=False))

    def remove(self, name: str) -> None:
        """Remove an object. Where objects have versions, the service keeps its bytes."""
        with suppress(FileNotFoundError):
            self.filesystem.delete_file(name)

    def _list(self, folder: str, *, recursive: bool) -> list[Any]:
        try:
            # Were it allowed not to be there, a bucket that does not exist would be an empty one.
            listed: list[Any] = self.filesystem.get_file_info(fs.FileSelector(folder, recursive=recursive))
        except FileNotFoundError:
            return []
        return listed

    def create_table(self, name: str, create: Callable[..., object], unique: str) -> None:
        """Put the table's first log entry if there is none: without retries, a second one cannot follow."""
        del unique
        try:
            create(f"{self.location}/{name}", storage_options=dict(self.options), commit_properties=_ONCE)
        except CommitFailedError:
            return  # another writer's is there

    def sync_commit(self, table: str, version: int) -> None:
        """Do nothing: what the service has acknowledged is durable."""

    def settle(self) -> None:
        """Do nothing, for the same reason."""


def _write_bytes(file: Path, data: bytes) -> None:
    file.write_bytes(data)


def _endpoint(environ: Mapping[str, str]) -> str | None:
    """Return the endpoint's URL; None for AWS itself. Raises StoreError."""
    name = next((name for name in _ENDPOINTS if environ.get(name)), None)
    if name is None:
        return None
    endpoint = environ[name].rstrip("/")
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.path and "@" not in endpoint
    except ValueError:
        good = False
    if not good:
        raise StoreError(f"{name} is no URL of a server", hint="write it like https://minio.example.com:9000")
    if endpoint.startswith("http://") and environ.get("AWS_ALLOW_HTTP", "").lower() not in ("1", "true"):
        raise StoreError(
            f"{name} is {endpoint}: everything would be sent in the clear",
            hint="use https://, or set AWS_ALLOW_HTTP=true for a server on this machine or a trusted network",
        )
    return endpoint
