"""Values → text that is safe to show.

Log text is written by whoever sends requests: it may hold markup, terminal escapes, text
that runs backwards or that a spreadsheet would calculate. Nothing is dropped; what is not
plainly visible is spelled out, so that different values look different up to where they are cut.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST = 200
"""Characters of a text that are shown: URLs of 7,000 characters exist, and say little more."""

NULL = "–"
EMPTY = "(empty)"

# Blank or invisible, though Unicode calls them letters, marks or spaces.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(c) for c in range(0xFE00, 0xFE10)
}
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
_FORMULA = re.compile(r"[=+\-@']")  # the guard itself too: it must not look like one
_OUTER_SPACE = re.compile(r"^ +| +$| {2,}")
_MARKDOWN = str.maketrans({c: f"\\x{ord(c):02x}" for c in "`|<>"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is shown. ``kind`` is ``null``, ``empty``, ``number``, ``time``, ``word`` or ``text``.

    Only ``text`` may come from a log.
    """

    kind: str
    text: str

    @property
    def markdown(self) -> str:
        """The cell in a Markdown table.

        Text stands in a code span, in which nothing is markup but the backtick; that, the
        table's own bar and angle brackets are spelled out like the invisible characters.
        """
        return f"`{self.text.translate(_MARKDOWN)}`" if self.kind == "text" else self.text


def cell(value: object) -> Cell:
    """Return a value as it is shown."""
    match value:
        case None:
            return Cell("null", NULL)
        case bool():
            return Cell("word", "yes" if value else "no")
        case int():
            return Cell("number", f"{value:,}")
        case float():
            return Cell("number", f"{value:,.2f}")
        case datetime():
            return Cell("time", instant(value))
        case "":
            return Cell("empty", EMPTY)
        case _:
            return Cell("text", shown(str(value)))


def instant(value: datetime) -> str:
    """Return a time in UTC, with a fraction only if it has one."""
    utc = value.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}" if utc.microsecond else ""
    return f"{utc:%Y-%m-%d %H:%M:%S}{fraction}Z"


def shown(text: str) -> str:
    """Return a text as it is shown: visible, harmless to a spreadsheet, cut where it is too long."""
    cut = visible(text[:LONGEST])
    rest = len(text) - LONGEST
    guard = "'" if _FORMULA.match(text) else ""
    return guard + cut + (f"… ({rest:,} more characters)" if rest > 0 else "")


def visible(text: str) -> str:
    r"""Spell out what cannot be seen: ``\x1b``, ``\u202e``, outer and double spaces; ``\`` is ``\\``."""
    spelled = "".join(map(_visible, text))
    return _OUTER_SPACE.sub(lambda found: r"\x20" * len(found[0]), spelled)


def _visible(character: str) -> str:
    if character == "\\":
        return r"\\"
    if character == " " or (unicodedata.category(character) not in _INVISIBLE and character not in _BLANK):
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
