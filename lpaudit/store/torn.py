"""A last commit that a power cut tore: it was never acknowledged, and nobody can open the table any more.

delta-rs names a commit only when it is written, but syncs nothing: after a power cut the
name may be there and the bytes not. Then the lines were not acknowledged either (we sync
before we do), so the commit is put aside, and they are read again. Where a later commit
follows, this one was synced once: then it is damage, and nothing is touched.
"""

import json
from pathlib import Path

from lpaudit.store.directory import Directory
from lpaudit.store.durable import make_directory, sync_directory
from lpaudit.store.tables import Store, cannot_read, cannot_write

FOLDER = "set-aside"


def set_aside_torn(store: Store, name: str, unique: str) -> Path | None:
    """Move a table's last commit to ``set-aside/`` if it is torn; return where it is now, else None.

    Raises StoreError.
    """
    if not isinstance(store.storage, Directory):
        return None  # in a bucket an object is there whole, or not at all
    log = store.storage.path / name / "_delta_log"
    try:
        last = max(log.glob("[0-9]*.json"), default=None)
        if last is None or _is_whole(last):
            return None
    except OSError as error:
        raise cannot_read(store.location, error) from error
    target = store.storage.path / FOLDER / f"{name}-{last.stem}-{unique}.json"
    try:
        make_directory(target.parent)
        last.rename(target)
        sync_directory(target.parent)
        sync_directory(log)
    except OSError as error:
        raise cannot_write(store.location, error) from error
    return target


def _is_whole(commit: Path) -> bool:
    """Say whether a commit's entry is one: every line a JSON object, and at least one."""
    try:
        actions = [json.loads(line) for line in commit.read_text("utf-8").splitlines()]
    except ValueError:
        return False
    return bool(actions) and all(isinstance(action, dict) for action in actions)
