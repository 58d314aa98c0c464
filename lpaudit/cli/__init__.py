"""The command line: arguments → pipeline → console → exit status.

What is heavy (polars, pyarrow, duckdb, deltalake) is imported inside the commands, so that
help and completion answer at once.
"""

from lpaudit.cli.commands import app

__all__ = ["app"]
