r"""Talking to people and pipes: rows to stdout, everything else to stderr.

Text that comes from a log may hold terminal escapes. What goes to a person's eyes is made
visible first (``\x1b``); JSON escapes it, so it is safe and exact at once; CSV to a file
or pipe is exact, as a program reads it.
"""

import csv
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO, cast

import pyarrow as pa

from lpaudit import act
from lpaudit.visible import instant, span, unseen, visible

_WIDEST_CELL = 100  # characters, in a table on a terminal


def _json_escape(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def text_of(value: object) -> str:
    """Write a cell as text; null is the empty text."""
    if isinstance(value, str):
        return value
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
    if text.isprintable():
        return text
    # What is left unescaped by JSON's own rules, but not to be seen; line ends are the indentation's.
    return "".join(_json_escape(char) if unseen(char) and char != "\n" else char for char in text)


Rows = Iterator[Sequence[Any]]


def rows_of(batches: Iterable[pa.RecordBatch]) -> Rows:
    """Yield the rows of record batches. Columns may have the same name twice."""
    for batch in batches:
        yield from zip(*(_values(column) for column in batch.columns), strict=True)


def _values(column: pa.Array) -> list[Any]:
    """Return a column as Python values; as text where Python has no such value (a year 290000, infinity)."""
    if pa.types.is_interval(column.type):
        return [None if value is None else span(*value) for value in column.to_pylist()]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        try:
            values = column.cast(pa.string()).to_pylist()
        except (ValueError, OverflowError, pa.ArrowException):
            values = [_value(column.slice(number, 1)) for number in range(len(column))]
    return values


def _value(one: pa.Array) -> Any:
    """Return the value of an array of one, or what Arrow writes of it: a list of such dates, say."""
    try:
        return one.to_pylist()[0]
    except (ValueError, OverflowError, pa.ArrowException):
        try:
            return str(one.cast(pa.int64())[0])
        except pa.ArrowException:
            return one.to_string(skip_new_lines=True)[1:-1]


def of_dicts(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Yield rows that are mappings as the writers want them."""
    return (tuple(row[name] for name in names) for row in rows)


def _unique(names: Sequence[str]) -> list[str]:
    """Tell columns of the same name apart, as a, a_1 and so on."""
    found: list[str] = []
    for name in names:
        number, free = 0, name
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


def write_table(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write an aligned table; numbers to the right. Returns the number of rows."""
    cells, numeric = [], [True] * len(names)
    # One endless path must not push every other row off a person's screen; a pipe gets it whole.
    widest = _WIDEST_CELL if out.isatty() else sys.maxsize
    for row in rows:
        for index, value in enumerate(row):
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float | Decimal)
            ):
                numeric[index] = False
        cells.append([_cell(value, widest) for value in row])
    heads = [visible(name) for name in names]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]

    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if number else value.ljust(width)
            for value, width, number in zip(values, widths, numeric, strict=True)
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
        out.write(line(_markdown(text_of(value)) for value in row))
        count += 1
    return count


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", visible(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def write_json(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write one JSON array, an object a row."""
    keys = _unique(names)
    count = 0
    for row in rows:
        out.write(("[\n" if count == 0 else ",\n") + to_json(dict(zip(keys, row, strict=True))))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count


def write_jsonl(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write one JSON object a line."""
    keys = _unique(names)
    count = 0
    for row in rows:
        out.write(to_json(dict(zip(keys, row, strict=True))) + "\n")
        count += 1
    return count


def write_csv(names: Sequence[str], rows: Rows, out: TextIO) -> int:
    """Write RFC 4180 CSV: exact, unless a terminal is looking."""
    show: Callable[[str], str] = visible if out.isatty() else str
    writer = csv.writer(out, lineterminator="\n" if out.isatty() else "\r\n")
    writer.writerow([show(name) for name in names])
    count = 0
    for row in rows:
        writer.writerow([show(text_of(value)) for value in row])
        count += 1
    return count


Writer = Callable[[Sequence[str], Rows, TextIO], int]
"""Writes rows of named columns, and returns how many there were."""


def _noted(writer: Writer) -> Writer:
    """Return the writer, which tells the audit trail what it wrote, and how many rows."""

    def write(names: Sequence[str], rows: Rows, out: TextIO) -> int:
        heard = out if out is sys.stdout else cast("TextIO", act.Tee(out, act.current()))
        count = writer(names, rows, heard)
        act.wrote(count)
        return count

    return write


WRITERS: Mapping[str, Writer] = {
    "table": _noted(write_table),
    "json": _noted(write_json),
    "jsonl": _noted(write_jsonl),
    "csv": _noted(write_csv),
    "markdown": _noted(write_markdown),
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
