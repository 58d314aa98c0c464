"""The audit trail: who asked what of a store, as rows of the store.

A row is a commit of its own, without an application transaction: many may append at once, and nothing of it
is ever committed twice, because its id is its own.
"""

import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import pyarrow as pa

from lpaudit import __version__, act, redaction, store
from lpaudit.errors import OffsetConflict
from lpaudit.schema import tables

TABLE = act.TRAIL
_LONGEST = 1 << 16  # characters of a text that are kept
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: as the system knows him, and as sudo says."""

    host: str
    user: str
    uid: int
    sudo_user: str | None

    @classmethod
    def of(cls, host: str, uid: int, environ: Mapping[str, str]) -> "Who":
        """Return who a process is; not by its environment, which anybody sets, but for sudo's word."""
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return cls(host, name, uid, environ.get("SUDO_USER") or None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: ``text`` is as it was said, secrets and all."""

    act_id: str
    at: datetime
    command: str
    text: str
    who: Who


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended."""

    outcome: str
    exit_status: int | None = None
    duration_us: int | None = None
    error: str | None = None
    rows: int | None = None
    answer_sha256: str | None = None


ASKED = Ended("asked")
"""Nothing more is known: it was asked."""


def record(
    root: str, asked: Asked, ended: Ended, versions: Mapping[str, int], unique: Callable[[], str]
) -> None:
    """Append what was asked, and how it ended. Raises StoreError."""
    text = redaction.redacted(asked.text.encode("utf-8", "replace").decode())
    row = {
        "act_id": asked.act_id,
        "asked_at": asked.at,
        "duration_us": ended.duration_us,
        "command": asked.command,
        "text": text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…",
        "text_sha256": sha256(text.encode()).hexdigest(),
        "outcome": ended.outcome,
        "exit_status": ended.exit_status,
        "error": None if ended.error is None else _first_line(ended.error),
        "rows": ended.rows,
        "answer_sha256": ended.answer_sha256,
        "table_versions": [(name, str(version)) for name, version in sorted(versions.items())],
        "host": asked.who.host,
        "user": asked.who.user,
        "uid": asked.who.uid,
        "sudo_user": asked.who.sudo_user,
        "lpaudit_version": __version__,
    }
    rows = pa.Table.from_pylist([row], schema=tables()[TABLE].arrow)
    target = store.open_store(root)
    for attempt in range(_ATTEMPTS):
        try:
            store.append_row(target, TABLE, rows, unique())
        except OffsetConflict:  # of those that create the table, one is first
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _first_line(text: str) -> str:
    line = text.encode("utf-8", "replace").decode().partition("\n")[0]
    return redaction.redacted(line)[:1000]
