"""Limits, and what is found: with a clock that goes on only while it is slept."""

from datetime import timedelta

import pytest
from health.followed import NOW, lines, record_gap, take_in

from lpaudit.errors import StoreError
from lpaudit.health import Limits, State, as_json, check, exit_status


class Time:
    """Sleeping moves the clock, and may let something happen: ``at`` seconds → what."""

    def __init__(self, at=None):
        self.seconds = 0.0
        self.at = dict(at or {})

    def clock(self):
        return self.seconds

    def sleep(self, seconds):
        assert 0 < seconds <= 0.2
        self.seconds += seconds
        for when in [w for w in self.at if w <= self.seconds]:
            self.at.pop(when)()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(lines(10))
    take_in(tmp_path, path)
    return path


def judge(folder, limits, time=None):
    time = time or Time()
    found = check(str(folder / "lpaudit-store"), limits, clock=time.clock, sleep=time.sleep)
    return {finding.check: finding for finding in found}, exit_status(found), time


def test_all_is_well_and_is_said_at_once(tmp_path, log):
    found, status, time = judge(tmp_path, Limits(10, 0, 0))
    assert status == 0
    assert [(f.check, f.state, f.value) for f in found.values()] == [
        ("lag", "ok", 0.0),
        ("gaps", "ok", 0),
        ("rejects", "ok", 0),
    ]
    assert time.seconds == 0


def test_what_stays_unread_exceeds_the_lag(tmp_path, log):
    log.write_bytes(lines(13))
    found, status, time = judge(tmp_path, Limits(10, 0))
    assert status == 1
    assert found["lag"].state is State.EXCEEDED
    size = len(lines(13)) - len(lines(10))
    assert found["lag"].text == f"{size} bytes of {log} still not stored after 10.0 s; at most 10 s"
    assert time.seconds == pytest.approx(10)


def test_what_is_stored_while_it_waits_is_the_lag(tmp_path, log):
    log.write_bytes(lines(13))
    found, status, _ = judge(tmp_path, Limits(10, 0), Time({1.5: lambda: take_in(tmp_path, log)}))
    assert status == 0
    assert found["lag"].value == pytest.approx(1.6)


def test_a_busy_log_is_not_behind_because_of_what_comes_meanwhile(tmp_path, log):
    log.write_bytes(lines(13))

    def store_and_write():
        take_in(tmp_path, log)
        log.write_bytes(lines(20))

    _, status, _ = judge(tmp_path, Limits(10, 0), Time({1.0: store_and_write}))
    assert status == 0


def test_it_waits_for_all_logs(tmp_path, log):
    other = tmp_path / "other.log"
    other.write_bytes(lines(5, start=100))
    take_in(tmp_path, other)
    log.write_bytes(lines(13))
    other.write_bytes(lines(6, start=100))
    found, status, _ = judge(tmp_path, Limits(3, 0), Time({1.0: lambda: take_in(tmp_path, log)}))
    assert status == 1
    assert f" of {other} still not stored" in found["lag"].text


@pytest.mark.parametrize("host", [None, "gw1"])
def test_a_new_file_is_waited_for_as_what_it_becomes(tmp_path, host):
    log = tmp_path / "access.log"
    log.write_bytes(lines(10))
    take_in(tmp_path, log, host=host)
    log.write_bytes(lines(3, start=100))
    _, status, _ = judge(tmp_path, Limits(3, 0), Time({1.0: lambda: take_in(tmp_path, log, host=host)}))
    assert status == 0


def test_no_patience_is_an_answer_at_once(tmp_path, log):
    assert judge(tmp_path, Limits(0, 0))[1] == 0
    log.write_bytes(lines(11))
    _, status, time = judge(tmp_path, Limits(0, 0))
    assert (status, time.seconds) == (1, 0)


def test_a_gap_exceeds_until_it_is_closed(tmp_path, log):
    record_gap(tmp_path)
    found, status, _ = judge(tmp_path, Limits(10, 0))
    assert (status, found["gaps"].text) == (1, "1 open gap: 1 more than 0")
    assert judge(tmp_path, Limits(10, 1))[1] == 0


def test_a_gap_that_was_filled_is_healthy(tmp_path, log):
    source_id = take_in(tmp_path, log).sources[0].source_id
    record_gap(tmp_path, source_id=source_id, offset=len(lines(10)))
    assert judge(tmp_path, Limits(10, 0))[1] == 1
    log.write_bytes(lines(11))
    take_in(tmp_path, log)
    assert judge(tmp_path, Limits(10, 0))[1] == 0


def test_an_old_gap_does_not_make_it_red_for_ever(tmp_path, log):
    record_gap(tmp_path, detected=NOW - timedelta(days=2))
    record_gap(tmp_path, offset=9999, detected=NOW)
    found, status, _ = judge(tmp_path, Limits(10, 1, since=NOW - timedelta(days=1)))
    assert (status, found["gaps"].value) == (0, 1)
    assert judge(tmp_path, Limits(10, 0, since=NOW + timedelta(seconds=1)))[1] == 0
    assert judge(tmp_path, Limits(10, 1))[1] == 1


def test_rejects_count_only_if_asked_and_since_then(tmp_path, log):
    log.write_bytes(lines(10) + b"garbage\n\n")
    take_in(tmp_path, log)
    assert judge(tmp_path, Limits(10, 0))[1] == 0
    found, status, _ = judge(tmp_path, Limits(10, 0, 0))
    assert (status, found["rejects"].text) == (1, "2 rejected lines: 2 more than 0")
    assert judge(tmp_path, Limits(10, 0, 2))[1] == 0
    assert judge(tmp_path, Limits(10, 0, 1, NOW))[1] == 1
    assert judge(tmp_path, Limits(10, 0, 0, NOW + timedelta(seconds=1)))[1] == 0


def test_a_lag_that_cannot_be_told_is_no_good_news(tmp_path, log):
    log.unlink()
    found, status, _ = judge(tmp_path, Limits(10, 0))
    assert (status, found["lag"].value, found["lag"].state) == (3, None, State.UNKNOWN)
    assert "none of the 1 log that the store knows is on this machine" in found["lag"].text
    record_gap(tmp_path)
    assert judge(tmp_path, Limits(10, 0))[1] == 1, "no is surer than cannot tell"


def test_a_store_without_lines_cannot_tell(tmp_path):
    record_gap(tmp_path)
    found, status, _ = judge(tmp_path, Limits(10, 1))
    assert (status, found["lag"].text) == (3, "cannot be told: the store knows no log yet")


def test_no_store_cannot_tell(tmp_path):
    with pytest.raises(StoreError):
        judge(tmp_path, Limits(10, 0))


def test_programs_get_the_exit_status_and_the_figures(tmp_path, log):
    record_gap(tmp_path)
    found, _, _ = judge(tmp_path, Limits(10, 0))
    told = as_json(tuple(found.values()))
    assert told["status"] == 1
    assert told["checks"][1] == {
        "check": "gaps",
        "state": "exceeded",
        "value": 1,
        "limit": 0,
        "text": "1 open gap: 1 more than 0",
    }
