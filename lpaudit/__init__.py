"""lpaudit: the audit log that self-hosted Prefect lacks, good enough for an auditor."""

__version__ = "0.1.0"

STORE_VERSION = 1
"""The layout of the store on disk. A larger number was written by a newer lpaudit and is refused."""
