"""Following what is no plain log in a plain directory: nothing of it may stop the rest, or hang, or leak."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lpaudit import source
from lpaudit.archives import Archive, Archives
from lpaudit.errors import ConfigError
from lpaudit.model import LogKind, SourceResult
from lpaudit.source import Input
from tests.follower import (
    Driven,
    Following,
    append,
    check,
    contents,
    events,
    gaps,
    line,
    lines,
    rotate,
    stored_lines,
    table,
    until,
)
from tests.rig import base_configuration, exchange, good, running
from tests.stores import stored_rows

LONG = 25.0


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "logs"
    there.mkdir()
    return there


@pytest.fixture
def log(folder: Path) -> Path:
    return folder / "access.log"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


# What is no file.


def test_a_fifo_that_is_named_is_read_over_several_writers(folder: Path, store: Path) -> None:
    fifo = folder / "access.fifo"
    os.mkfifo(fifo)
    whole = b""
    with Following(store, fifo) as follower:
        for name in ("one", "two"):
            with fifo.open("wb", buffering=0) as writer:  # waits until there is a reader
                for number in range(3):
                    data = lines(f"{name}/{number}", 5)
                    writer.write(data)
                    whole += data
            follower.until_stored(whole.count(b"\n"))
        follower.stop()
    check(store, whole)


def test_a_fifo_that_nobody_writes_to_after_a_restart_is_no_gap(folder: Path, store: Path) -> None:
    fifo = folder / "access.fifo"
    os.mkfifo(fifo)
    whole = lines("one", 3)
    with Driven(store, fifo) as follower:
        follower.wait()
        with fifo.open("wb", buffering=0) as writer:
            writer.write(whole)
            follower.wait()
        follower.stop()
    with Driven(store, fifo) as follower:
        follower.wait(60).stop()
    check(store, whole)
    assert gaps(store) == []


def test_a_fifo_in_a_directory_is_left_alone(log: Path, store: Path) -> None:
    """To open it would take what somebody else waits for."""
    os.mkfifo(log.with_name("control"))
    whole = append(log, lines("one", 5))
    with Driven(store, log.parent) as follower:
        follower.wait().stop()
    check(store, whole)


def test_what_comes_through_a_pipe_is_stored_while_it_is_open(store: Path) -> None:
    whole = b""
    with Following(store, "-", stdin=subprocess.PIPE) as follower:
        for number in range(3):
            data = lines(f"piped/{number}", 5)
            whole += data
            follower.process.stdin.write(data)
            follower.process.stdin.flush()
            follower.until_stored(whole.count(b"\n"))
        whole += (last := line("no end")[:-1])
        follower.process.stdin.write(last)
        follower.process.stdin.close()
        assert follower.process.wait(timeout=60) == 0, follower.said
    check(store, whole)
    assert [row["source"] for row in stored_rows(store)] == ["stdin"] * 16


def test_a_pipe_beside_a_log(log: Path, store: Path) -> None:
    """The pipe ends; the log goes on."""
    whole = append(log, lines("log", 5))
    with Following(store, log, "-", stdin=subprocess.PIPE) as follower:
        piped = lines("piped", 5)
        follower.process.stdin.write(piped)
        follower.process.stdin.close()
        follower.until_stored(10)
        whole += append(log, lines("more", 5))
        follower.until_stored(15)
        follower.stop()
    check(store, whole, piped)


def test_a_signal_while_a_pipe_is_open_stores_what_has_come(store: Path) -> None:
    with Following(store, "-", stdin=subprocess.PIPE) as follower:
        whole = lines("piped", 5)
        follower.process.stdin.write(whole)
        follower.process.stdin.flush()
        follower.until_stored(5)
        follower.process.stdin.write(more := lines("more", 5))
        follower.process.stdin.flush()
        time.sleep(0.1)
        follower.stop(signal.SIGINT)
    [held] = contents(store).values()
    assert held in (whole, whole + more)


def test_a_directory_takes_the_place_of_a_log_for_a_while(log: Path, store: Path) -> None:
    with Driven(store, log) as follower:
        old = append(log, lines("one", 5))
        follower.wait()
        old += append(log, lines("two", 5))
        log.rename(log.with_name("access.log.1"))
        log.mkdir()
        follower.wait(LONG)
        log.rmdir()
        new = append(log, lines("new", 5))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


@pytest.mark.parametrize("argument", ["{}", "{}/*.log", "{}/access.log"])
def test_a_directory_disappears_and_comes_back(log: Path, store: Path, argument: str) -> None:
    there = log.parent
    with Driven(store, argument.format(there)) as follower:
        one = append(log, lines("one", 5))
        follower.wait()
        there.rename(there.with_name("moved"))
        follower.wait(LONG)
        assert "cannot read" in follower.told.complaints or "no file matches" in follower.told.complaints
        one += append(there.with_name("moved") / "access.log", lines("while-it-was-away", 5))
        follower.wait(LONG)
        there.with_name("moved").rename(there)
        follower.wait(LONG)
        one += append(log, lines("back", 5))
        follower.wait(LONG)
        shutil.rmtree(there)
        follower.wait(LONG)
        there.mkdir()
        two = append(log, lines("another", 5))
        follower.wait(LONG).stop()
    check(store, one, two)
    assert gaps(store) == []


def test_nothing_is_there_when_it_begins(log: Path, store: Path) -> None:
    with Driven(store, log, log.parent / "more" / "*.log") as follower:
        follower.wait()
        one = append(log, lines("one", 5))
        (log.parent / "more").mkdir()
        two = append(log.parent / "more" / "b.log", lines("two", 5))
        follower.wait().stop()
    check(store, one, two)


# Clocks.


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("hours", [-1, 1, -13])
def test_a_clock_that_is_set_to_another_hour(log: Path, store: Path, running: bool, hours: int) -> None:
    """Lines, file times and lpaudit's own time were an hour ahead (or behind), and now are right."""
    wrong = timedelta(hours=-hours)
    off = [wrong]
    with Driven(store, log, now=lambda: datetime.now(UTC) + off[0]) as follower:
        old = append(log, b"".join(line(f"old/{n}", datetime.now(UTC) + wrong) for n in range(5)))
        os.utime(log, times=(time.time(), time.time() + wrong.total_seconds()))
        follower.wait()
        if not running:
            follower.stop()
        else:
            off[0] = timedelta(0)
        old += append(log, lines("unread", 5))
        rotate(log)
        new = append(log, lines("new", 5))
        if running:
            follower.wait(LONG).stop()
    if not running:
        with Driven(store, log) as follower:
            follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


