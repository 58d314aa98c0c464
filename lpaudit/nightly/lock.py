"""Never two nights at once: who is second is told who is first.

On one machine the kernel keeps the lock, and lets go of it when its holder ends, however that
happens. Of another machine nobody knows whether it still works: what it recorded last decides.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from lpaudit import store
from lpaudit.errors import Busy, StoreError
from lpaudit.model import LogKind
from lpaudit.store.storage import NIGHT
from lpaudit.visible import instant, visible


@contextmanager
def only_one(
    target: store.Store, environ: Mapping[str, str], holder: Mapping[str, object], now: datetime
) -> Iterator[None]:
    """Hold the lock of a store. ``holder`` says who does: host, user, process.

    Raises Busy if somebody else holds it, StoreError if there can be no lock.
    """
    path = lock_file(target, environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _busy(path) from None
            file.truncate(0)
            file.write(json.dumps({**holder, "since": instant(now)}) + "\n")
            file.flush()
            yield
            file.truncate(0)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"cannot lock {path}: {reason}", hint="check its permissions") from error


def lock_file(target: store.Store, environ: Mapping[str, str]) -> Path:
    """Return the file that is locked: in the store, or beside its mark if that is in a bucket."""
    if "://" not in target.location:
        return Path(target.location) / NIGHT
    return store.mark_file(target, environ, LogKind.ACCESS).with_suffix(f".{NIGHT}")


def _busy(path: Path) -> Busy:
    try:
        told = json.loads(path.read_text("utf-8"))
        who = (
            f"process {told['process']} of {told['user']} on {told['host']}, "
            f"which began with the night {told['night']} at {told['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        who = f"somebody who has just begun (`fuser {path}` says who)"
    return Busy(
        f"another `lpaudit nightly` is at work on this store: {visible(who)}",
        hint="wait until it has ended: the same command then does what it left to do",
    )
