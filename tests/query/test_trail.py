"""The audit trail: every question leaves a row, whatever becomes of it, and nothing else changes."""

import getpass
import json
import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from deltalake import DeltaTable

from lpaudit import pipeline, redaction, trail

LOG = b'192.0.2.1 gw alice [23/Nov/2026:10:15:00 +0000] "GET /api/flows HTTP/1.1" 403 22 "-" "plain"\n'


@pytest.fixture
def store(tmp_path, lpaudit):
    (tmp_path / "access.log").write_bytes(LOG)
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    return tmp_path / "lpaudit-store"


def rows(store):
    """The trail, the oldest first; not by way of lpaudit, which would add to it."""
    if not (store / "audit_trail").is_dir():
        return []
    return sorted(
        DeltaTable(store / "audit_trail").to_pyarrow_table().to_pylist(), key=lambda row: row["asked_at"]
    )


def last(store):
    return rows(store)[-1]


def test_a_query_is_recorded_with_who_asked_what_and_what_was_answered(store, lpaudit):
    before = datetime.now(UTC)
    query = "select path, status from access"
    ran = lpaudit(
        "sql", "--format", "csv", query, text=False, env={"SUDO_USER": "priya", "LOGNAME": "mallory"}
    )
    (row,) = rows(store)
    assert (row["command"], row["text"], row["outcome"], row["exit_status"]) == ("sql", query, "ok", 0)
    assert row["text_sha256"] == sha256(query.encode()).hexdigest()
    assert row["answer_sha256"] == sha256(ran.stdout).hexdigest()
    assert row["rows"] == 1
    assert before <= row["asked_at"] <= datetime.now(UTC)
    assert row["duration_us"] > 0
    assert (row["uid"], row["sudo_user"]) == (os.getuid(), "priya")
    assert row["user"] == getpass.getuser(), "who it is says the system, and not a variable"
    assert dict(row["table_versions"]) == {
        name: str(DeltaTable(store / name).version()) for name in ("access_event", "log_format")
    }
    assert row["error"] is None


def test_what_goes_to_a_file_is_what_is_hashed(store, lpaudit):
    assert (
        lpaudit("sql", "-o", "out.md", "--format", "markdown", "select 1 as a union all select 2").returncode
        == 0
    )
    row = last(store)
    assert row["answer_sha256"] == sha256((store.parent / "out.md").read_bytes()).hexdigest()
    assert row["rows"] == 2


def test_what_is_refused_fails_or_takes_too_long_is_recorded(store, lpaudit):
    lpaudit("sql", "drop view access")
    assert (last(store)["outcome"], last(store)["exit_status"]) == ("refused", 2)
    assert last(store)["error"].startswith("DROP is refused")
    lpaudit("sql", "--timeout", "1", "-", input="select sum(sleep_ms(1000)) from range(100)")
    row = last(store)
    assert (row["outcome"], row["exit_status"], row["answer_sha256"]) == ("limit", 3, None)
    assert row["text"] == "select sum(sleep_ms(1000)) from range(100)"
    lpaudit("sql", "-o", "no/such/directory", "select 1")
    assert (last(store)["outcome"], last(store)["exit_status"]) == ("error", 3)
    assert len(rows(store)) == 3


def test_whose_process_is_ended_is_recorded_by_its_parent(store, lpaudit):
    query = "with " + ", ".join(
        f"a{n} as (from {f'a{n - 1} x, a{n - 1} y' if n else 'range(2)'})" for n in range(60)
    )
    assert lpaudit("sql", "--timeout", "1", "-", input=f"{query} from a59").returncode == 3
    (row,) = rows(store)
    assert (row["text"], row["outcome"]) == (f"{query} from a59", "limit")


def test_other_questions_and_decisions_are_recorded_too(store, lpaudit):
    assert lpaudit("denied", "--since", "2026-11-01").returncode == 1
    assert (last(store)["command"], last(store)["outcome"], last(store)["exit_status"]) == ("denied", "ok", 1)
    assert json.loads(last(store)["text"]) == {"row_format": "table", "since": "2026-11-01"}
    lpaudit("exceptions", "close", "0123456789abcdef", "--disposition", "fixed", "--comment", "x")
    assert (last(store)["command"], last(store)["outcome"]) == ("exceptions close", "refused")
    lpaudit("verify")
    assert last(store)["command"] == "verify"
    assert len(rows(store)) == 3
    for command in (["status"], ["tables"], ["compact"]):
        assert lpaudit(*command).returncode == 0
    assert len(rows(store)) == 3


