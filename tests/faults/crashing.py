"""A follower that is killed at its nth step in the store: run as `python -m tests.faults.crashing DIR FIRST STRIDE`.

Each step is a child of its own, forked before any library has started threads. A second child
follows again and proves the store. Ends when a follower comes to its end before its step.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

from tests.follower import Driven, append, check, gaps, lines, rotate

LONG = 25.0

TOUCHES = frozenset({"open", "os.rename", "os.mkdir", "os.remove", "os.link", "shutil.rmtree"})
"""What Python tells of files; what delta-rs and Arrow do lies between two of them."""


class Shadow:
    """Writes logs, and keeps beside them what each generation must hold."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "logs" / "access.log"
        self.kept = folder / "kept"
        for there in (self.log.parent, self.kept):
            there.mkdir(parents=True)
        self.generation = 0

    def write(self, data: bytes) -> None:
        append(self.kept / str(self.generation), data)
        append(self.log, data)

    def rotate(self, style: str) -> None:
        rotate(self.log, style)
        self.generation += 1


def story(shadow: Shadow, store: Path) -> None:
    """What happens to the log, until somebody kills the follower."""
    shadow.write(lines("a", 30))
    with Driven(store, shadow.log, segment_bytes=2000) as follower:
        follower.wait(2)
        shadow.write(lines("a/unread", 15))
        shadow.rotate("number")
        shadow.write(lines("b", 15))
        follower.wait(2)
        follower.crash()
    shadow.write(lines("b/unread", 15))
    shadow.rotate("gz")
    shadow.write(lines("c", 15))
    with Driven(store, shadow.log, segment_bytes=2000) as follower:
        follower.wait(LONG).stop()


def proof(folder: Path, store: Path) -> None:
    """Follow again, and see that nothing is lost and nothing is there twice."""
    log = folder / "logs" / "access.log"
    with Driven(store, log, segment_bytes=2000) as follower:
        follower.wait(LONG)
        newest = max((folder / "kept").iterdir(), key=lambda path: int(path.name))
        append(newest, data := lines("afterwards", 1))
        append(log, data)
        follower.wait(LONG).stop()
    check(store, *(path.read_bytes() for path in (folder / "kept").iterdir()))
    assert gaps(store) == []


def die_at(step: int, store: Path) -> None:
    """Kill this process when it touches a file of the store for the nth time."""
    left = step

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHES and str(arguments[0]).startswith(str(store)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def child(work: object) -> int:
    """Run ``work()`` in a child; return its exit status, negative if it was killed."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 1
    try:
        os.fsync = lambda _: None  # only the process dies, not the machine
        work()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    top, step, stride = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    killed = 0
    while True:
        folder = top / str(step)
        store = folder / "store"

        def run(folder: Path = folder, store: Path = store, step: int = step) -> None:
            shadow = Shadow(folder)
            die_at(step, store)
            story(shadow, store)

        status = child(run)
        if status not in (0, -signal.SIGKILL):
            sys.exit(f"step {step}: the follower ended with {status}")
        if child(lambda folder=folder, store=store: proof(folder, store)):
            sys.exit(f"after it was killed at step {step}, the store is not the log")
        if status == 0:
            break
        killed += 1
        step += stride
    print(killed)


if __name__ == "__main__":
    main()
