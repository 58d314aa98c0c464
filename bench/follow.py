"""`make bench-follow`: how fresh, and how whole, what `lpaudit ingest --follow` stores is under load.

Prints a table with its method, and puts it into a page where that was asked for. The exit
status is 1 if a line was lost or a query saw something else than was stored, whatever the
figures are.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import server
from bench.commits import Commits
from bench.follower import LPAUDIT, Probe, following, probe_now_and_then, wait_until_stored
from bench.growth import Growth
from bench.judge import judge, percentile
from bench.page import Idle, Load, Run, put_into, report
from bench.process import memory, used

FORMATS = ("default", "lpaudit")
CATCH_UP = 300.0
"""Seconds that the follower has, after the load, to store what is left."""


def measure(folder: Path, probes: int, seconds: float, load: Callable[[Path], Load]) -> Run:
    """Follow a log while ``load`` writes it for some seconds, and compare what was stored."""
    log = folder / "log" / "access.log"
    log.parent.mkdir(parents=True)
    log.touch()
    seen: list[Probe] = []
    with following(folder, log) as (process, store):
        commits = Commits(store)
        before = used(process)
        times = [seconds * (number + 1) / (probes + 1) for number in range(probes)]
        prober = threading.Thread(target=lambda: seen.extend(probe_now_and_then(store, times)))
        with Growth(log) as growth:
            prober.start()
            done = load(log)
        wait_until_stored(commits, growth.size, CATCH_UP)
        taken, peak = used(process).since(before), memory(process)
        prober.join()
    commits.update()
    last = Probe(store)
    found = judge(store, growth.files, commits.pieces)
    wrong = list(found.differences)
    if not done.least <= found.lines <= done.most:
        wrong.append(f"{done.least:,} to {done.most:,} lines were expected, {found.lines:,} are in the log")
    if last.lines != found.lines:
        wrong.append(f"a query counts {last.lines:,} of {found.lines:,} lines")
    wrong += [f"a query at {p.began:.3f} disagrees" for p in [*seen, last] if not p.agrees(commits)]
    return Run(
        load=done,
        lines=found.lines,
        size=growth.size,
        p50=percentile(found.ages, 0.5),
        p99=percentile(found.ages, 0.99),
        worst=percentile(found.ages, 1.0),
        used=taken,
        compaction=_compact(store),
        memory=peak,
        probes=len(seen) + 1,
        wrong=tuple(wrong),
    )


def _compact(store: Path) -> float:
    """Compact as a follower does from time to time; return the processor seconds it took."""
    before = os.times()
    subprocess.run(
        [*LPAUDIT, "compact", "--quiet", "--store", str(store)], check=True, stdout=subprocess.DEVNULL
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def served(log: Path, log_format: str, seconds: int) -> Load:
    """Have a lighttpd write the log. wrk hangs up at the end: what is answered then, it does not count."""
    with server.running(log.parent.parent, log, log_format) as url:
        answers = server.request(url, seconds)
    return Load(f"lighttpd, {log_format}", answers, answers + server.CONNECTIONS, seconds)


def replayed(log: Path, log_format: str, rate: int, seconds: float) -> Load:
    """Have recorded requests written to the log at a rate; it is rotated half-way."""
    command = [sys.executable, "-m", "bench.replay", str(log), "--format", log_format]
    command += ["--rate", str(rate), "--seconds", str(seconds)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    name = f"replay, {log_format}, {rate:,}/s"
    return Load(name, told["lines"], told["lines"], told["seconds"])


def idle(folder: Path, count: int, seconds: float) -> Idle:
    """Follow quiet logs, and see what that takes."""
    logs = folder / "log"
    logs.mkdir(parents=True)
    for number in range(count):
        line = f'192.0.2.1 gw{number} - [23/Nov/2026:10:15:45 +0000] "GET / HTTP/1.1" 200 6 "-" "-"\n'
        (logs / f"{number}.access.log").write_text(line)
    size = sum(file.stat().st_size for file in logs.iterdir())
    with following(folder, logs) as (process, store):
        wait_until_stored(Commits(store), size, CATCH_UP)
        time.sleep(1)
        before = used(process).own
        time.sleep(seconds)
        share = (used(process).own - before) / seconds
        return Idle(count, share, memory(process, "VmRSS"))


def runs(options: argparse.Namespace, room: Callable[[], Path]) -> Iterator[Run]:
    """Measure every load that was asked for."""
    if options.serve and server.LIGHTTPD and server.WRK:
        for log_format in FORMATS:
            load = partial(served, log_format=log_format, seconds=options.serve)
            yield measure(room(), options.probes, options.serve, load)
    for rate in options.rates:
        load = partial(replayed, log_format=options.replay, rate=rate, seconds=options.seconds)
        yield measure(room(), options.probes, options.seconds, load)


def main() -> int:
    """Measure, print, and say whether all was whole."""
    parser = argparse.ArgumentParser(prog="make bench-follow", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a glance: is anything lost?")
    parser.add_argument("--seconds", type=float, help="of a replay [60]")
    parser.add_argument("--serve", type=int, help="seconds of lighttpd, 0 for none [20]")
    parser.add_argument("--rates", type=_numbers, help="lines a second to replay [100000,200000]")
    parser.add_argument("--replay", choices=FORMATS, default="default", help="the format to replay")
    parser.add_argument("--idle", type=float, help="seconds to be idle [20]")
    parser.add_argument("--files", type=_numbers, help="how many quiet files [1,200]")
    parser.add_argument("--probes", type=int, help="queries during a load [3]")
    parser.add_argument("--dir", type=Path, help="where logs and stores are made, and removed again")
    parser.add_argument("--into", type=Path, help="a page that the tables are put into")
    options = parser.parse_args()
    usual, short = (60.0, 20, [100_000, 200_000], 20.0, [1, 200], 3), (3.0, 2, [5_000], 1.0, [1, 5], 1)
    for name, value in zip(
        ("seconds", "serve", "rates", "idle", "files", "probes"),
        short if options.short else usual,
        strict=True,
    ):
        if getattr(options, name) is None:
            setattr(options, name, value)
    found = []
    with tempfile.TemporaryDirectory(prefix="lpaudit-bench-", dir=options.dir) as top:
        rooms = iter(range(1000))
        for run in runs(options, lambda: Path(top) / str(next(rooms))):
            found.append(run)
            print(f"{run.load.name}: {run.lines:,} lines, p99 {run.p99:.2f} s", file=sys.stderr)
        quiet = [idle(Path(top) / f"idle-{count}", count, options.idle) for count in options.files]
    _remove(Path(top))
    text = report(options, found, quiet)
    print(text)
    if options.into:
        put_into(options.into, text, "bench-follow", "Following under load")
    return int(any(run.wrong for run in found))


def _remove(folder: Path) -> None:
    """Remove what a compaction that a follower began on the side has written after everything was removed."""
    for _ in range(10):
        time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


if __name__ == "__main__":
    sys.exit(main())
