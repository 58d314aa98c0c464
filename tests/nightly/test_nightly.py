"""A night: every step, what one that fails stops, where an interrupted one goes on, and never two at once."""

import fcntl
import json
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from report.small import line

from lpaudit import focus, nightly, report
from lpaudit.errors import Busy, ConfigError, Exit, StoreError
from lpaudit.nightly import steps
from lpaudit.nightly.lock import lock_file
from lpaudit.store import open_store

CONTROLS = steps.controls  # the real one: most nights here ask few
NAMES = ["sync", "correlate", "compact", "checks", "report", "sign", "verify", "alert"]
FIRST_ROW = "select * from control_run order by revision limit 1"


def outcomes(run):
    return {taken.step: str(taken.outcome) for taken in run.steps}


def test_a_night_does_every_step_and_says_so(nights):
    run = nights.run()
    assert [step.name for step in nightly.STEPS] == NAMES
    assert outcomes(run) == {name: "left-out" if name == "sync" else "done" for name in NAMES}
    assert run.status is Exit.NO, "a denied request is a new exception"
    [row] = nights.select("select * from control_run_latest")
    assert (row["night"], row["exit_status"], row["host"], row["user"]) == ("2026-11-23", 1, "gw1", "lpaudit")
    assert row["period_end"] - row["period_start"] == timedelta(days=1)
    assert row["ended_at"] > row["started_at"]
    assert row["error"] is None
    for name, told in row["report_hashes"]:
        assert sha256((nights.out / name).read_bytes()).hexdigest() == told
    assert {name for name, _ in row["report_hashes"]} == {
        "2026-11-23/operation.html",
        "2026-11-23/operation.md",
    }
    assert dict(row["table_versions"])["access_event"] == "1", "its creation and a commit"
    assert [told["step"] for told in json.loads(row["steps"])] == NAMES


def test_controls_are_asked_of_a_copy_of_the_day_s_lines(nights, monkeypatch):
    """Each of them read all that there was: a night took as long as the store was large."""
    copied, real = [], focus.focus

    def counted(connection, what):
        copied.append(what.period)
        return real(connection, what)

    monkeypatch.setattr(focus, "focus", counted)
    run = nights.run()
    assert copied == [run.period] * 2, "for the controls, and for the report"


def test_each_step_is_recorded_before_the_next_one_begins(nights):
    seen = []

    def perform(step, take):
        [row] = nights.select("select * from control_run_latest")
        seen.append((step.name, len(json.loads(row["steps"])), row["ended_at"]))
        return take()

    nights.run(perform=perform, left_out=frozenset({"sync", "compact"}))
    assert seen == [
        ("correlate", 1, None),
        ("checks", 3, None),
        ("report", 4, None),
        ("sign", 5, None),
        ("verify", 6, None),
        ("alert", 7, None),
    ]


def test_a_second_night_with_nothing_new_ends_with_0(nights):
    first = nights.run()
    [found] = nights.select("select * from exception where check_id = 'denied-requests'")
    assert found["event"] == "new"
    run = nights.run()
    checks = run.facts("checks")
    assert (checks["new"], checks["reopened"]) == (0, 0)
    assert checks["seen"] == first.facts("checks")["new"] > 0
    assert checks["incomplete"] == {}
    assert run.status is Exit.OK


def test_what_is_not_wholly_known_is_not_nothing(tmp_path, nights):
    run = nights.run(date(2026, 11, 24))
    assert (
        "the last line of a host is of 2026-11-24 01:00:00 UTC"
        in run.facts("checks")["incomplete"]["incomplete-period"]
    )
    assert nights.run(date(2026, 11, 24)).status is Exit.NO


def test_a_step_that_fails_stops_no_other_and_the_same_command_goes_on_there(nights):
    nights.out.write_text("in the way")
    failed = nights.run()
    assert outcomes(failed) | {"sync": ""} == {**dict.fromkeys(NAMES, "done"), "sync": "", "report": "failed"}
    assert failed.status is Exit.FAILED
    [row] = nights.select("select * from control_run_latest")
    assert row["exit_status"] == 3
    assert row["error"].startswith("report: cannot make")

    nights.out.unlink()
    taken = []
    again = nights.run(perform=lambda step, take: taken.append(step.name) or take())
    assert taken == ["report", "sign", "verify", "alert"]
    assert again.run_id == failed.run_id
    assert again.status is Exit.NO
    assert len(nights.select("select * from exception where check_id = 'denied-requests'")) == 1
    [row] = nights.select("select * from control_run_latest")
    assert (row["exit_status"], row["error"]) == (1, None)


def test_what_needs_a_failed_step_is_skipped(nights, monkeypatch):
    def broken(*_, **__):
        raise StoreError("no space left")

    monkeypatch.setattr(steps.correlate, "correlate", broken)
    run = nights.run()
    assert outcomes(run) == {
        **dict.fromkeys(NAMES, "done"),
        "sync": "left-out",
        "correlate": "failed",
        "checks": "skipped",
        "report": "skipped",
    }
    assert run.status is Exit.FAILED
    assert not nights.out.exists()


