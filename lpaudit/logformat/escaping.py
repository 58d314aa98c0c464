r"""accesslog.escaping, undone a column at a time.

``default`` (src/buffer.c, buffer_append_bs_escaped): bytes outside printable ASCII become
``\xHH`` or one of ``\a \b \t \n \v \f \r``, ``"`` becomes ``\"``, ``\`` becomes ``\\``.
``json`` (buffer_append_bs_escaped_json): as JSON wants, but with ``\a`` and ``\v`` too, and
control characters as ``\u00HH``. Other bytes from 0x80 on are passed through raw; since
1.4.77 those from 0x80 to 0x9F are not, also inside of a UTF-8 character. So ``\u00HH``
stands for a byte there, not for a code point.

Both are undone by one left-to-right replacement of the escapes (leftmost match first, so
that ``\\x41`` stays ``\x41``). Bytes that are not UTF-8 come out as the text ``\xhh`` in
lower case; the exact bytes are in the raw segment.
"""

import re
from functools import cache

import polars as pl

from lpaudit.model import Escaping

_SHORT = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_CODE = {Escaping.DEFAULT: "\\x", Escaping.JSON: "\\u00"}
_ANY = {
    Escaping.DEFAULT: re.compile(rb'\\(?:x[0-9A-Fa-f]{2}|[abtnvfr"\\])'),
    Escaping.JSON: re.compile(rb'\\(?:u00[0-9A-Fa-f]{2}|[abtnvfr"\\/])'),
}


@cache
def _bytes_of(escaping: Escaping) -> dict[str, int]:
    """Return every escape with the byte it stands for."""
    escapes = {"\\" + letter: byte for letter, byte in _SHORT.items()}
    if escaping is Escaping.JSON:
        escapes["\\/"] = 47
    return escapes | {f"{_CODE[escaping]}{byte:02{case}}": byte for byte in range(256) for case in "xX"}


@cache
def _raw_of(escaping: Escaping) -> dict[bytes, bytes]:
    """Return the same as bytes."""
    return {escape.encode(): bytes([byte]) for escape, byte in _bytes_of(escaping).items()}


def unescape(column: pl.Series, escaping: Escaping) -> pl.Series:
    """Return ``column`` (String, nulls kept) with its escapes undone."""
    escaped = column.str.contains("\\", literal=True).fill_null(value=False)
    if not escaped.any():
        return column
    # Few values repeat as often as user agents and headers do: undo each once.
    unique = column.filter(escaped).unique()
    escapes = _bytes_of(escaping)
    plain = unique.str.replace_many(list(escapes), [chr(byte) for byte in escapes.values()], leftmost=True)
    # Where an escape stands for a byte of a UTF-8 character, characters are not enough.
    odd = plain.str.len_bytes() != plain.str.len_chars()
    if escaping is Escaping.JSON:
        odd &= unique.str.contains(r"\\u00[89A-Fa-f]")
    if odd.any():
        exact = pl.Series([_exactly(text, escaping) for text in unique.filter(odd)], dtype=pl.String)
        plain = plain.scatter(pl.arg_where(odd, eager=True), exact)
    return column.scatter(pl.arg_where(escaped, eager=True), column.filter(escaped).replace(unique, plain))


def _exactly(text: str, escaping: Escaping) -> str:
    """Undo the escapes of one value byte by byte."""
    escapes = _raw_of(escaping)
    data = _ANY[escaping].sub(lambda match: escapes[match[0]], text.encode())
    return data.decode("utf-8", "backslashreplace")
