"""Make a recording to measure with: ``python -m tests.recording.record DIR [--rounds N] [--header]``.

DIR gets the log, compressed, without any truth in it; ``truth.csv.gz``, which names the run
that a line was made inside of; ``truth.json``, with who did what; and Prefect's own records.
Without ``--header`` nothing in the log says which run made a request.
"""

import argparse
import gzip
import shutil
import tempfile
from pathlib import Path

from tests.conftest import find_lighttpd
from tests.recording.recording import record


def main() -> None:
    """Record."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--header", action="store_true")
    given = asked.parse_args()
    lighttpd = find_lighttpd()
    if lighttpd is None:
        asked.error("there is no lighttpd")
    given.directory.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        made = record(lighttpd, Path(folder), header=given.header, rounds=given.rounds)
        rows = [f"{number},{run}\n" for number, run in enumerate(made.origin, 1) if run]
        for name, content in (
            ("access.log.gz", made.log.read_bytes()),
            ("error.log.gz", made.error_log.read_bytes()),
            ("truth.csv.gz", "".join(["line,origin_flow_run_id\n", *rows]).encode()),
        ):
            (given.directory / name).write_bytes(gzip.compress(content, mtime=0))
        shutil.copytree(made.prefect, given.directory / "prefect")
        shutil.copy(Path(folder) / "truth.json", given.directory)
    print(f"{len(made.origin)} lines, {len(rows)} of them inside {len(set(made.origin) - {None})} runs")


if __name__ == "__main__":
    main()
