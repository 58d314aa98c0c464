"""Log lines of lighttpd's default format, and the period they are in."""

from datetime import UTC, datetime

from lpaudit.model import GapCause, Period

DAY = Period(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))
RUN = "34a1e685-aad5-47b0-af6e-921ad94366d9"
OTHER = "01a207e3-f87d-7b75-923a-f85ac72ede2f"


def line(time, request, status=200, *, user="-", client="192.0.2.7", agent="prefect/3.9.1"):
    """A line of lighttpd's default format, of 23 November 2026 unless the time has a date."""
    stamp = time if "/" in time else f"23/Nov/2026:{time}"
    return f'{client} prefect.example {user} [{stamp} +0000] "{request} HTTP/1.1" {status} 22 "-" "{agent}"'


def gap(start, end, **facts):
    """What a follower records of a part that is missing: a gap of 23 November 2026, hours given as "10:15"."""

    def at(time):
        return time and datetime.fromisoformat(f"2026-11-23T{time}Z" if len(time) < 6 else f"{time}Z")

    return {
        "source": "/var/log/lighttpd/access.log",
        "source_id": "3f9a2c01b7d4e6f8",
        "host_name": "gw1",
        "start": at(start),
        "end": at(end),
        "bytes": 45534,
        "lines": None,
        "cause": GapCause.TRUNCATED,
        "from_offset": 4779,
        "detected_at": datetime(2026, 11, 24, tzinfo=UTC),
    } | facts
