"""`lpaudit correlate` as a person or a timer runs it."""

import gzip
import json
import os
import stat

import pytest

from lpaudit import query

LINES = 600


@pytest.fixture
def store(tmp_path, sample_logs, lpaudit):
    """The recording's first lines, and Prefect's records."""
    with gzip.open(sample_logs / "audit.log.gz") as file:
        (tmp_path / "access.log").write_bytes(b"".join(next(file) for _ in range(LINES)))
    assert lpaudit("ingest", "--quiet", "access.log").returncode == 0
    assert lpaudit("sync", "--quiet", "--from-dump", sample_logs / "prefect").returncode == 0
    return tmp_path / "lpaudit-store"


def test_it_says_what_it_has_found_and_then_that_nothing_is_new(store, lpaudit):
    ran = lpaudit("correlate")
    assert (ran.returncode, ran.stderr) == (0, "")
    first, head, _, *rows = ran.stdout.splitlines()
    assert first.startswith("600 lines, ")
    assert first.endswith(" are new or changed")
    assert head.split() == ["relation", "method", "confidence", "links"]
    assert {tuple(row.split()[:3]) for row in rows} >= {
        ("target", "path", "exact"),
        ("origin", "connection", "strong"),
    }
    assert lpaudit("correlate").stdout == "nothing new\n"
    assert "of which 0 are new or changed" in lpaudit("correlate", "--all").stdout


def test_json_is_json_also_if_nothing_is_new(store, lpaudit):
    rows = json.loads(lpaudit("correlate", "--format", "json").stdout)
    assert {"relation", "method", "confidence", "links"} == rows[0].keys()
    counted = lpaudit("sql", "--format", "json", "select count(*) as n from access_run")
    assert sum(row["links"] for row in rows) == json.loads(counted.stdout)[0]["n"]
    assert json.loads(lpaudit("correlate", "--format", "json").stdout) == []


def test_quiet_says_nothing_and_does_it(store, lpaudit):
    ran = lpaudit("correlate", "--quiet")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert lpaudit("correlate").stdout == "nothing new\n"


def test_a_store_that_is_not_there_is_not_made(tmp_path, lpaudit):
    ran = lpaudit("correlate", "--store", "elsewhere")
    assert ran.returncode == 3
    assert ran.stdout == ""
    assert "elsewhere" in ran.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_a_word_too_many_is_a_wrong_command(store, lpaudit):
    assert lpaudit("correlate", "everything").returncode == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written_is_told(store, lpaudit):
    for folder in (store, *(each for each in store.rglob("*") if each.is_dir())):
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        ran = lpaudit("correlate")
    finally:
        for folder in (store, *(each for each in store.rglob("*") if each.is_dir())):
            folder.chmod(stat.S_IRWXU)
    assert ran.returncode == 3
    assert "hint:" in ran.stderr


def test_a_table_that_cannot_be_made_is_told(store, lpaudit):
    (store / "flow_run_link").write_text("in the way")
    ran = lpaudit("correlate")
    assert ran.returncode == 3
    assert "Traceback" not in ran.stderr


def test_duckdb_draws_nothing_among_the_rows():
    connection = query.connect({})
    try:
        (row,) = connection.select("select current_setting('enable_progress_bar') as drawn").to_pylist()
    finally:
        connection.close()
    assert row == {"drawn": False}
