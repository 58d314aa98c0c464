"""A purge in a bucket is what it is in a directory."""

import json
from datetime import UTC, datetime

from tests.follower import line


def test_lines_are_purged_from_a_bucket_and_the_rest_verifies(bucket, lpaudit, tmp_path):
    log, key = tmp_path / "access.log", tmp_path / "signing" / "key.pem"
    (tmp_path / "lpaudit.toml").write_text(f'key = "{key}"\nstore = "{bucket.url}"\n')
    old, new = datetime(2025, 3, 1, tzinfo=UTC), datetime.now(UTC)
    for when in (old, new):
        with log.open("ab") as file:
            file.write(line("a", when) + line("b", when))
        done = lpaudit("ingest", "--host", "gw1", log)
        assert done.returncode == 0, done.stderr
    assert lpaudit("keys", "init", "--as", "gw1").returncode == 0
    lpaudit("hold", "add", "--identity", "nobody", "--reason", "x")
    planned = json.loads(lpaudit("retain", "--keep", "1y", "--dry-run", "--format", "json").stdout)
    assert [segment["lines"] for segment in planned["segments"]] == [2]
    done = lpaudit("retain", "--keep", "1y", "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["purge"]["lines"], told["deleted_files"]) == (2, 2)
    names = [name.removeprefix("team/audit/") for name in bucket.listing()]
    assert sum(name.startswith("segments/") and name.endswith(".zst") for name in names) == 1
    assert told["certificate"] in names
    assert lpaudit("verify").stdout.startswith("0 findings")
    status = json.loads(lpaudit("status", "--format", "json").stdout)
    assert (status["lines"], status["access"], status["purged"]) == (4, 2, 2)
    assert "0 new lines, 4 already stored" in lpaudit("ingest", "--host", "gw1", log).stdout
    assert [name for name in bucket.listing() if name.endswith(".tmp")] == []