# Sizes.


def test_a_file_of_twenty_gigabytes_of_holes(log: Path, store: Path) -> None:
    """It is refused at once, and costs no memory; the log beside it does not wait."""
    with log.with_name("holes.log").open("wb") as file:
        file.truncate(20 << 30)
    whole = append(log, lines("one", 5))
    with Following(store, log.parent) as follower:
        follower.until_stored(5)
        whole += append(log, lines("two", 5))
        follower.until_stored(10)
        status = Path(f"/proc/{follower.process.pid}/status").read_text()
        peak = next(int(each.split()[1]) for each in status.splitlines() if each.startswith("VmHWM"))
        spent = sum(map(int, Path(f"/proc/{follower.process.pid}/io").read_text().split()[1:2]))
        follower.stop()
    check(store, whole)
    assert peak < 600 << 10, "kilobytes"
    assert spent < 200 << 20, "bytes read"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hole_of_two_gigabytes_in_a_log(log: Path, store: Path) -> None:
    """A file system that was full, or a crash: NUL bytes without a line end, in pieces of bounded size."""
    whole = append(log, lines("one", 5))
    with Following(store, log) as follower:
        follower.until_stored(5)
        os.truncate(log, len(whole) + (2 << 30))
        append(log, b"\n" + lines("two", 5))
        follower.until(lambda: log.stat().st_size == stored_bytes(store), 1200)
        status = Path(f"/proc/{follower.process.pid}/status").read_text()
        peak = next(int(each.split()[1]) for each in status.splitlines() if each.startswith("VmHWM"))
        follower.stop()
    assert peak < 2 << 20, "kilobytes"
    rows = stored_rows(store)
    assert [row["reject_reason"] for row in rows[:5] + rows[-5:]] == [None] * 10


def stored_bytes(store: Path) -> int:
    """Return how far the only source is stored."""
    return max((row["byte_offset"] + row["byte_length"] for row in stored_rows(store)), default=0)


# Names.

