"""JSON, with the line that each record of an array begins in: Python's own parser does not tell."""

import json
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"


def elements(text: str, key: str | None = None) -> Iterator[tuple[int, Any]]:
    """Yield (line, element) of the array that ``text`` is, or that its object has under ``key``.

    ``text`` is known to be such JSON.
    """
    ends = list(accumulate(len(line) + 1 for line in text.split("\n")))
    at = _skip(text, 0)
    if key is not None:
        at = _member(text, at, key)
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = _DECODER.raw_decode(text, at)
        yield bisect_right(ends, at) + 1, value
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _member(text: str, at: int, key: str) -> int:
    """Return where the value of an object's last member ``key`` begins: of two, the last one counts."""
    found = at
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if name == key:
            found = at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
    return found


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at
