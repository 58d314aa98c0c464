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
