r"""Error log lines → columns of server_event: one row a line, none is rejected.

lighttpd writes bytes as \xhh, but neither quotes nor backslashes are escaped: what it wrote
cannot be told from what it stands for, so texts are kept as they are in the log.
"""

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

import polars as pl

from lpaudit.errorlog.messages import HEADER, NO_HEADER, find
from lpaudit.redaction import MASK

_TEXT = 1 << 16  # characters of a message that its row keeps; the segment keeps every byte
_MASKED = re.compile(MASK.decode() + "+")
_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Datetime("us", "UTC"),
    "event": pl.String,
    "user": pl.String,
    "client": pl.String,
    "url": pl.String,
    "status": pl.Int16,
    "secrets": pl.Int32,
    "message": pl.String,
    "code_file": pl.String,
    "code_line": pl.Int32,
}


def parse(block: bytes, timezone: tzinfo) -> tuple[pl.DataFrame, pl.Series]:
    """Return the columns of a block of redacted lines, and the bytes of each line with its line end.

    The log's times are local and name no zone: they are read as ``timezone``'s.
    """
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
        ends = [1] * len(lines)
    else:
        ends = [1] * (len(lines) - 1) + [0]
    rows = [_row(_text(line), timezone) for line in lines]
    columns = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
    lengths = pl.Series([len(line) + end for line, end in zip(lines, ends, strict=True)], dtype=pl.Int64)
    return columns.with_columns(timezone=pl.lit(str(timezone))), lengths


def _text(line: bytes) -> str:
    text = line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
    return text if "\0" not in text else text.replace("\0", r"\x00")


def _row(text: str, timezone: tzinfo) -> tuple[object, ...]:
    header = HEADER.match(text)
    time = _time(header["time"], timezone) if header else None
    secrets = len(_MASKED.findall(text))
    if header is None or time is None:
        return None, NO_HEADER, None, None, None, None, secrets, _shown(text), None, None
    if header["fraction"]:
        time = time.replace(microsecond=int(header["fraction"][:6]))
    event, found = find(text, header.end(), header["file"])
    named = found.groupdict() if found else {}
    user, client, url = (_shown(named.get(name)) for name in ("user", "client", "url"))
    if user is not None:
        user = user.strip(" ")  # lighttpd 1.4.55 wrote spaces around it
    status = int(named["status"]) if named.get("status") else None
    message = _shown(text[header.end() :])
    return time, event, user, client, url, status, secrets, message, header["file"], int(header["line"])


def _shown(text: str | None) -> str | None:
    return text[:_TEXT].replace(MASK.decode(), "*") if text is not None else None


@lru_cache(maxsize=1024)
def _time(text: str, timezone: tzinfo) -> datetime | None:
    """Return a local time in UTC; None if there is no such time, or was none in that zone.

    An hour that a daylight-saving change repeats is read as its first occurrence.
    """
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=timezone)
        instant = local.astimezone(UTC)
        there = instant.astimezone(timezone)
    except (ValueError, OverflowError):
        return None
    return instant if there.replace(tzinfo=None) == local.replace(tzinfo=None) else None
