"""A block of bytes → its lines: as text, and as lighttpd may have written it."""

import codecs
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.model import Escaping

MAX_LINE = 1 << 20
"""Bytes of the longest line that is parsed; by default lighttpd takes 8 KiB of request headers."""

RAW_TEXT = 1 << 16
"""Characters of a rejected line that its row keeps; the segment keeps every byte."""

_FEW_LINES = 1024  # that are decoded together where some in a block are not UTF-8


@dataclass(frozen=True, slots=True)
class Lines:
    r"""A block's lines without their ends.

    ``texts``: bytes that are not UTF-8 as \xhh. ``readable``: what the expressions see;
    null where no line of lighttpd's can be. ``invalid``: which lines are not UTF-8; None if
    none is. ``lengths``: bytes with the line end.
    """

    texts: pl.Series
    readable: pl.Series
    invalid: pl.Series | None
    lengths: pl.Series


def split(block: bytes, escaping: Escaping) -> Lines:
    """Split a block of whole lines; only its last line may lack the line end."""
    ended = block.endswith(b"\n") or not block
    if _has_long_line(block):
        values, lengths = _shortened(block)
    else:
        whole = pa.array([0, len(block)], pa.int64()).buffers()[1]
        text = pa.Array.from_buffers(pa.large_binary(), 1, [None, whole, pa.py_buffer(block)])
        values = pc.split_pattern(text, b"\n").values
        lengths = pl.Series(pc.add(pc.binary_length(values), 1), dtype=pl.Int64)
    if ended:
        values, lengths = values[:-1], lengths[:-1]
    else:
        lengths[-1] = lengths[-1] - 1
    try:
        texts = pl.Series(values.cast(pa.large_string()), dtype=pl.String)
        readable, invalid = texts, None
    except pa.ArrowInvalid:
        texts, readable, invalid = _decode(values, escaping)
    too_long = lengths > MAX_LINE
    if too_long.any():
        readable = readable.set(too_long, None)
    return Lines(texts, readable, invalid, lengths)


def _has_long_line(block: bytes) -> bool:
    start = 0
    while len(block) - start > MAX_LINE:
        end = block.rfind(b"\n", start, start + MAX_LINE + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _shortened(block: bytes) -> tuple[pa.LargeBinaryArray, pl.Series]:
    """Split a block with lines that are too long: of those, what their rows keep is enough."""
    lines = block.split(b"\n")
    lengths = pl.Series([len(line) + 1 for line in lines], dtype=pl.Int64)
    kept = [line if len(line) <= MAX_LINE else line[: 4 * RAW_TEXT] for line in lines]
    return pa.array(kept, pa.large_binary()), lengths


def _decode(values: pa.LargeBinaryArray, escaping: Escaping) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Decode lines some of which are not UTF-8; those are looked for a few lines at a time."""
    texts, readable, invalid = [], [], []
    for start in range(0, len(values), _FEW_LINES):
        few = values[start : start + _FEW_LINES]
        try:
            decoded = pl.Series(few.cast(pa.large_string()), dtype=pl.String)
            texts.append(decoded)
            readable.append(decoded)
            invalid.append(pl.repeat(False, len(few), eager=True))  # noqa: FBT003
        except pa.ArrowInvalid:
            for found, more in zip((texts, readable, invalid), _decode_each(few, escaping), strict=True):
                found.append(more)
    return pl.concat(texts), pl.concat(readable), pl.concat(invalid)


def _decode_each(values: pa.LargeBinaryArray, escaping: Escaping) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Decode lines one by one.

    Default escaping leaves no such byte, so the line is not lighttpd's. JSON escaping passes
    them through: they are read as if they had been escaped.
    """
    texts, readable, invalid = [], [], []
    for line in values.to_pylist():
        try:
            text: str | None = line.decode()
            readable.append(text)
            invalid.append(False)
        except UnicodeDecodeError:
            text = line.decode("utf-8", "backslashreplace")
            readable.append(line.decode("utf-8", "lpaudit.json") if escaping is Escaping.JSON else None)
            invalid.append(True)
        texts.append(text)
    return pl.Series(texts, dtype=pl.String), pl.Series(readable, dtype=pl.String), pl.Series(invalid)


_BACKSLASH = ord("\\")


def _as_json_escape(error: UnicodeError) -> tuple[str, int]:
    r"""Decode a byte that is not UTF-8 as \u00hh; behind a lone backslash it makes the line unreadable."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 -- for the type checker: it is used in decoding alone
    start = error.start
    while start and error.object[start - 1] == _BACKSLASH:
        start -= 1
    if (error.start - start) % 2:
        return "\0", error.end
    return "".join(f"\\u{byte:04x}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("lpaudit.json", _as_json_escape)
