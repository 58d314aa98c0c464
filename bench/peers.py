"""What else reads an access log: DuckDB and GoAccess, told to do as much of the same as they can."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

GOACCESS = shutil.which("goaccess")

# Split at spaces outside of quotes; the types and columns are those of the schema. It knows no
# line number, keeps no bytes, undoes no escapes but \" and \\, and drops lines of another shape.
_SQL = r"""
copy (
  select
    nullif(h, '-') as client_address, nullif(v, '-') as url_domain, nullif(u, '-') as user_name,
    try_strptime(day || ' ' || zone, '[%d/%b/%Y:%H:%M:%S %z]') as event_end,
    split_part(r, ' ', 1) as http_request_method, split_part(r, ' ', 2) as url_original,
    split_part(split_part(r, ' ', 2), '?', 1) as url_path,
    nullif(split_part(split_part(r, ' ', 2), '?', 2), '') as url_query,
    split_part(r, ' ', 3) as network_protocol,
    try_cast(s as smallint) as http_response_status_code,
    try_cast(nullif(b, '-') as bigint) as http_response_body_bytes,
    nullif(referrer, '-') as http_request_referrer, nullif(agent, '-') as user_agent_original
  from read_csv($log, delim = ' ', quote = '"', escape = '\', header = false, auto_detect = false,
    strict_mode = false, ignore_errors = true,
    columns = {h: 'varchar', v: 'varchar', u: 'varchar', day: 'varchar', zone: 'varchar', r: 'varchar',
      s: 'varchar', b: 'varchar', referrer: 'varchar', agent: 'varchar'})
) to $file (format parquet, compression zstd)
"""


def duckdb_command(log: Path, file: Path) -> Sequence[str]:
    """Return what writes a log as typed Parquet, and prints how many rows that are."""
    return (sys.executable, "-m", "bench.peers", str(log), str(file))


def goaccess_command(log: Path, file: Path) -> Sequence[str]:
    """Return what writes a log's figures as JSON."""
    assert GOACCESS is not None
    return (
        GOACCESS,
        str(log),
        "--no-global-config",
        "--no-progress",
        '--log-format=%h %v %e [%d:%t %^] "%r" %s %b "%R" "%u"',
        "--date-format=%d/%b/%Y",
        "--time-format=%H:%M:%S",
        "--output",
        str(file),
    )


def goaccess_lines(file: Path) -> int:
    """Return how many lines GoAccess has understood."""
    return int(json.loads(file.read_bytes())["general"]["valid_requests"])


def duckdb_version() -> str:
    """Return DuckDB's version: that which lpaudit uses."""
    return version("duckdb")


def goaccess_version() -> str:
    """Return what GoAccess calls itself."""
    if GOACCESS is None:
        return "no GoAccess"
    told = subprocess.run([GOACCESS, "--version"], check=True, capture_output=True, text=True).stdout
    return told.splitlines()[0].removesuffix(".").replace(" - ", " ")


def main() -> None:
    """Be DuckDB."""
    import duckdb  # noqa: PLC0415 -- its start-up belongs to what is measured

    log, file = sys.argv[1:]
    rows = duckdb.connect().execute(_SQL, {"log": log, "file": file}).fetchone()
    assert rows is not None
    print(rows[0])


if __name__ == "__main__":
    main()