HOSTILE = [
    b"access\nlpaudit: all is well.log",
    b"\x1b[2Jaccess.log",
    b"caf\xe9.log",
    b"-access.log",
    b"--store=elsewhere.log",
    b"access log [1]*?.log",
    b"{host}.log",
    "\u202egol.ssecca".encode(),
    b"a" * 251 + b".log",
    b"%41.log",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_in_a_directory(folder: Path, store: Path, name: bytes) -> None:
    log = folder / os.fsdecode(name)
    with Driven(store, folder) as follower:
        old = append(log, lines("one", 5))
        follower.wait()
        old += append(log, lines("two", 5))
        if len(name) < 250:
            rotate(log)
            new = append(log, lines("new", 5))
        else:
            new = b""
        follower.wait(LONG).stop()
    check(store, *filter(None, (old, new)))
    assert gaps(store) == []


def test_hostile_names_as_arguments(folder: Path, store: Path) -> None:
    """And what is said of them forges no line and moves no cursor."""
    logs = [folder / os.fsdecode(name) for name in HOSTILE if b"{" not in name]
    expected = []
    for number, log in enumerate(logs):
        expected.append(lines(f"n{number}", 3))
        log.write_bytes(expected[-1])
    with Following(store, *logs, folder / "missing\n\x1b[31m") as follower:
        follower.until_stored(3 * len(logs))
        follower.stop()
    check(store, *expected)
    assert "\x1b" not in follower.said
    assert "\nlpaudit: all is well" not in follower.said


# Links.


def test_a_link_out_of_the_directory_is_not_followed_unless_that_is_asked_for(
    log: Path, store: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.log"
    secret = append(outside, lines("outside", 5))
    whole = append(log, lines("one", 5))
    log.with_name("link.log").symlink_to(outside)
    with Driven(store, log.parent) as follower:
        follower.wait(LONG).stop()
    check(store, whole)
    with Driven(store, log.parent, leave=True) as follower:
        follower.wait(LONG)
        secret += append(outside, lines("more", 5))
        follower.wait(LONG).stop()
    check(store, whole, secret)


@pytest.mark.parametrize("name", ["access.log", "access.log.1"])
def test_a_link_that_is_put_in_the_place_of_a_file(log: Path, store: Path, tmp_path: Path, name: str) -> None:
    """Whoever may write to the directory must not get other files read."""
    outside = tmp_path / "outside.log"
    append(outside, lines("secret", 5))
    with Driven(store, log.parent) as follower:
        old = append(log, lines("one", 5))
        follower.wait()
        there = rotate(log)
        new = append(log, lines("new", 5))
        follower.wait(2)
        victim = log.with_name(name)
        victim.unlink()
        victim.symlink_to(outside)
        follower.wait(60).stop()
    check(store, old, new)
    assert there


def test_a_link_that_is_put_in_place_between_the_look_and_the_opening(
    log: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.log"
    append(outside, lines("secret", 5))
    append(log, lines("one", 5))
    really = os.open

    def swap(path, flags, *rest, **more):
        if Path(os.fsdecode(path)).name == "access.log" and not log.is_symlink():
            log.unlink()
            log.symlink_to(outside)
        return really(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", swap)
    with Driven(store, log.parent) as follower:
        follower.wait(5)
        assert log.is_symlink()
        follower.stop()
    assert contents(store) == {}


def test_a_link_that_is_put_in_place_after_the_directory_was_listed(
    log: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.log"
    append(outside, lines("secret", 5))
    append(log, lines("one", 5))
    really = source.discover

    def swap(*arguments, **more):
        for found in really(*arguments, **more):
            if not log.is_symlink():
                log.unlink()
                log.symlink_to(outside)
            yield found

    monkeypatch.setattr(source, "discover", swap)
    with Driven(store, log.parent) as follower:
        follower.wait(5).stop()
    assert log.is_symlink()
    assert contents(store) == {}


def test_a_link_that_is_named_and_turned_to_another_file(log: Path, store: Path) -> None:
    """cronolog's way: access.log is a link to the file of today."""
    today, tomorrow = log.with_name("2026-11-23.log"), log.with_name("2026-11-24.log")
    old = append(today, lines("old", 5))
    log.symlink_to(today)
    with Driven(store, log) as follower:
        follower.wait()
        old += append(today, lines("unread", 5))
        new = append(tomorrow, lines("new", 5))
        log.unlink()
        log.symlink_to(tomorrow)
        follower.wait(1)
        old += append(today, lines("late", 5))
        follower.wait(LONG)
        new += append(log, lines("more", 5))
        follower.wait(LONG).stop()
    check(store, old, new)
    assert gaps(store) == []


def test_links_that_go_round_in_a_circle(log: Path, store: Path) -> None:
    log.with_name("a").symlink_to(log.with_name("b"))
    log.with_name("b").symlink_to(log.with_name("a"))
    log.with_name("c").symlink_to(".")
    whole = append(log, lines("one", 5))
    with Driven(store, log.parent, leave=True) as follower:
        follower.wait(LONG).stop()
    check(store, whole)


# Other files, other hosts.


def test_an_error_log_is_skipped_however_it_grows_if_only_access_logs_are_asked_for(
    log: Path, store: Path
) -> None:
    told = b"2026-11-23 10:15:45: (server.c.1588) server started (lighttpd/1.4.69)\n"
    errors = log.with_name("error.log")
    with Driven(store, log.parent, kind=LogKind.ACCESS) as follower:
        append(errors, told)
        whole = append(log, lines("one", 5))
        follower.wait(5)
        for _ in range(5):
            append(errors, told)
            whole += append(log, lines("more", 1))
            follower.wait(LONG)
        rotate(errors)
        append(errors, told)
        follower.wait(100).stop()
    check(store, whole)
    assert table(store, "server_event") == []
    assert follower.told.complaints == ""


def test_only_of_an_access_log_it_is_said_that_the_configuration_does_not_know_it(
    log: Path, store: Path
) -> None:
    def nothing(label: str) -> None:
        raise ConfigError(f"{label} is not configured", hint="tell it")

    errors, archive = log.with_name("error.log"), log.with_name("access.log.2.gz")
    append(errors, b"2026-11-23 10:15:45: (server.c.1588) server started (lighttpd/1.4.69)\n")
    older, whole = lines("older", 5), append(log, lines("one", 5))
    archive.write_bytes(gzip.compress(older))
    with Driven(store, errors, archive, log, format_of=nothing) as follower:
        follower.wait(LONG).stop()
    check(store, older, whole)
    assert len(table(store, "server_event")) == 1
    assert follower.told.complaints == f"{log} is not configured (tell it)"


def test_other_files_in_the_directory_do_not_stop_the_log(log: Path, store: Path) -> None:
    append(log.with_name("notes.txt"), b"hello\nworld\n" * 100)
    append(log.with_name("core"), os.urandom(100_000))
    append(log.with_name("empty.log"), b"")
    append(log.with_name(".hidden.log"), lines("hidden", 3))
    with Driven(store, log.parent) as follower:
        whole = append(log, lines("one", 5))
        follower.wait(LONG)
        whole += append(log, lines("two", 5))
        follower.wait().stop()
    check(store, whole)


def test_the_logs_of_several_hosts(tmp_path: Path, store: Path) -> None:
    """The same lines on two hosts are two sources: behind a balancer, health checks are alike."""
    logs = {host: tmp_path / "logs" / host / "access.log" for host in ("gw1", "gw2", "gw3")}
    same = line("health") * 3
    for log in logs.values():
        log.parent.mkdir(parents=True)
    with Driven(store, tmp_path / "logs" / "{host}" / "access.log") as follower:
        generations = {host: append(logs[host], same) for host in ("gw1", "gw2")}
        follower.wait()
        generations["gw3"] = append(logs["gw3"], same)  # a host that comes later
        follower.wait()
        for host, log in logs.items():
            generations[host] += append(log, lines(host, 5))
            rotate(log, "gz")
            generations[f"{host}/new"] = append(log, line("health/later") * 2 + line(host))
        follower.wait(LONG).stop()
    check(store, *generations.values())
    assert gaps(store) == []
    hosts = {(row["host_name"], Path(row["source"]).parent.name) for row in stored_rows(store)}
    assert hosts == {(host, host) for host in logs}


# A real lighttpd.


@pytest.mark.lighttpd
@pytest.mark.timeout(120)
def test_a_real_lighttpd_that_is_followed_and_rotated(
    lighttpd: str, tmp_path: Path, folder: Path, store: Path
) -> None:
    """lighttpd opens its logs anew on SIGHUP, as logrotate's postrotate asks it to."""
    log = folder / "access.log"
    configuration = (
        base_configuration(tmp_path)
        + f"""\
server.modules += ("mod_accesslog")
accesslog.filename = "{log}"
server.pid-file = "{tmp_path / "pid"}"
"""
    )
    port = int(configuration.split("server.port = ")[1].split()[0])
    with Following(store, folder) as follower, running(lighttpd, tmp_path, configuration):
        for number in range(3):
            for request in range(5):
                exchange(port, good(f"r{number}-{request}").raw)
            log.rename(log.with_name(f"access.log.{number + 1}"))
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGHUP)
            until(log.exists, 30)
        follower.until_stored(15)
        follower.stop()
    held = b"".join(contents(store).values())
    for number in range(3):
        for request in range(5):
            assert held.count(f"/j/r{number}-{request} ".encode()) == 1
    assert gaps(store) == []


@pytest.mark.lighttpd
@pytest.mark.timeout(120)
@pytest.mark.parametrize("follow", [True, False])
def test_a_real_lighttpd_that_pipes_its_log(lighttpd: str, tmp_path: Path, store: Path, follow: bool) -> None:
    options = "--follow --no-compact" if follow else ""
    command = f"{sys.executable} -m lpaudit ingest {options} --log-format default --store {store} -"
    configuration = (
        base_configuration(tmp_path)
        + f"""\
server.modules += ("mod_accesslog")
accesslog.filename = "|{command}"
"""
    )
    port = int(configuration.split("server.port = ")[1].split()[0])
    with running(lighttpd, tmp_path, configuration):
        for number in range(5):
            exchange(port, good(f"piped-{number}").raw)
        until(lambda: stored_lines(store) == 5, 12)


# Others who are at work.


def test_a_log_that_is_written_by_many_threads_while_it_is_read(log: Path, store: Path) -> None:
    """Each line is one write: it is there whole, or not yet."""
    log.touch()

    def write(name: str) -> None:
        for number in range(200):
            append(log, line(f"{name}/{number}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    with Following(store, log, env={"LPAUDIT_SEGMENT_BYTES": "3000"}) as follower:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        follower.until_stored(800)
        follower.stop()
    check(store, log.read_bytes())


def test_what_is_followed_is_noted_once(log: Path, store: Path) -> None:
    append(log, lines("one", 5))
    for _ in range(3):
        with Driven(store, log) as follower:
            follower.wait().stop()
    assert len(events(store, "followed")) == 1
    assert events(store) == events(store, "followed")


@pytest.mark.parametrize("name", ["-1", "_2026", "-old", ".1"])
def test_a_name_that_is_nothing_but_the_end_of_a_rotated_one(log: Path, store: Path, name: str) -> None:
    whole = append(log, lines("one", 5))
    odd = append(log.with_name(name), lines("odd", 3))
    with Driven(store, log.parent) as follower:
        follower.wait().stop()
    check(store, *([whole] if name.startswith(".") else [whole, odd]))


def test_a_link_to_a_name_that_cannot_be(log: Path, store: Path) -> None:
    whole = append(log, lines("one", 5))
    log.with_name("link").symlink_to("x" * 300)
    with Driven(store, log.parent) as follower:
        follower.wait().stop()
    check(store, whole)


def test_two_pipes_that_begin_with_the_same_line(log: Path, store: Path) -> None:
    fifos = [log.with_name(name) for name in ("a.fifo", "b.fifo")]
    for fifo in fifos:
        os.mkfifo(fifo)
    content = lines("check", 1)
    with Driven(store, *fifos) as follower:
        writers = [os.open(fifo, os.O_RDWR | os.O_NONBLOCK) for fifo in fifos]
        for writer in writers:
            os.write(writer, content)
        follower.wait().stop()
        for writer in writers:
            os.close(writer)
    check(store, content, content)


def test_an_archive_that_takes_long_holds_up_only_what_is_beside_it(tmp_path: Path) -> None:
    gate = threading.Event()
    archives = Archives(lambda found: gate.wait(60) and SourceResult(found.label))
    archive = tmp_path / "old" / "access.log.1.gz"
    archives.add(Archive(Input(str(archive), archive), (1, 1), (0, 0)))
    try:
        assert archives.busy_beside(tmp_path / "old" / "access.log")
        assert not archives.busy_beside(tmp_path / "access.log")
        assert not archives.busy_beside(None)
    finally:
        gate.set()
    while archives.busy:
        archives.collect()
    assert not archives.busy_beside(tmp_path / "old" / "access.log")
