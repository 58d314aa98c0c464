"""A store and a log beside it, and what it takes to let one fall behind the other."""

from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from lpaudit import ingest, store
from lpaudit.model import Gap, GapCause, Observer

NOW = datetime(2026, 11, 24, tzinfo=UTC)
GOOD = '192.0.2.%d gw alice [23/Nov/2026:10:15:%02d +0000] "GET /api/health HTTP/1.1" 200 22 "-" "-"\n'

_unique = map("{:032x}".format, count(1))


def lines(number, start=0):
    return "".join(GOOD % (i % 256, i % 60) for i in range(start, start + number)).encode()


def take_in(folder, *paths, host=None):
    """What a follower does at last."""
    options = ingest.IngestOptions(host, None, ZoneInfo("UTC"), 1 << 20)
    result = ingest.ingest(
        str(folder / "lpaudit-store"),
        [str(path) for path in paths],
        options,
        Observer(),
        now=lambda: NOW,
        unique=lambda: next(_unique),
    )
    assert not result.errors
    return result


def record_gap(folder, *, source_id="3f9a2c01b7d4e6f8", offset=4779, detected=NOW, **facts):
    facts = {"start": NOW - timedelta(hours=2), "end": NOW - timedelta(hours=1), "lines": None} | facts
    gap = Gap(
        source="/var/log/lighttpd/access.log",
        source_id=source_id,
        host_name="gw1",
        bytes=45534,
        cause=GapCause.TRUNCATED,
        from_offset=offset,
        detected_at=detected,
        **facts,
    )
    assert store.append_gap(store.create_store(str(folder / "lpaudit-store")), gap, next(_unique))
