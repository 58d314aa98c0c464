"""Blocks of settings and a request → the settings that lighttpd applies to it, as far as the file can say."""

import re
import warnings
from collections.abc import Mapping

from lpaudit.lighttpd.reader import Block, Other, Source, Value

Settings = Mapping[str, Value]


def inherited(block: Block) -> Settings:
    """Return a block's settings with those of the blocks around it."""
    settings: dict[str, Value] = {}
    for one in block.path:
        settings |= one.settings
    return settings


def effective(source: Source, method: str, path: str) -> Settings:
    """Return the settings for a request with a path that is normalised and rewritten already.

    Conditions on anything but method and path are taken for not holding. lighttpd applies
    conditions in the order in which each was first written; `lighttpd -p` prints them in
    another one, below the first condition that reads the same.
    """
    settings: dict[str, Value] = {}
    taken: set[tuple[int, int]] = set()  # chains of if and else of which one block holds
    held: set[int] = set()
    first: dict[tuple[tuple[str, str, str], ...], int] = {}
    for block in source.blocks:
        if all(one.subject for one in block.path[1:]):
            first.setdefault(block.written, block.index)
    for block in sorted(source.blocks, key=lambda b: first.get(b.written, b.index)):
        chain = (block.parent.index if block.parent else -1, block.chain)
        inside = block.parent is None or block.parent.index in held
        if inside and (block.parent is None or chain not in taken) and _holds(block, method, path):
            held.add(block.index)
            if block.parent is not None:
                taken.add(chain)
            settings |= block.settings
    return settings


def rewritten(settings: Settings, path: str) -> str:
    """Return a path as url.rewrite leaves it."""
    for key in ("url.rewrite-once", "url.rewrite", "url.rewrite-repeat"):
        rules = settings.get(key)
        for pattern, target in rules.items if isinstance(rules, Other) else ():
            match = _search(pattern or "", path)
            if match and isinstance(target, str):
                return re.sub(r"\$(\d)", lambda m, found=match: _group(found, int(m[1])), target)  # type: ignore[misc]
    return path


def _group(match: re.Match[str], number: int) -> str:
    return (match[number] or "") if number <= (match.re.groups or 0) else ""


def _holds(block: Block, method: str, path: str) -> bool:
    if block.parent is None or not block.subject:
        return True
    values = {'$HTTP["request-method"]': method, '$HTTP["url"]': path}
    value = values.get(block.subject)
    if value is None:
        return False
    match block.operator:
        case "==":
            return value == block.operand
        case "!=":
            return value != block.operand
        case "=^":
            return value.startswith(block.operand)
        case "=$":
            return value.endswith(block.operand)
        case "=~":
            return _search(block.operand, value) is not None
        case _:
            return _search(block.operand, value) is None


def _search(pattern: str, text: str) -> re.Match[str] | None:
    """Search as PCRE does; a pattern that Python cannot read matches nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python may read otherwise one day, it reads as PCRE today
            return re.search(pattern, text)
    except (re.error, RecursionError, OverflowError):
        return None
