"""`make bench`: it works, and what it says is stored is stored. How fast lpaudit is, is not tested."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from bench import logs
from bench.ingest import stored
from bench.ingested import Measured, Read, _goals
from bench.peers import GOACCESS
from bench.spent import Spent, first_output, run


def test_a_log_is_the_same_each_time_and_no_other_with_another_seed(tmp_path):
    logs.write(tmp_path / "a", 2500)
    logs.write(tmp_path / "b", 2500)
    logs.write(tmp_path / "c", 2500, seed=2)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
    assert a.count(b"\n") == 2500


def test_every_line_of_a_log_with_escapes_has_one_and_is_another(tmp_path):
    logs.write(tmp_path / "log", 2500, escapes=True)
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert len(set(lines)) == len(lines) == 2500
    assert all(b"\\" in line for line in lines)


def test_every_line_of_a_log_with_tokens_has_one_and_is_another(tmp_path):
    logs.write(tmp_path / "log", 2500, tokens=True)
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert len(set(lines)) == len(lines) == 2500
    assert all(re.search(rb"[?&]token=[0-9a-f]{32} HTTP", line) for line in lines)


def test_one_line_of_a_thousand_is_odd(tmp_path):
    logs.write(tmp_path / "log", 40_000)
    usual = re.compile(
        rb'10\.[\d.]+ \S+ \S+ \[[^]]+\] "(?:GET|POST) /api/[^" ]+ HTTP/1.1" \d+ \d+ "[^"]+" "[^"]+"'
    )
    odd = [line for line in (tmp_path / "log").read_bytes().split(b"\n")[:-1] if not usual.fullmatch(line)]
    assert len(odd) == 40
    assert len(set(odd)) > 30


def test_what_a_command_takes_is_that_of_all_its_processes(tmp_path):
    child = "import time; a = bytearray(60 << 20); end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    parent = (
        f"import subprocess, sys; b = bytearray(60 << 20); subprocess.run([sys.executable, '-c', {child!r}])"
    )
    spent = run([sys.executable, "-c", parent], tmp_path)
    assert spent.cpu >= 0.3
    assert spent.memory >= 120
    assert spent.seconds >= 0.3


def test_a_command_that_fails_stops_the_measurement(tmp_path):
    with pytest.raises(ChildProcessError, match="no such thing"):
        run([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_the_first_output_is_waited_for_and_no_more():
    late = "import time; time.sleep(0.1); print('x', flush=True); time.sleep(0.5)"
    assert 0.1 <= first_output([sys.executable, "-c", late]) < 0.6


def test_what_is_not_stored_is_found(tmp_path, lpaudit):
    log = tmp_path / "access.log"
    logs.write(log, 3000)
    assert lpaudit("ingest", "--store", str(tmp_path / "store"), str(log)).returncode == 0
    assert stored(tmp_path, log, 3000) == (3000, ())
    log.write_bytes(log.read_bytes().replace(b"10.1.", b"10.9.", 1))
    with log.open("ab") as file:
        file.write(b"one more\n")
    rows, wrong = stored(tmp_path, log, 3001)
    size = log.stat().st_size
    assert rows == 3000
    assert wrong == (
        "3,000 of 3,001 lines are rows",
        f"bytes 0 to {size - 9} are not stored",
        f"{size - 9:,} of {size:,} bytes are stored",
    )


def test_a_goal_is_met_or_not():
    fast, slow = Spent(10.0, 20.0, 500.0, ""), Spent(12.0, 110.0, 600.0, "")
    mixed = Read("mixed", "lpaudit", 1000, (fast,), 1000, 1)
    other = {"DuckDB": replace(fast, seconds=8.0), "GoAccess": slow}
    reads = [mixed, *(replace(mixed, program=name, runs=(took,)) for name, took in other.items())]
    reads += [
        replace(mixed, log="short"),
        replace(mixed, log="escaped", runs=(replace(fast, cpu=30.0, seconds=25.0),)),
        replace(mixed, log="secret", runs=(replace(fast, cpu=80.0),)),
    ]
    goals = {
        goal: (measured, met)
        for goal, _, measured, met in _goals(Measured(tuple(reads), {"typer": 0.1, "us": 0.14}))
    }
    assert list(goals.values()) == [
        ("1.25 ×", "**no**"),
        ("1.00 ×", "yes"),
        ("5.50 ×", "yes"),
        ("524 MB", "yes"),
        ("0.67 ×", "yes"),
        ("0.40 ×", "**no**"),
        ("0.25 ×", "**no**"),
        ("1.40 ×", "yes"),
    ]


def test_a_short_run_loses_nothing(checkout, tmp_path):
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "bench.ingest", "--short", "--dir", str(tmp_path), "--into", str(page)]
    ran = subprocess.run(command, capture_output=True, check=False, text=True, cwd=checkout, timeout=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = re.findall(
        r"^\| (\w+) \| (\w+) \| ([\d,]+) \|.*\| ([\d,]+) \| [\d.]+ \|$", ran.stdout, re.MULTILINE
    )
    ours = {log: (lines, rows) for log, program, lines, rows in rows if program == "lpaudit"}
    assert ours == {
        "mixed": ("20,000", "20,000"),
        "long": ("40,000", "40,000"),
        "short": ("5,000", "5,000"),
        "escaped": ("5,000", "5,000"),
        "secret": ("5,000", "5,000"),
    }
    assert {program for _, program, _, _ in rows} == {"lpaudit", "DuckDB"} | (
        {"GoAccess"} if GOACCESS else set()
    )
    assert ran.stdout.strip() in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