def test_a_report_does_not_change_because_somebody_asked(store, lpaudit):
    asked = ["report", "access", "operation", "--period", "2026-11-23", "--format", "json,md,csv", "--out"]
    for folder in ("one", "two"):
        ran = lpaudit(*asked, folder)
        assert ran.returncode == 0, ran.stderr
        lpaudit("sql", "select 1")
    one, two = (
        {str(p.relative_to(top)): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file()}
        for top in (store.parent / "one", store.parent / "two")
    )
    assert one == two
    (row,) = (row for row in rows(store) if row["command"] == "report" and '"out":"two"' in row["text"])
    sums = "".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in sorted(two.items()))
    assert row["answer_sha256"] == sha256(sums.encode()).hexdigest(), "what sha256sum prints"


def test_secrets_of_a_query_are_not_stored(store, lpaudit):
    key = "pnu_" + "a1B2c3D4e5F6g7H8" * 2
    lpaudit("sql", f"select nope from access where query = 'x={key}' -- {'x' * 70_000} {key}")
    row = last(store)
    assert len(row["text"]) == (1 << 16) + 1
    assert row["text_sha256"] == sha256(redaction.redacted(f"select nope from access where query = 'x={key}' -- {'x' * 70_000} {key}").encode()).hexdigest()  # fmt: skip
    everything = json.dumps(row, default=str)
    assert key not in everything
    assert key[4:] not in everything


def test_every_query_of_a_prompt_is_recorded_before_and_after(store):
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lpaudit", "sql"], cwd=store.parent, stdin=secondary, stdout=secondary,
        stderr=secondary, env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip
    os.close(secondary)
    os.write(primary, b"select 1 as a;\ndrop view access;\nquit\n")
    seen = b""
    try:
        while piece := os.read(primary, 4096):
            seen += piece
    except OSError:
        pass  # the other side has gone
    assert process.wait(timeout=60) == 0, seen
    os.close(primary)
    found = [(row["command"], row["text"], row["outcome"]) for row in rows(store)]
    assert sorted(found) == [
        ("shell", "", "ok"),
        ("shell", "drop view access;\n", "asked"),
        ("shell", "drop view access;\n", "refused"),
        ("shell", "select 1 as a;\n", "asked"),
        ("shell", "select 1 as a;\n", "ok"),
    ]


def test_who_cannot_record_is_answered_and_told_unless_it_is_required(store, lpaudit):
    (store / "audit_trail").symlink_to("nowhere")
    ran = lpaudit("sql", "--format", "csv", "select 1 as one")
    assert (ran.returncode, ran.stdout) == (0, "one\n1\n")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("lpaudit: this is not in the audit trail: cannot ")
    ran = lpaudit("sql", "select 1 as one", env={"LPAUDIT_AUDIT_TRAIL": "required"})
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "hint: " in ran.stderr
    ran = lpaudit("sql", "select 1 as one", env={"LPAUDIT_AUDIT_TRAIL": "off"})
    assert (ran.returncode, ran.stdout) == (2, "")


def test_what_is_required_is_recorded_before_it_is_answered(store, lpaudit):
    assert lpaudit("sql", "select 1", env={"LPAUDIT_AUDIT_TRAIL": "required"}).returncode == 0
    assert sorted(row["outcome"] for row in rows(store)) == ["asked", "ok"]
    assert len({row["act_id"] for row in rows(store)}) == 1
    found = pipeline.select(str(store), "audit_trail", "select outcome from audit_trail_latest").to_pylist()
    assert found == [{"outcome": "ok"}]


def test_many_record_at_once_and_few_files_are_made_of_it(store, lpaudit):
    who = trail.Who("gw1", "priya", 1001, None)

    def one(number):
        asked = trail.Asked(f"{number:032x}", datetime.now(UTC), "sql", f"select {number}", who)
        trail.record(str(store), asked, trail.Ended("ok", 0), {}, lambda: f"{number:032x}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    assert sorted(row["text"] for row in rows(store)) == sorted(f"select {number}" for number in range(24))
    numbers = iter(range(1000, 2000))
    done = pipeline.compact(str(store), keep_replaced=24, unique=lambda: f"{next(numbers):032x}")
    assert done.tables["audit_trail"]
    assert len(rows(store)) == 24
    assert len(DeltaTable(store / "audit_trail").file_uris()) < 24


def test_the_trail_is_signed_as_everything_else_is(store, lpaudit):
    assert lpaudit("keys", "init", "--as", "gw1").returncode == 0
    assert lpaudit("sql", "select 1").returncode == 0
    assert lpaudit("sign").returncode == 0
    ran = lpaudit("verify", "--full")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lpaudit("sql", "select 2")
    assert lpaudit("sign").returncode == 0
    (part, *_) = sorted((store / "audit_trail").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-8] + b"12345678")
    ran = lpaudit("verify")
    assert ran.returncode == 1
    assert "audit_trail" in ran.stdout
