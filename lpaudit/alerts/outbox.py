"""What was told and what was not: what failed is tried again the next night, before anything newer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from lpaudit import pipeline, store
from lpaudit.alerts.channels import Channel
from lpaudit.alerts.message import Message
from lpaudit.errors import AlertError
from lpaudit.schema import tables

_TABLE = "alert"
_PENDING = "select run_id from alert_pending where channel = $channel order by tried_at, run_id"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to tell of a run; ``error`` is why it failed, None if it was taken."""

    run_id: str
    channel: str
    error: str | None


def deliver(
    root: str,
    channels: Iterable[Channel],
    run_id: str,
    message: Message | None,
    of_run: Callable[[str], Message],
    *,
    now: Callable[..., object],
    unique: Callable[[], str],
) -> list[Attempt]:
    """Tell every channel what it does not know yet, the oldest first, and record each attempt.

    ``message`` is about the run ``run_id``; None if there is nothing to tell of it. A channel that fails
    is not asked again this time. Raises StoreError.
    """
    attempts: list[Attempt] = []
    for channel in channels:
        asked: dict[str, object] = {"channel": channel.name}
        pending = pipeline.select(root, _TABLE, _PENDING, asked).column("run_id").to_pylist()
        waiting = [(old, of_run(old)) for old in pending if old != run_id or message is None]
        if message is not None:
            waiting.append((run_id, message))
        mine: list[Attempt] = []
        for about, told in waiting:
            failed = next((attempt.error for attempt in mine if attempt.error), None)
            error = failed or _sent(channel, told)
            mine.append(Attempt(about, channel.name, error))
        attempts += mine
    if attempts:
        at = now()
        rows = [
            {
                "run_id": attempt.run_id,
                "channel": attempt.channel,
                "tried_at": at,
                "sent": attempt.error is None,
                "error": attempt.error,
                "by_run_id": run_id,
            }
            for attempt in attempts
        ]
        fresh = pa.Table.from_pylist(rows, schema=tables()[_TABLE].arrow)
        store.append_records(store.open_store(root), _TABLE, unique(), fresh, unique())
    return attempts


def _sent(channel: Channel, message: Message) -> str | None:
    """Send; return why that failed."""
    try:
        channel.send(message)
    except AlertError as error:
        return error.message
    return None