@pytest.mark.parametrize("killed_in", ["correlate", "checks", "alert"])
def test_a_night_that_was_killed_goes_on_after_its_last_finished_step(nights, killed_in):
    def killed(step, take):
        done = take()  # the worst moment: what it did is there, and nobody has said so
        if step.name == killed_in:
            raise KeyboardInterrupt
        return done

    with pytest.raises(KeyboardInterrupt):
        nights.run(perform=killed)
    [row] = nights.select("select * from control_run_latest")
    assert (row["exit_status"], row["ended_at"]) == (None, None)
    taken = []
    run = nights.run(perform=lambda step, take: taken.append(step.name) or take())
    assert taken == NAMES[NAMES.index(killed_in) :]
    assert run.run_id == row["run_id"]
    assert run.status is Exit.NO, "what is new stays new until the run has ended"
    events = nights.select("select exception_id, event from exception")
    assert len(events) == len({event["exception_id"] for event in events}), "each is recorded once"
    assert len(nights.select("select * from control_run_latest")) == 1


def test_a_step_that_was_left_out_is_taken_when_it_is_wanted_again(nights):
    nights.out.write_text("in the way")
    nights.run(left_out=frozenset({"sync", "compact"}))
    taken = []
    nights.run(perform=lambda step, take: taken.append(step.name) or take())
    assert taken == NAMES[2:]


def test_a_missing_segment_is_a_failed_verification(nights):
    [segment] = {row["segment"] for row in nights.select("select segment from log_line")}
    (Path(nights.root) / segment).unlink()
    run = nights.run()
    assert outcomes(run)["verify"] == "failed"
    assert (
        f"the segment {segment} is gone" in nights.select("select error from control_run_latest")[0]["error"]
    )


def test_a_changed_segment_is_a_failed_verification(nights):
    [segment] = {row["segment"] for row in nights.select("select segment from log_line")}
    path = Path(nights.root) / segment
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert outcomes(nights.run())["verify"] == "failed"


def test_never_two_at_once(nights, lpaudit):
    def meanwhile(step, take):
        if step.name == "verify":
            ran = lpaudit("nightly", "--date", "2026-11-23", "--skip", "sync", "--store", nights.root)
            assert ran.returncode == 5
            assert "process 1 of lpaudit on gw1, which began with the night 2026-11-23" in ran.stderr
            with pytest.raises(Busy):
                nights.run(date(2026, 11, 22))
        return take()

    run = nights.run(perform=meanwhile)
    assert outcomes(run)["verify"] == "done"
    assert len(nights.select("select * from control_run_latest")) == 1


def test_who_has_gone_holds_no_lock(nights):
    """The kernel lets go of it: what a killed holder wrote into the file means nothing."""
    lock = lock_file(open_store(nights.root), {})
    lock.write_text('{"process": 1, "user": "gone", "host": "gw1", "night": "2026-11-23", "since": "then"}')
    assert nights.run().status is Exit.NO
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(Busy, match="somebody who has just begun"):
            nights.run()


def test_another_host_at_work_is_believed_for_six_hours(nights):
    def killed(step, take):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nights.run(perform=killed, host="gw2", user="eve\x1b[2J")
    with pytest.raises(Busy, match=r"eve\\x1b\[2J on gw2 \(night 2026-11-23\)"):
        nights.run()
    nights.time += timedelta(hours=6)
    assert nights.run().host == "gw1"


def test_the_command_says_what_was_done(nights, lpaudit, tmp_path):
    words = ("nightly", "--date", "2026-11-23", "--skip", "sync", "--store", nights.root)
    ran = lpaudit(*words, "--framework", "access", "--framework", "operation", "--out", "mine")
    assert ran.returncode == 1, ran.stderr
    lines = ran.stdout.splitlines()
    assert [text.split()[0] for text in lines[:-1]] == NAMES
    assert lines[-1].startswith("night 2026-11-23: ")
    assert " 3 new exceptions, " in lines[-1], "that it comes late, by the machine's clock, is none"
    assert sorted(path.name for path in (tmp_path / "mine" / "2026-11-23").iterdir()) == [
        f"{name}.{suffix}" for name in ("access", "operation") for suffix in ("html", "md")
    ]
    assert lpaudit(*words, "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--date", "yesterday"], "is not a time"),
        (["--date", "2999-01-01"], "the day 2999-01-01 is not over"),
        (["--date", "2026-11-23T06:00Z"], "is not a date"),
        (["--framework", "no-such"], "there is no report 'no-such'"),
        (["--skip", "checks"], "the step checks cannot be left out"),
        (["--framework", " "], "frameworks is empty"),
    ],
)
def test_what_is_impossible_is_refused_before_anything_is_done(nights, lpaudit, words, said):
    ran = lpaudit("nightly", *words, "--store", nights.root)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert nights.select("select * from control_run") == []


