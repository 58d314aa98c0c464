"""`lpaudit checks` and `lpaudit report --reports` as a person runs them."""

CHECK = """/*
id = "mine"
title = "Mine"
question = "Who deleted?"
kind = "control"
severity = "high"
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines"
limits = "-"
[parameters.least]
default = 400
why = "-"
*/
select line_id, "user" from access
where time >= $start and time < $end and action = 'delete' and status < $least
order by line_id
"""
EXAMPLES = """
[[fires]]
why = "deleted"
log = '2026-11-23T10:00:00 192.0.2.7 alice 204 0 "DELETE /api/flow_runs/0a000000-0000-4000-8000-000000000001 HTTP/1.1" "-"'
[[silent]]
why = "read"
log = '2026-11-23T10:00:00 192.0.2.7 alice 200 0 "GET /api/health HTTP/1.1" "-"'
"""


def folder(tmp_path, check=CHECK):
    area = tmp_path / "ours" / "checks" / "own"
    area.mkdir(parents=True)
    (area / "mine.sql").write_text(check)
    (area / "mine.examples.toml").write_text(EXAMPLES)


def test_checks_are_listed_ones_own_among_them(tmp_path, lpaudit):
    folder(tmp_path)
    shipped = lpaudit("checks", "list", "--format", "csv").stdout.splitlines()
    assert shipped[0] == "id,section,kind,title,severity,tags,file"
    assert "deletions,S17,control,Deletions,high,D13 T1485 T1070,checks/detections/deletions.sql" in shipped
    ours = lpaudit("checks", "list", "--format", "csv", "--reports", "ours").stdout.splitlines()
    assert set(ours) - set(shipped) == {"mine,,control,Mine,high,,ours/checks/own/mine.sql"}


def test_a_folder_is_tried(tmp_path, lpaudit):
    folder(tmp_path)
    tried = lpaudit("checks", "test", "ours")
    assert (tried.returncode, tried.stdout) == (0, "")
    assert tried.stderr == "lpaudit: 0 problems in 1 checks with 2 examples\n"


def test_a_slip_is_told_with_the_file_and_the_status(tmp_path, lpaudit):
    folder(tmp_path, CHECK.replace("'delete'", "'delet'"))
    tried = lpaudit("checks", "test", "ours")
    assert tried.returncode == 1
    assert tried.stdout.splitlines()[0] == (
        "ours/checks/own/mine.sql: action is never 'delet': did you mean 'delete'?"
    )


def test_a_parameter_of_no_check_is_refused(tmp_path, lpaudit):
    (tmp_path / "lpaudit.toml").write_text("[checks.brute-forse]\nattempts = 3\n")
    listed = lpaudit("checks", "list")
    assert listed.returncode == 2
    assert "there is no check 'brute-forse'" in listed.stderr
    assert "did you mean brute-force?" in listed.stderr


def test_a_broken_one_is_told_and_the_others_are_listed_and_tried(tmp_path, lpaudit):
    folder(tmp_path)
    (tmp_path / "ours" / "checks" / "own" / "other.sql").write_text("attach 'x'")
    listed = lpaudit("checks", "list", "--format", "csv", "--reports", "ours")
    assert listed.returncode == 3
    assert "mine,,control,Mine,high,,ours/checks/own/mine.sql" in listed.stdout.splitlines()
    assert "other.sql does not begin with /* TOML */" in listed.stderr
    tried = lpaudit("checks", "test", "ours")
    assert tried.returncode == 1
    assert (
        tried.stdout
        == "ours/checks/own/other.sql: ours/checks/own/other.sql does not begin with /* TOML */\n"
    )
    assert tried.stderr == "lpaudit: 1 problems in 2 checks with 2 examples\n"


def test_a_check_that_only_the_end_of_the_process_stops_stops_no_other_one(tmp_path, lpaudit, monkeypatch):
    """DuckDB computes a constant while it plans, and hears of nothing meanwhile."""
    folder(tmp_path)
    endless = "select levenshtein(repeat('a', 300000), repeat('b', 300001))::varchar as line_id order by 1"
    head = CHECK.partition("[parameters")[0].replace("mine", "endless")
    (tmp_path / "ours" / "checks" / "own" / "endless.sql").write_text(f"{head}*/\n{endless}\n")
    (tmp_path / "ours" / "frameworks").mkdir()
    (tmp_path / "ours" / "frameworks" / "ours.toml").write_text(
        'id = "ours"\ntitle = "Ours"\ndescription = "-"\nbase = "operation"\n'
        '[[control]]\nid = "one"\nintent = "-"\nchecks = ["mine", "endless"]\nnot_shown = "-"\n'
    )
    (tmp_path / "access.log").write_text(
        '192.0.2.7 gw alice [23/Nov/2026:10:00:00 +0000] "DELETE /api/flows/1 HTTP/1.1" 204 0 "-" "curl/8"\n'
    )
    monkeypatch.setenv("LPAUDIT_CHECK_SECONDS", "1")
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    ran = lpaudit("report", "ours", "--reports", "ours", "--period", "2026-11-23", "--out", "out")
    assert ran.returncode == 3
    assert ran.stderr.splitlines() == [
        "lpaudit: ours: a question could not be asked: endless: the query took longer than 1 seconds"
    ]
    told = (tmp_path / "out" / "ours.md").read_text()
    assert "the query took longer than 1 seconds" in told
    monkeypatch.setenv("LPAUDIT_REPORTS", "ours")
    ran = lpaudit(
        "nightly", "--date", "2026-11-23", "--skip", "sync", "--framework", "ours", "--out", "nights"
    )
    assert ran.returncode == 3
    assert "checks failed: endless: the query took longer than 1 seconds (" in ran.stderr
    assert (tmp_path / "nights" / "2026-11-23" / "ours.html").exists()
    [trail] = lpaudit(
        "sql", "select outcome from audit_trail where command = 'nightly'", "--format", "jsonl"
    ).stdout.splitlines()
    assert trail == '{"outcome": "error"}'
