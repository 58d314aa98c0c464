"""`make bench-report`: the store is what it says, and lines are counted. How fast lpaudit is, is not tested."""

import gzip
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from bench import plain
from bench.copies import BEGIN, Copies, records
from bench.report import Asked, Month, report
from bench.spent import Spent
from lpaudit.schema import tables

SPACING = timedelta(minutes=20)


@pytest.fixture(scope="module")
def copies():
    return Copies(SPACING, datetime(2026, 10, 1, tzinfo=UTC))


def test_a_copy_is_the_recording_later_and_with_other_ids(copies, checkout):
    recording = gzip.decompress((checkout / "sample_logs" / "audit.log.gz").read_bytes())
    first = Copies(SPACING).log(0)
    assert first == recording
    third = copies.log(2)
    later = datetime(2026, 10, 1, tzinfo=UTC) - BEGIN + 2 * SPACING
    blank = re.compile(rb"ts=\d{10}|end=\d{10}|\b[0-9a-f]{8}(?=-[0-9a-f]{4}-)")
    assert blank.sub(b"", third) == blank.sub(b"", recording)
    for before, after in zip(recording.splitlines()[:500], third.splitlines(), strict=False):
        moved = [int(re.search(rb" ts=(\d{10})", text)[1]) for text in (before, after)]
        assert timedelta(seconds=moved[1] - moved[0]) == later


def test_in_a_quiet_copy_nobody_changes_or_runs_anything(copies):
    whole, quiet = copies.log(2).splitlines(), copies.log(2, quiet=True).splitlines()
    times = re.compile(rb"^v=1 ts=\S+ end=\S+ ")
    assert [times.match(text)[0] for text in quiet] == [times.match(text)[0] for text in whole]
    unlike = [text for text in quiet if not re.search(rb' m=(GET|POST) .* frid="-" ', text)]
    assert unlike == []
    runs = [
        text for text in quiet if re.search(rb'url="[^"]*/(flow_runs/[0-9a-f]{8}-|create_flow_run)', text)
    ]
    assert len(runs) < 5, "the first lines, before any that only asks"
    assert len(set(quiet)) > 1000


def test_records_of_a_copy_are_of_the_runs_in_its_log(copies, tmp_path):
    dump, log = copies.dump(tmp_path, 3), copies.log(3)
    runs = [one["id"] for one in json.loads((dump / "flow_runs.json").read_text())]
    assert len(set(runs)) == len(runs) == len(json.loads(records("flow_runs")))
    assert sum(run.encode() in log for run in runs) > len(runs) / 2
    assert not any(run.encode() in copies.log(4) for run in runs)
    [same] = {(tmp_path / "dump" / "flows.json").read_text(), records("flows")}
    assert "created" in same


def test_plain_questions_can_be_asked():
    connection = duckdb.connect()
    connection.register("line", tables()["access_event"].arrow.empty_table())
    for question in plain.QUESTIONS:
        connection.execute(question, {"start": "2026-10-01", "end": "2026-11-01"})


def test_what_grows_with_the_store_is_no_goal_met(copies, tmp_path):
    quick, slow = Spent(10.0, 15.0, 900.0, ""), Spent(61.0, 80.0, 5000.0, "")
    small = Asked("lpaudit", 100, 100, 50, (quick,))
    found = [small, Asked("lpaudit", 400, 100, 50, (slow,)), Asked("lpaudit", 400, 400, 50, (slow,))]

    class Options:
        spacing, rounds, framework, whole = 14.0, 1, "soc2-tsc-2017", 8

    text = report(Options, found, Month(tmp_path, copies, SPACING, 8), 1.0, 0.0)
    goals = re.findall(r"^\| [^|]+ \| ≤ [^|]+ \| ([^|]+) \| (\S+) \|$", text, re.MULTILINE)
    assert goals == [("61 s", "**no**"), ("5,000 MiB", "**no**"), ("0.25 ×", "yes"), ("5.33 ×", "**no**")]


def test_a_short_run_counts_every_line(checkout, tmp_path):
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "bench.report", "--short", "--framework", "access"]
    command += ["--dir", str(tmp_path), "--into", str(page)]
    ran = subprocess.run(command, capture_output=True, check=False, text=True, cwd=checkout, timeout=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = re.findall(r"^\| (lpaudit|plain DuckDB) \| ([\d,]+) \| ([\d,]+) \|", ran.stdout, re.MULTILINE)
    one, two = "16,181", "32,362"
    stored = [one, two]
    assert [row[1] for row in rows] == [stored[0], stored[0], *[stored[1]] * 6]
    assert {row[2] for row in rows} == {one, two}
    assert ran.stdout.strip() in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
