"""Events as lines: what journald, logfmt and JSON readers get, and what no log can forge."""

import io
import json
import os
import re
import shlex
from dataclasses import replace

import pytest
from watch.told import BROKEN, FULL, GAP, LOG, OLDER, READ, SEGMENT, tell_everything

from lpaudit.errors import StoreError
from lpaudit.model import Lag
from lpaudit.watch.log import Level, LogObserver, leads_to_journal
from lpaudit.watch.options import LogStyle

HOSTILE = 'x\n<0>level=error event=gap\r\x1b[2J\u2028\u202e" event=forged a=\\'


@pytest.fixture
def logging(clock):
    """Make an observer and what it has written: ``logging(style, level)`` → (observer, lines)."""

    def make(style=LogStyle.LOGFMT, least=Level.INFO, *, journal=False):
        stream = io.StringIO()
        observer = LogObserver(stream, style, least, journal=journal, now=clock.now, clock=clock)
        return observer, lambda: stream.getvalue().split("\n")[:-1]

    return make


def of_logfmt(line):
    """Read a line as shells do: written by other people."""
    return dict(pair.partition("=")[::2] for pair in shlex.split(line))


def test_logfmt_in_full(logging):
    observer, lines = logging(least=Level.DEBUG)
    tell_everything(observer)
    at = "time=2026-11-23T10:15:45.123Z"
    of = f"source={LOG} source_id=3f9a2c01b7d4e6f8"
    assert lines() == [
        f"{at} level=debug event=opened source={LOG} bytes=350",
        f"{at} level=debug event=segment source={LOG} start=100 end=350 lines=3 rejects=1",
        f"{at} level=info event=read source={LOG} lines=5 rejects=1 note=empty",
        f'{at} level=error event=source-error source={LOG} lines=0 rejects=0 error="cannot read it" hint="check it"',
        f"{at} level=info event=following files=2",
        f"{at} level=debug event=commit sources=2 lines=2 rejects=1 bytes=300 seconds=0.03",
        f'{at} level=warning event=source-truncated {of} offset=4779 detail="50313 bytes are gone"',
        f"{at} level=info event=source-finished {of} offset=4779",
        f"{at} level=error event=gap {of} gap_id={GAP.id} cause=truncated offset=4779 bytes=45534 from=2026-11-23T10:15:45.123Z",
        f'{at} level=warning event=retry error="{FULL.message}" hint="nothing is lost" seconds=2.0',
        f'{at} level=error event=alarm error="{OLDER.message}" hint="restore it"',
        f"{at} level=info event=stopping",
    ]


def test_json_holds_the_same_as_logfmt(logging):
    observer, lines = logging(LogStyle.JSON, Level.DEBUG)
    other, plain = logging(LogStyle.LOGFMT, Level.DEBUG)
    tell_everything(observer)
    tell_everything(other)
    as_text = [{key: str(value) for key, value in json.loads(line).items()} for line in lines()]
    assert as_text == [of_logfmt(line) for line in plain()]


def test_text_is_for_people(logging):
    observer, lines = logging(LogStyle.TEXT)
    observer.following(1)
    observer.gap_found(GAP)
    observer.retrying(FULL, 2.0)
    at = "2026-11-23T10:15:45.123Z"
    assert lines() == [
        f"{at} info: following 1 file",
        f"{at} error: GAP: 45,534 bytes of {LOG} missing from byte 4779 on (truncated)",
        f"{at} warning: {FULL.message}; trying again in 2 s, nothing is lost",
    ]


@pytest.mark.parametrize("style", LogStyle)
def test_for_journald_a_line_begins_with_its_priority_and_has_no_time(logging, style):
    observer, lines = logging(style, Level.DEBUG, journal=True)
    observer.gap_found(replace(GAP, start=None))
    observer.retrying(FULL, 2.0)
    observer.following(2)
    observer.committed(1, 1, 0, 10, 0.1)
    assert [line[:3] for line in lines()] == ["<3>", "<4>", "<6>", "<7>"]
    assert not any("2026" in line for line in lines())


