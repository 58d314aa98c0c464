"""Log text made harmless to eyes and terminals, and times as people read them.

Log text is written by whoever sends requests: it may hold terminal escapes, text that runs
backwards, or characters that nobody sees.
"""

from datetime import UTC, datetime

# Blank or invisible, though Unicode calls them letters, marks or symbols.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(c) for c in range(0xFE00, 0xFE10)
}


def unseen(char: str) -> bool:
    """Tell whether a character is a control, a format character, an unusual space, or nothing to see."""
    return not char.isprintable() or char in _BLANK


def spelled(char: str) -> str:
    r"""Spell a character out: ``\x1b``, ``\u202e``."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """Return ``text`` with everything that could act on a terminal, or hide, spelled out."""
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    return "".join(spelled(char) if unseen(char) else char for char in text)


def instant(value: datetime) -> str:
    """Write a time: in UTC, with a fraction only if there is one."""
    utc = value.astimezone(UTC) if value.tzinfo else value
    return utc.replace(tzinfo=None).isoformat(" ") + ("Z" if value.tzinfo else "")


def span(months: int, days: int, nanoseconds: int) -> str:
    """Write a difference of times as DuckDB does: `1 month 2 days 00:00:00.5`."""
    years = int(months / 12)
    units = ((years, "year"), (months - 12 * years, "month"), (days, "day"))
    parts = [f"{count} {unit}{'' if abs(count) == 1 else 's'}" for count, unit in units if count]
    if nanoseconds or not parts:
        seconds, rest = divmod(abs(nanoseconds) // 1000, 10**6)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        fraction = f".{rest:06}".rstrip("0") if rest else ""
        parts.append(f"{'-' if nanoseconds < 0 else ''}{clock}{fraction}")
    return " ".join(parts)
