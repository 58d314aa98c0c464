"""What Prefect says: recorded API answers → rows of the snapshot tables."""

from lpaudit.prefect.dump import Snapshot, read_dump

__all__ = ["Snapshot", "read_dump"]
