"""Holds are set and released by people, and both stay on record."""

import json

import pytest
from report.small import line

RUN = "34a1e685-aad5-47b0-af6e-921ad94366d9"


@pytest.fixture
def store(lpaudit, tmp_path):
    (tmp_path / "access.log").write_text(line("10:00:00", "GET /", user="alice") + "\n")
    assert lpaudit("ingest", "--host", "gw1", "access.log").returncode == 0
    return tmp_path / "lpaudit-store"


def rows(lpaudit, sql):
    done = lpaudit("sql", "--format", "json", sql)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_hold_says_what_who_why_and_where(store, lpaudit):
    done = lpaudit(
        "hold", "add", "--from", "2026-03-01", "--to", "2026-03-31", "--identity", "priya",
        "--run", RUN.upper(), "--reason", "litigation", "--ticket", "LEGAL-7", "--as", "counsel",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hold_id = done.stdout.removeprefix("hold ").strip()
    [row] = rows(lpaudit, "select * from legal_hold")
    assert {name: row[name] for name in ("hold_id", "identity", "flow_run_id", "by", "reason", "ticket")} == {
        "hold_id": hold_id,
        "identity": "priya",
        "flow_run_id": RUN,
        "by": "counsel",
        "reason": "litigation",
        "ticket": "LEGAL-7",
    }
    # A date is a whole day: the last of March is held, too.
    assert row["from"].startswith("2026-03-01T00:00:00")
    assert row["to"].startswith("2026-04-01T00:00:00")
    assert row["released_at"] is None
    assert hold_id in lpaudit("hold", "list").stdout


def test_a_release_is_a_record_of_its_own(store, lpaudit):
    hold_id = lpaudit("hold", "add", "--identity", "bob", "--reason", "HR-1").stdout.split()[1]
    lpaudit("hold", "add", "--identity", "eve", "--reason", "HR-2")
    done = lpaudit("hold", "release", hold_id, "--reason", "settled", "--as", "counsel")
    assert (done.returncode, done.stdout) == (0, f"released {hold_id}\n")
    assert "bob" not in lpaudit("hold", "list").stdout
    assert "eve" in lpaudit("hold", "list").stdout
    shown = lpaudit("hold", "list", "--all", "--format", "json").stdout
    assert [row["released_reason"] for row in json.loads(shown)] == ["settled", None]
    events = rows(lpaudit, "select number, event, id, reason from retention order by number")
    assert [(e["number"], e["event"], e["reason"]) for e in events] == [
        (1, "hold", "HR-1"),
        (2, "hold", "HR-2"),
        (3, "release", "settled"),
    ]
    again = lpaudit("hold", "release", hold_id, "--reason", "again")
    assert again.returncode == 2
    assert f"the hold {hold_id} was released by counsel" in again.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "a hold of what?"),
        (["--from", "2026-03-02", "--to", "2026-03-01"], "the time of the hold is none"),
        (["--run", "grumpy-otter"], "is no flow run's id"),
        (["--identity", " "], "has no name"),
        (["--from", "soon"], "--from 'soon' is not a time"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(store, lpaudit, options, words):
    done = lpaudit("hold", "add", *options, "--reason", "x")
    assert done.returncode == 2
    assert words in done.stderr
    assert "hint:" in done.stderr


def test_nothing_is_held_or_released_without_a_word(store, lpaudit):
    assert lpaudit("hold", "add", "--identity", "bob").returncode == 2
    assert "say why with --reason" in lpaudit("hold", "add", "--identity", "bob", "--reason", " ").stderr
    assert lpaudit("hold", "release", "0" * 16, "--reason", " ").returncode == 2
    assert "there is no hold" in lpaudit("hold", "release", "0" * 16, "--reason", "x").stderr


def test_holds_and_releases_are_in_the_audit_trail(store, lpaudit):
    hold_id = lpaudit("hold", "add", "--identity", "bob", "--reason", "HR-1").stdout.split()[1]
    lpaudit("hold", "release", hold_id, "--reason", "settled")
    trail = rows(lpaudit, "select command, text, outcome from audit_trail order by asked_at")
    assert [(row["command"], row["outcome"]) for row in trail] == [("hold add", "ok"), ("hold release", "ok")]
    assert json.loads(trail[1]["text"]) == {"hold_id": hold_id, "reason": "settled"}
