"""What the service manager hears, at a real socket."""

import os
import socket

import pytest
from watch.told import FULL, LOG, SEGMENT

from lpaudit.errors import StoreError
from lpaudit.model import Lag
from lpaudit.watch.systemd import SystemdObserver, notifier, watchdog_seconds


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The environment that a service manager gives, and what it has received."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@lpaudit-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1))
        listening.setblocking(False)

        def heard():
            datagrams = []
            while True:
                try:
                    datagrams.append(listening.recv(65536).decode())
                except BlockingIOError:
                    return datagrams

        yield {"NOTIFY_SOCKET": name}, heard


def test_a_service_s_life(manager, clock):
    environ, heard = manager
    observer = SystemdObserver(notifier(environ), 30.0, clock)
    observer.following(2)
    observer.committed(1, 7, 0, 700, 0.01)
    clock.seconds += 15
    observer.lagging(Lag(2, 0, 0.0))
    observer.stopping()
    assert heard() == [
        "READY=1\nWATCHDOG=1\nSTATUS=following 2 files; 0 lines stored",
        "WATCHDOG=1\nSTATUS=following 2 files; 7 lines stored; not behind",
        "STOPPING=1\nSTATUS=stopping",
    ]


def test_nothing_is_ready_before_what_was_there_is_read(manager, clock):
    environ, heard = manager
    observer = SystemdObserver(notifier(environ), 30.0, clock)
    observer.segment_committed(LOG, SEGMENT, 3, 0)
    assert heard() == [f"WATCHDOG=1\nSTATUS=3 lines stored; reading {LOG}, byte 350"]


@pytest.mark.parametrize(("watchdog", "beats"), [(30.0, 8), (4.0, 60), (120.0, 2)])
def test_the_watchdog_hears_twice_as_often_as_it_must_and_no_more(clock, watchdog, beats):
    told = []
    observer = SystemdObserver(told.append, watchdog, clock)
    for _ in range(120):
        observer.lagging(Lag(1, 0, 0.0))
        clock.seconds += 1
    assert len(told) == beats
    assert all(state.startswith("WATCHDOG=1\n") for state in told)


def test_without_a_watchdog_only_the_status_is_told_now_and_then(clock):
    told = []
    observer = SystemdObserver(told.append, None, clock)
    for _ in range(120):
        observer.lagging(Lag(1, 5, 2.0))
        clock.seconds += 1
    assert told == ["STATUS=following 1 file; 0 lines stored; 5 bytes, 2.0 s behind"] * 12


def test_a_silent_follower_is_not_kept_alive(clock):
    told = []
    observer = SystemdObserver(told.append, 30.0, clock)
    for _ in range(120):
        observer.committed(1, 1, 0, 10, 0.1)
        clock.seconds += 1
    assert told == []


def test_waiting_for_a_full_disk_is_being_alive(clock):
    told = []
    SystemdObserver(told.append, 30.0, clock).retrying(FULL, 2.0)
    assert told == [f"WATCHDOG=1\nSTATUS=trying again in 2 s: {FULL.message}"]


def test_no_name_can_forge_a_state(clock):
    told = []
    observer = SystemdObserver(told.append, None, clock)
    observer.retrying(StoreError("a\nSTOPPING=1\nMAINPID=1" + "x" * 1000), 1.0)
    [state] = told
    assert "\n" not in state
    assert r"a\x0aSTOPPING=1" in state
    assert len(state) < 250


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nobody_is_told(environ):
    assert notifier(environ) is None


def test_a_manager_that_is_gone_stops_nothing(tmp_path):
    notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})("READY=1")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(environ, seconds):
    assert watchdog_seconds(environ, 7) == seconds
