"""What Prefect says: its API, or recorded answers of it → rows of the snapshot tables."""

from lpaudit.prefect.client import Client
from lpaudit.prefect.collections import COLLECTIONS, Collection, Window
from lpaudit.prefect.dump import Snapshot, check_dump, read_dump, write_dump
from lpaudit.prefect.fetch import Fetched, Observer, Seen, fetch, told
from lpaudit.prefect.settings import ApiSettings, load

__all__ = [
    "COLLECTIONS",
    "ApiSettings",
    "Client",
    "Collection",
    "Fetched",
    "Observer",
    "Seen",
    "Snapshot",
    "Window",
    "check_dump",
    "fetch",
    "load",
    "read_dump",
    "told",
    "write_dump",
]
