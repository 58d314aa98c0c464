r"""Error log lines → columns of server_event: one row a line, none is rejected.

lighttpd writes bytes as \xhh, but neither quotes nor backslashes are escaped: what it wrote
cannot be told from what it stands for, so texts are kept as they are in the log.
"""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache

import polars as pl

from lpaudit.errorlog.messages import HEADER, NO_HEADER, find
from lpaudit.redaction import DISGUISED, MASK, VEIL

_TEXT = 1 << 16  # characters of a message that its row keeps; the segment keeps every byte
_SLICE = 1 << 14  # lines that are read at a time: Python's values are larger than a column's
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
    unended = lines.pop()
    slices = [_columns(lines[at : at + _SLICE], timezone) for at in range(0, len(lines), _SLICE)]
    if unended:
        last = _columns([unended], timezone)
        slices.append(last.with_columns(length=last["length"] - 1))
    columns = pl.concat([pl.DataFrame(schema={"length": pl.Int64, **_COLUMNS}), *slices])
    return columns.drop("length").with_columns(timezone=pl.lit(str(timezone))), columns["length"]


def _columns(lines: list[bytes], timezone: tzinfo) -> pl.DataFrame:
    """Return the columns of some lines; what no line has takes no memory."""
    rows = zip(*(_row(line, timezone) for line in lines), strict=True)
    columns = pl.DataFrame({"length": [len(line) + 1 for line in lines]}, schema={"length": pl.Int64})
    return columns.with_columns(
        pl.lit(None, kind).alias(name)
        if values.count(None) == len(values)
        else pl.Series(name, values, dtype=kind)
        for (name, kind), values in zip(_COLUMNS.items(), rows, strict=True)
    )


def _row(line: bytes, timezone: tzinfo) -> tuple[object, ...]:
    end = len(line) - line.endswith(b"\r")
    secrets = len(DISGUISED.findall(line))
    header = HEADER.match(line)
    if header is None:
        return None, NO_HEADER, None, None, None, None, secrets, _shown(line[:end]), None, None
    time = _time(header["time"], timezone)
    if time and header["fraction"]:
        time = time.replace(microsecond=int(header["fraction"][:6]))
    event, found = find(line, header, end)
    named = found.groupdict() if found else {}
    user, client, url = (_shown(named.get(name)) for name in ("user", "client", "url"))
    status = int(named["status"]) if named.get("status") else None
    message, file = _shown(line[header.end() : end]), header["file"].decode()
    return time, event, user, client, url, status, secrets, message, file, int(header["line"])


def _shown(text: bytes | None) -> str | None:
    if text is None:
        return None
    shown = text[: 4 * _TEXT]  # a character has at most four bytes
    shown = shown.replace(MASK, b"*").replace(VEIL, b"~").replace(b"\0", rb"\x00")
    return shown.decode("utf-8", "backslashreplace")[:_TEXT]


@lru_cache(maxsize=1024)
def _time(text: bytes, timezone: tzinfo) -> datetime | None:
    """Return a local time in UTC; None if there is no such time, or was none in that zone.

    An hour that a daylight-saving change repeats is read as its first occurrence.
    """
    try:
        local = datetime.fromisoformat(text.decode()).replace(tzinfo=timezone)
        instant = local.astimezone(UTC)
        there = instant.astimezone(timezone)
    except (ValueError, OverflowError):
        return None
    return instant if there.replace(tzinfo=None) == local.replace(tzinfo=None) else None
