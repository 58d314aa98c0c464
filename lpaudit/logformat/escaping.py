r"""accesslog.escaping, undone a column at a time.

``default`` (src/buffer.c, buffer_append_bs_escaped): bytes outside printable ASCII become
``\xHH`` or one of ``\a \b \t \n \v \f \r``, ``"`` becomes ``\"``, ``\`` becomes ``\\``.
``json`` (buffer_append_bs_escaped_json): as JSON wants, but with ``\a`` and ``\v`` too, and
control characters as ``\u00HH``. Other bytes from 0x80 on are passed through raw; since
1.4.77 those from 0x80 to 0x9F are not, also inside of a UTF-8 character. So ``\u00HH``
stands for a byte there, not for a code point.

Both read like Python's own escapes, so Python's decoder undoes them, a whole column in one go
(leftmost first, so that ``\\x41`` stays ``\x41``). Bytes that are not UTF-8 come out as the
text ``\xhh`` in lower case; the exact bytes are in the raw segment.
"""

import re

import polars as pl

from lpaudit.core import texts
from lpaudit.model import Escaping

_VIEWS = pl.CompatLevel.newest()

_SHORT = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92, "/": 47}
_ANY = {
    Escaping.DEFAULT: re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|([abtnvfr"\\]))'),
    Escaping.JSON: re.compile(rb'\\(?:u00([0-9A-Fa-f]{2})|([abtnvfr"\\/]))'),
}
# A text all of whose escapes are lighttpd's, and mean the same to Python.
_USUAL = {
    Escaping.DEFAULT: r'^(?:[^\\]|\\(?:x[0-9A-Fa-f]{2}|[abtnvfr"\\]))*$',
    Escaping.JSON: r'^(?:[^\\]|\\(?:u00[0-9A-Fa-f]{2}|[abtnvfr"\\]))*$',
}
# What stands between values while they are decoded together: the first character that no byte
# becomes, and then one that no text has; if one has it after all, values are decoded one by one.
_BETWEEN, _BETWEEN_ESCAPED = "\u0100", r"\u0100"
_RARE = "\U0010ffff"


def unescape(column: pl.Series, escaping: Escaping) -> pl.Series:
    """Return ``column`` (String, nulls kept) with its escapes undone."""
    plain = texts.unescaped(column.to_arrow(compat_level=_VIEWS), json=escaping is Escaping.JSON)
    return _by_python(column, escaping) if plain is None else pl.Series(column.name, plain)


def _by_python(column: pl.Series, escaping: Escaping) -> pl.Series:
    where = pl.arg_where(column.str.contains("\\", literal=True), eager=True)
    if not len(where):
        return column
    values = column.gather(where)
    unusual = pl.arg_where(~values.str.contains(_USUAL[escaping]), eager=True)
    plain = _bytes(values.clone().scatter(unusual, ""))
    beyond_ascii = pl.arg_where(plain.str.len_bytes() != plain.str.len_chars(), eager=True)
    if len(beyond_ascii):
        plain = plain.scatter(beyond_ascii, _utf8(plain.gather(beyond_ascii)))
    if len(unusual):
        plain = plain.scatter(unusual, [_exactly(text, escaping) for text in values.gather(unusual)])
    return column.clone().scatter(where, plain)


def _bytes(values: pl.Series) -> pl.Series:
    """Undo the escapes of texts that have no unusual ones; each byte becomes the character of its number."""
    joined = values.str.join(_BETWEEN_ESCAPED).item().encode().decode("unicode_escape")
    return pl.Series([joined]).str.split(_BETWEEN).explode()


def _utf8(values: pl.Series) -> pl.Series:
    """Read values that have a character a byte as UTF-8."""
    rare = _RARE.encode().decode("latin-1")
    joined = values.str.join(rare).item()
    if joined.count(rare) == len(values) - 1:
        text = joined.encode("latin-1").decode("utf-8", "backslashreplace")
        return pl.Series([text]).str.split(_RARE).explode()
    return pl.Series([value.encode("latin-1").decode("utf-8", "backslashreplace") for value in values])


def _exactly(text: str, escaping: Escaping) -> str:
    """Undo the escapes of one value; what only looks like one stays."""

    def byte(match: re.Match[bytes]) -> bytes:
        return bytes([int(match[1], 16) if match[1] else _SHORT[match[2].decode()]])

    return _ANY[escaping].sub(byte, text.encode()).decode("utf-8", "backslashreplace")
