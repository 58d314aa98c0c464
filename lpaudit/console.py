r"""Talking to people and pipes: rows to stdout, everything else to stderr.

Text that comes from a log may hold terminal escapes. What goes to a person's eyes is made
visible first (``\x1b``); JSON escapes it, so it is safe and exact at once; CSV to a file
or pipe is exact, as a program reads it.
"""

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO

import pyarrow as pa

# Controls (C0, C1, DEL), invisibles, bidirectional overrides, line separators, surrogates, tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


_WIDEST_CELL = 100  # characters, in a table on a terminal


def visible(text: str) -> str:
    """Return ``text`` with everything that could act on a terminal written out as an escape."""
    return _UNSAFE.sub(lambda match: _escape(match.group()), text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def instant(value: datetime) -> str:
    """Write a time: UTC, with a fraction only if there is one."""
    utc = value.astimezone(UTC) if value.tzinfo else value
    text = utc.strftime("%Y-%m-%d %H:%M:%S")
    if utc.microsecond:
        text += f".{utc.microsecond:06d}"
    return text + ("Z" if value.tzinfo else "")


def text_of(value: object) -> str:
    """Write a cell as text; null is the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, list | dict):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(v, tuple) and len(v) == 2 for v in value):
            return {str(k): _plain(v) for k, v in value}
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, date):
        return value.isoformat()
    return text_of(value)


def to_json(value: object, *, indent: int | None = None) -> str:
    """Write JSON that no terminal acts on: what is unsafe is escaped as JSON escapes."""
    text = json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False, default=str)
    return _UNSAFE.sub(lambda m: m.group() if m.group() == "\n" else _json_escape(m.group()), text)


Rows = Iterator[dict[str, Any]]


def rows_of(batches: Iterable[pa.RecordBatch]) -> Rows:
    """Yield the rows of record batches."""
    for batch in batches:
        yield from batch.to_pylist()


def write_table(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write an aligned table; numbers to the right. Returns the number of rows."""
    cells, numeric = [], dict.fromkeys(names, True)
    # One endless path must not push every other row off a person's screen; a pipe gets it whole.
    widest = _WIDEST_CELL if out.isatty() else sys.maxsize
    for row in rows:
        for name in names:
            value = row[name]
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float | Decimal)
            ):
                numeric[name] = False
        cells.append([_cell(row[name], widest) for name in names])
    heads = [visible(name) for name in names]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]

    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if numeric[name] else value.ljust(width)
            for value, width, name in zip(values, widths, names, strict=True)
        )
        return "  ".join(padded).rstrip() + "\n"

    out.write(line(heads))
    out.write(line(["-" * width for width in widths]))
    out.writelines(line(row) for row in cells)
    return len(cells)


def _cell(value: object, widest: int) -> str:
    text = "NULL" if value is None else visible(text_of(value))
    return text if len(text) <= widest else text[: widest - 1] + "…"


def write_markdown(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write a Markdown table; a log's text stays text in it."""

    def line(values: Iterable[str]) -> str:
        return "| " + " | ".join(values) + " |\n"

    out.write(line(_markdown(name) for name in names))
    out.write(line("---" for _ in names))
    count = 0
    for row in rows:
        out.write(line(_markdown(text_of(row[name])) for name in names))
        count += 1
    return count


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", visible(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def write_json(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write one JSON array, an object a row."""
    del names
    count = 0
    for row in rows:
        out.write(("[\n" if count == 0 else ",\n") + to_json(row))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count


def write_jsonl(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write one JSON object a line."""
    del names
    count = 0
    for row in rows:
        out.write(to_json(row) + "\n")
        count += 1
    return count


def write_csv(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write RFC 4180 CSV: exact, unless a terminal is looking."""
    show: Callable[[str], str] = visible if out.isatty() else str
    writer = csv.writer(out, lineterminator="\n" if out.isatty() else "\r\n")
    writer.writerow([show(name) for name in names])
    count = 0
    for row in rows:
        writer.writerow([show(text_of(row[name])) for name in names])
        count += 1
    return count


Writer = Callable[[Sequence[str], Rows, TextIO], int]
"""Writes rows of named columns, and returns how many there were."""

WRITERS: Mapping[str, Writer] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "markdown": write_markdown,
}


def print_line(text: str) -> None:
    """Print a line to stdout, with what a log put into it made visible."""
    sys.stdout.write(visible(text) + "\n")


def say(text: str) -> None:
    """Tell a person something, on stderr."""
    sys.stderr.write("\n".join(visible(line) for line in text.split("\n")) + "\n")


def fail(message: str, hint: str | None) -> None:
    """Tell a person what went wrong, and what to do next."""
    say(f"lpaudit: {message}")
    if hint:
        say(f"\nhint: {hint}")


def counted(count: int, noun: str) -> str:
    """Write a number of things."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def size(count: float) -> str:
    """Write a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def close_stdout_quietly() -> None:
    """After the reader has gone (`| head`): keep the interpreter from failing at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def captured(write: Callable[[TextIO], object]) -> str:
    """Return what ``write`` writes."""
    out = io.StringIO()
    write(out)
    return out.getvalue()
