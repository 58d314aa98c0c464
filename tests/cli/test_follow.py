"""`lpaudit ingest --follow` as a process: how it begins, and how it ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lpaudit.following import on_signal
from tests.follower import Following, append, check, lines


@pytest.fixture
def log(tmp_path):
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "access.log"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def is_following(follower):
    return lambda: "event=following" in follower.said


def test_sigterm_stores_what_is_in_the_log_and_ends_with_0(log, store):
    content = append(log, lines("one", 100))
    with Following(store, log, env={"LPAUDIT_SEGMENT_BYTES": "2000"}) as follower:
        follower.until(is_following(follower))
        content += append(log, lines("two", 100))
        follower.stop(signal.SIGTERM)
        assert "event=stopping" in follower.said
    check(store, content)


def test_ctrl_c_does_the_same_and_ends_with_130(log, store):
    content = append(log, lines("one", 10))
    with Following(store, log) as follower:
        follower.until(is_following(follower))
        follower.stop(signal.SIGINT)
    check(store, content)


def test_sighup_means_nothing(log, store):
    content = append(log, lines("one", 10))
    with Following(store, log) as follower:
        follower.until(is_following(follower))
        follower.process.send_signal(signal.SIGHUP)
        content += append(log, lines("two", 10))
        follower.until_stored(20)
        follower.stop()
    check(store, content)


def test_the_second_signal_is_the_systems():
    """So that it ends the process at once, whatever that is doing."""
    calls = []
    before = signal.getsignal(signal.SIGUSR1)
    try:
        came = on_signal(lambda: calls.append("stop"), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert calls == ["stop"]
        assert came == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR1, before)


ASKED_AT_ANY_MOMENT = """
import faulthandler, signal
from lpaudit.following import interruptible

faulthandler.dump_traceback_later(60, exit=True)
for _ in range(1000):
    sleep, wake = interruptible()
    asked = []
    signal.signal(signal.SIGALRM, lambda *_: (asked.append(True), wake()))
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while not asked:
        sleep(0.00001)
    sleep(600)
"""


def test_a_signal_ends_a_sleep_at_whatever_moment_it_comes():
    """One in the moment between two sleeps is not forgotten; one at a sleep's begin or end waits for nothing."""
    subprocess.run([sys.executable, "-c", ASKED_AT_ANY_MOMENT], timeout=90, check=True)


def test_files_that_appear_later_are_followed(log, store):
    with Following(store, log.parent) as follower:
        follower.until(is_following(follower))
        one = append(log, lines("one", 10))
        two = append(log.with_name("other.log"), lines("two", 10))
        follower.until_stored(20)
        follower.stop()
    check(store, one, two)


def test_a_pipe_without_follow_is_stored_as_it_comes_and_to_its_last_line_on_sigterm(store):
    command = [sys.executable, "-m", "lpaudit", "ingest", "--flush-interval", "0.2", "--store", store, "-"]
    content = lines("one", 10)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False) as process:
        process.stdin.write(content)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not list(store.glob("access_event/*.parquet")):
            assert time.monotonic() < deadline, "it waits for more"
            time.sleep(0.05)
        more = lines("two", 5)
        process.stdin.write(more)
        process.stdin.flush()
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        process.communicate()
    check(store, content + more)


@pytest.mark.parametrize("option", [["--final"], ["--dry-run"], ["--max-rejects", "1"]])
def test_what_needs_an_end_is_refused(option, log, store, lpaudit):
    asked = lpaudit("ingest", "--follow", *option, "--store", store, log)
    assert asked.returncode == 2
    assert "--follow has no end" in asked.stderr
    assert "\nhint: " in asked.stderr
    assert not store.exists()


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "1e9"])
def test_an_interval_that_is_none_is_refused(value, log, store, lpaudit):
    asked = lpaudit("ingest", "--follow", "--flush-interval", value, "--store", store, log)
    assert asked.returncode == 2
    assert "seconds from 0.05 to 3600" in asked.stderr
    assert not store.exists()


def test_a_metrics_port_that_is_taken_is_an_error_at_once(log, store, lpaudit):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        asked = lpaudit("ingest", "--follow", "--metrics-port", port, "--store", store, log)
    assert asked.returncode == 3
    assert str(port) in asked.stderr
    assert "\nhint: " in asked.stderr
