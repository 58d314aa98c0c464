"""From options and environment to observers: which of them there are, and what it costs to start."""

import contextlib
import os
import pty
import socket
import subprocess
import sys

import pytest
from rig import free_ports
from watch.told import tell_everything

from lpaudit.errors import LpauditError, OutputError
from lpaudit.watch.options import LogStyle, WatchOptions
from lpaudit.watch.watchers import watchers


@pytest.fixture
def watch(tmp_path, clock):
    """Tell everything to what ``watch(options, environ)`` makes; return what stderr says."""

    def run(options=None, environ=None, stream=None):
        path = tmp_path / "stderr"
        with stream or path.open("w", encoding="utf-8") as stderr:
            given = WatchOptions() if options is None else options
            with watchers(given, environ or {}, stderr, now=clock.now, clock=clock) as observer:
                tell_everything(observer)
        return "" if stream else path.read_text("utf-8")

    return run


def test_by_default_it_is_logfmt_without_commits(watch):
    text = watch()
    assert "event=following" in text
    assert "event=commit " not in text
    assert text.splitlines()[-1].split()[1:] == [
        "level=info",
        "event=summary",
        "lines=5",
        "rejects=2",
        "lag_bytes=77",
        "lag_seconds=1.5",
    ]


def test_verbose_tells_of_commits_and_quiet_of_nothing_good(watch):
    assert "event=commit " in watch(WatchOptions(verbose=True))
    assert "level=info" not in watch(WatchOptions(quiet=True))


def test_a_style_is_taken_as_told(watch):
    assert watch(WatchOptions(log_style=LogStyle.JSON)).startswith('{"time": "')


def test_on_a_terminal_it_is_text(watch):
    primary, secondary = pty.openpty()
    watch(stream=os.fdopen(secondary, "w"))
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal that nobody writes to any more
        while piece := os.read(primary, 65536):
            said += piece
    os.close(primary)
    assert b" info: following 2 files\r\n" in said


def test_the_journal_gets_priorities(watch, tmp_path):
    (tmp_path / "stderr").touch()
    status = (tmp_path / "stderr").stat()
    text = watch(environ={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    assert "<6>level=info event=following files=2\n" in text


def test_systemd_and_both_kinds_of_metrics_hear_it_too(watch, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        options = WatchOptions(metrics_file=tmp_path / "x.prom", metrics_port=free_ports(1)[0])
        watch(options, {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"})
        heard = [manager.recv(4096).decode().split("\n")[0] for _ in range(4)]
    assert heard == ["WATCHDOG=1", "READY=1", "WATCHDOG=1", "STOPPING=1"]
    assert "\nlpaudit_lines_total 5.0\n" in (tmp_path / "x.prom").read_text()


def test_what_cannot_be_had_is_said_before_anything_begins(watch, tmp_path):
    with pytest.raises(OutputError):
        watch(WatchOptions(metrics_file=tmp_path / "gone" / "x.prom"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LpauditError, match="address already in use"):
            watch(WatchOptions(metrics_port=taken.getsockname()[1]))


def test_prometheus_client_is_imported_only_for_metrics(tmp_path):
    program = (
        "import sys, time\n"
        "from datetime import UTC, datetime\n"
        "from lpaudit.watch.options import WatchOptions\n"
        "assert 'pyarrow' not in sys.modules, 'options are for the start of every command'\n"
        "from lpaudit.watch.watchers import watchers\n"
        "with watchers(WatchOptions(), {}, sys.stderr, now=lambda: datetime.now(UTC), clock=time.monotonic):\n"
        "    assert 'prometheus_client' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