def test_without_prefect_s_address_the_sync_has_failed_and_the_rest_is_done(nights, lpaudit):
    ran = lpaudit("nightly", "--date", "2026-11-23", "--store", nights.root)
    assert ran.returncode == 3
    assert "sync failed: it is not known where Prefect's API is" in ran.stderr
    [row] = nights.select("select * from control_run_latest")
    made = {told["step"]: told["outcome"] for told in json.loads(row["steps"])}
    assert made == {**dict.fromkeys(NAMES, "done"), "sync": "failed"}


def test_a_setup_knows_its_settings(nights):
    assert replace(nights.setup(), root="x").root == "x"
    with pytest.raises(ConfigError):
        nightly.fresh(date(2026, 11, 23), ("nope",), nights.now(), run_id="1", host="h", user="u")


OWN = """/*
id = "no-alice"
title = "Alice"
question = "What did she do?"
kind = "control"
severity = "low"
key = ["line_id"]
population = "select count(*) from access where time >= $start and time < $end"
unit = "lines of the period"
limits = "-"
*/
select line_id, path from access where "user" = 'alice' and time >= $start and time < $end order by line_id
"""


def test_a_check_of_ones_own_is_asked_sampled_and_registered(nights, tmp_path, monkeypatch, lpaudit):
    (tmp_path / "own" / "checks" / "mine").mkdir(parents=True)
    (tmp_path / "own" / "checks" / "mine" / "no-alice.sql").write_text(OWN)
    library = report.Library(own=(tmp_path / "own",))
    assert "no-alice" in CONTROLS(library)
    monkeypatch.setattr(steps, "controls", lambda known: ["no-alice"] if known is library else [])
    nights.ingest(line("12:00:00", "GET /api/flows/1", user="alice"))
    nights.run(library=library)
    [found] = nights.select("select * from exception")
    assert found["check_id"] == "no-alice"
    asked = ("sample", "--check", "no-alice", "--from", "2026-11-23", "--to", "2026-11-23", "--seed", "1")
    given = {"LPAUDIT_REPORTS": str(tmp_path / "own"), "LPAUDIT_STORE": nights.root}
    done = lpaudit(*asked, "--format", "json", env=given)
    assert done.returncode == 0, done.stderr
    assert [row["line_id"] for row in json.loads(done.stdout)] == [json.loads(found["row_key"])["line_id"]]


BROKEN = """/*
id = "broken"
title = "Broken"
question = "Which?"
kind = "table"
population = "select count(*) from access"
unit = "lines"
limits = "-"
*/
attach 'x.db' as x
"""


@pytest.fixture
def broken(tmp_path):
    """A folder of one's own with a check that is broken."""
    area = tmp_path / "own" / "checks" / "own"
    area.mkdir(parents=True)
    (area / "broken.sql").write_text(BROKEN)
    return report.Library(own=(tmp_path / "own",))


def test_a_broken_check_of_ones_own_is_named_and_all_others_are_asked(nights, broken, monkeypatch):
    assert "broken" in CONTROLS(broken)
    monkeypatch.setattr(steps, "controls", lambda _: ["broken", "denied-requests", "incomplete-period"])
    run = nights.run(library=broken)
    assert run.exit_status == Exit.FAILED
    assert [taken.step for taken in run.failed] == ["checks"]
    [taken] = run.failed
    assert taken.detail.startswith(f"broken: {broken.own[0]}/checks/own/broken.sql is not one SELECT (")
    assert nights.select("select * from exception where check_id = 'denied-requests'")
    assert ": 2 controls asked, " in nightly.in_a_line(run)
    assert ", not asked: broken, 1 step not done; " in nightly.in_a_line(run)
    assert "| not asked | why |" in nightly.in_markdown(run)


def test_a_broken_table_of_a_report_is_named_too(nights, broken):
    (broken.own[0] / "frameworks").mkdir()
    (broken.own[0] / "frameworks" / "mine.toml").write_text(
        'id = "mine"\ntitle = "Mine"\ndescription = "-"\nbase = "operation"\n'
        '[[control]]\nid = "one"\nintent = "-"\nchecks = ["broken"]\nnot_shown = "-"\n'
    )
    fresh = nightly.fresh(
        date(2026, 11, 23), ("mine",), nights.now(), run_id="1", host="gw1", user="lpaudit", known=broken
    )
    run = nightly.begin_and_run(nights.setup(library=broken), fresh, process=1, told=lambda _: None)
    assert [taken.step for taken in run.failed] == ["report"]
    assert "broken.sql is not one SELECT" in run.failed[0].detail
    assert "Error" in (nights.out / "2026-11-23" / "mine.md").read_text()
    assert len(run.report_hashes) == 2
