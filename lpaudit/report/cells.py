"""Values → text that is safe to show.

Log text is written by whoever sends requests: it may hold markup, terminal escapes, text
that runs backwards or that a spreadsheet would calculate. Nothing is dropped; what is not
plainly visible is spelled out, so that different values look different up to where they are cut.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime

from lpaudit.visible import instant, spelled, unseen

LONGEST = 200
"""Characters of a text that are shown: URLs of 7,000 characters exist, and say little more."""

NULL = "–"
EMPTY = "(empty)"

_FORMULA = re.compile(r"[=+\-@'\uff1d\uff0b\uff0d\uff20]")  # the guard itself too: it must not look like one
_PLAIN = re.compile(r"(?![=+\-@'])[!-\[\]-~]+")
"""ASCII without blanks or backslashes: shown as it is, and nearly every text of millions."""

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
        case date():
            return Cell("time", value.isoformat())
        case "":
            return Cell("empty", EMPTY)
        case _:
            return Cell("text", shown(str(value)))


def shown(text: str) -> str:
    """Return a text as it is shown: visible, harmless to a spreadsheet, cut where it is too long."""
    cut = guarded(text[:LONGEST])
    rest = len(text) - LONGEST
    return cut + (f"… ({rest:,} more characters)" if rest > 0 else "")


def guarded(text: str) -> str:
    """Return a text as ``shown``, and all of it."""
    if _PLAIN.fullmatch(text):
        return text
    return ("'" if _FORMULA.match(text) else "") + visible(text)


def visible(text: str) -> str:
    r"""Spell out what cannot be seen: ``\x1b``, ``\u202e``, outer and double spaces; ``\`` is ``\\``."""
    seen = "".join(r"\\" if char == "\\" else spelled(char) if unseen(char) else char for char in text)
    return _OUTER_SPACE.sub(lambda found: r"\x20" * len(found[0]), seen)
