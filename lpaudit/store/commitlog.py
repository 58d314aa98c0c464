"""Old entries of a table's log of commits → archives beside it: they are evidence, but nobody opens them.

delta-rs lists the whole directory for every append: at one commit a second it would take a
third of a second after a day, and three after ten. What a checkpoint has taken in is not
needed to read the table any more, so it is moved, unchanged, into a tar file. The order, and
what a crash leaves at each step:
1. the archive, synced, renamed, and read back   → entries that are in both places: harmless
2. the entries are removed, the oldest first     → the rest is moved the next time
"""

import io
import json
import sys
import tarfile
from pathlib import Path

from lpaudit.errors import StoreError
from lpaudit.store.directory import Directory
from lpaudit.store.durable import make_directory, sync_directory, write_durable
from lpaudit.store.tables import Store, cannot_write

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FOLDER = "commits"
KEEP = 2000
"""Entries that stay: whoever has opened the table goes on from the version that was newest then."""
LEAST = 2000
"""Entries that are worth an archive."""
_MOST = 20_000  # entries in one archive


def archive_commits(store: Store, name: str, unique: str) -> int:
    """Move a table's old log entries to ``commits/<table>/<first>-<last>.tar.zst``; return how many.

    Raises StoreError.
    """
    if not isinstance(store.storage, Directory):
        return 0  # a bucket is asked only for what comes after the checkpoint
    root = store.storage.path
    log = root / name / "_delta_log"
    checkpoint = _checkpoint(log)
    if checkpoint is None:
        return 0
    old = [p for p in sorted(log.glob("[0-9]*.json")) if _version(p) < checkpoint - KEEP][:_MOST]
    if len(old) < LEAST:
        return 0
    archive = root / FOLDER / name / f"{old[0].stem}-{old[-1].stem}.tar.zst"
    try:
        packed = zstd.compress(_tar(old))
        make_directory(archive.parent)
        write_durable(archive, lambda file: file.write_bytes(packed), unique)
        if archive.read_bytes() != packed:
            raise StoreError(f"cannot write {archive}: it reads differently", hint="check the disk")
        for entry in old:
            entry.unlink(missing_ok=True)
        for made in log.glob("[0-9]*.checkpoint.parquet"):
            if _version(made) < checkpoint - KEEP:
                made.unlink(missing_ok=True)  # made from entries, and superseded
        sync_directory(log)
    except FileNotFoundError:
        return 0  # somebody else is moving them
    except OSError as error:
        raise cannot_write(store.location, error) from error
    return len(old)


def _checkpoint(log: Path) -> int | None:
    """Return the version of the newest checkpoint that is there."""
    try:
        told = int(json.loads((log / "_last_checkpoint").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told if (log / f"{told:020d}.checkpoint.parquet").is_file() else None


def _version(path: Path) -> int:
    return int(path.name.partition(".")[0])


def _tar(entries: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            data = entry.read_bytes()
            info = tarfile.TarInfo(entry.name)
            info.size, info.mtime, info.mode = len(data), int(entry.stat().st_mtime), 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
