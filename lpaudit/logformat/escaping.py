r"""accesslog.escaping, undone a column at a time.

``default`` (src/buffer.c, buffer_append_bs_escaped): bytes outside printable ASCII become
``\xHH`` or one of ``\a \b \t \n \v \f \r``, ``"`` becomes ``\"``, ``\`` becomes ``\\``.
``json`` (buffer_append_bs_escaped_json): as JSON wants, but with ``\a`` and ``\v`` too,
control characters as ``\u00HH``, and bytes from 0x80 on passed through raw.

Both are undone by one left-to-right replacement of the escapes (leftmost match first, so
that ``\\x41`` stays ``\x41``). Bytes that are not UTF-8 come out as the text ``\xhh`` in
lower case; the exact bytes are in the raw segment.
"""

from functools import cache

import polars as pl

from lpaudit.model import Escaping

_SHORT = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


@cache
def _replacements(escaping: Escaping) -> tuple[list[str], list[str]]:
    pairs = {"\\" + letter: value for letter, value in _SHORT.items()}
    if escaping is Escaping.JSON:
        pairs["\\/"] = "/"
        code_points = {f"\\u00{byte:02{case}}": chr(byte) for byte in range(256) for case in "xX"}
    else:
        code_points = {f"\\x{byte:02{case}}": chr(byte) for byte in range(256) for case in "xX"}
    pairs |= code_points
    return list(pairs), list(pairs.values())


def unescape(column: pl.Series, escaping: Escaping) -> pl.Series:
    """Return ``column`` (String, nulls kept) with its escapes undone."""
    escaped = column.str.contains("\\", literal=True).fill_null(value=False)
    if not escaped.any():
        return column
    # Few values repeat as often as user agents and headers do: undo each once.
    unique = column.filter(escaped).unique()
    plain = unique.str.replace_many(*_replacements(escaping), leftmost=True)
    if escaping is Escaping.DEFAULT:
        plain = pl.Series(
            [_utf8(text, original) for text, original in zip(plain, unique, strict=True)], dtype=pl.String
        )
    return column.replace(unique, plain)


def _utf8(text: str, original: str) -> str:
    """Read code points below 256 as the bytes they stand for. ``text`` came from ``original``."""
    if text.isascii():
        return text
    if not original.isascii():
        # A writer that passes UTF-8 through raw mixes characters and escaped bytes.
        return _mixed(original)
    return text.encode("latin-1").decode("utf-8", "backslashreplace")


def _mixed(original: str) -> str:
    out = bytearray()
    position = 0
    while position < len(original):
        for width in (4, 2):
            value = _bytes_of().get(original[position : position + width])
            if value is not None:
                out += value
                position += width
                break
        else:
            out += original[position].encode("utf-8")
            position += 1
    return out.decode("utf-8", "backslashreplace")


@cache
def _bytes_of() -> dict[str, bytes]:
    return {k: v.encode("latin-1") for k, v in zip(*_replacements(Escaping.DEFAULT), strict=True)}