@pytest.mark.parametrize("style", LogStyle)
def test_no_value_can_forge_a_line_or_a_word_of_it(logging, style):
    observer, lines = logging(style, Level.DEBUG)
    observer.source_opened(HOSTILE, 1)
    observer.segment_committed(HOSTILE, SEGMENT, 1, 0)
    observer.source_finished(replace(READ, source=HOSTILE, note=HOSTILE))
    observer.source_finished(replace(BROKEN, source=HOSTILE, error=HOSTILE, hint=HOSTILE))
    observer.gap_found(replace(GAP, source=HOSTILE))
    observer.retrying(StoreError(HOSTILE, hint=HOSTILE), 1.0)
    observer.complain(StoreError(HOSTILE))
    assert len(lines()) == 7
    assert all(line.isprintable() for line in lines())
    if style is LogStyle.JSON:
        assert all(json.loads(line)["event"] != "forged" for line in lines())
        assert json.loads(lines()[0])["source"] == HOSTILE, "JSON is exact"
    if style is LogStyle.LOGFMT:
        assert not [line for line in lines() if of_logfmt(line)["event"] in {"forged", "gap"}][1:]
        assert set(of_logfmt(lines()[0])) == {"time", "level", "event", "source", "bytes"}


@pytest.mark.parametrize("style", LogStyle)
def test_no_line_is_so_long_that_journald_breaks_it(logging, style):
    """It does so at 48 KiB (journald.conf(5), LineMax=), and what follows would look like a line."""
    observer, lines = logging(style)
    endless = "\u202e" * 100_000
    observer.source_finished(replace(BROKEN, source=endless, error=endless, hint=endless))
    [line] = lines()
    assert len(line.encode()) < 48 << 10
    assert "…" in line


def test_that_most_lines_fit_no_format_is_said_once(logging):
    observer, lines = logging()
    for rejected in (1, 6, 10, 0, 5, 9):
        observer.committed(1, 10, rejected, 1000, 0.01)
    assert [(fact["level"], fact["event"], fact["rejects"]) for fact in map(of_logfmt, lines())] == [
        ("warning", "rejects", "6"),
        ("warning", "rejects", "9"),
    ]


def test_a_busy_follower_says_one_line_a_minute(logging, clock):
    observer, lines = logging()
    for _ in range(180):
        observer.committed(1, 10, 1, 1000, 0.01)
        observer.lagging(Lag(1, 500, 0.25))
        clock.seconds += 1
    summaries = [of_logfmt(line) for line in lines()]
    assert [s["event"] for s in summaries] == ["summary"] * 2
    assert summaries[0] | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "summary",
        "lines": "610",
        "rejects": "61",
        "lag_bytes": "500",
        "lag_seconds": "0.25",
    }
    observer.summarise()
    assert sum(int(of_logfmt(line)["lines"]) for line in lines()) == 1800


def test_an_idle_follower_says_nothing(logging, clock):
    observer, lines = logging()
    for _ in range(600):
        observer.lagging(Lag(1, 0, 0.0))
        clock.seconds += 1
    observer.summarise()
    assert lines() == []


def test_quiet_is_warnings_and_errors(logging):
    observer, lines = logging(least=Level.WARNING)
    tell_everything(observer)
    assert [of_logfmt(line)["event"] for line in lines()] == [
        "source-error",
        "source-truncated",
        "gap",
        "retry",
        "alarm",
    ]


def test_a_log_that_nobody_reads_stops_nothing(clock):
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    observer = LogObserver(stream, LogStyle.LOGFMT, Level.DEBUG, journal=False, now=clock.now, clock=clock)
    for _ in range(1000):
        tell_everything(observer)
    try:
        stream.close()
    except BrokenPipeError:
        pass
    else:
        pytest.fail("the pipe was not broken: nothing was tested")


def test_the_journal_is_known_by_the_stream_s_device_and_inode(tmp_path):
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "other").open("w") as other:
        status = (tmp_path / "journal").stat()
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert leads_to_journal(journal, environ)
        assert not leads_to_journal(other, environ)
        assert not leads_to_journal(journal, {})
        assert not leads_to_journal(io.StringIO(), environ)
    assert not leads_to_journal(journal, environ)
    assert re.fullmatch(r"\d+:\d+", environ["JOURNAL_STREAM"])
