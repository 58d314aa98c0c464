"""Blocks of settings → access logs, and which of them a file is."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lpaudit.errors import ConfigError, NotConfigured
from lpaudit.lighttpd.reader import Block, Source, Unknown, Value
from lpaudit.model import Escaping

DEFAULT_FORMAT = '%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
"""What lighttpd writes where accesslog.format is not set (mod_accesslog.c, mod_accesslog_set_defaults)."""

_KEYS = ("accesslog.filename", "accesslog.format", "accesslog.escaping", "accesslog.use-syslog")
# logrotate's and people's suffixes, one at a time: .gz .1 .old -20261123 .2026-11-23_04
_SUFFIX = re.compile(
    r"\.(?:gz|zst|zstd|xz|bz2|\d{1,3}|old|bak|save)$|[-._]\d{4}-?\d\d-?\d\d(?:[-_T.]?\d\d){0,3}(?:-\d{10})?$|-\d{10}$"
)
# logrotate's `extension`: access-20261123.log, access.1.log
_INFIX = re.compile(r"(?:[-._]\d{4}-?\d\d-?\d\d(?:[-_T.]?\d\d){0,3}|\.\d{1,3})(?=\.[A-Za-z]+$)")


@dataclass(frozen=True, slots=True, order=True)
class AccessLog:
    """An access log that lighttpd writes.

    ``filename`` is empty where it is not a file (syslog), or not known; ``|program`` is a pipe.
    ``condition`` says when lighttpd writes it so. ``unknown`` says why the format is not known.
    """

    filename: str
    format_string: str
    escaping: Escaping
    condition: str = ""
    unknown: str = ""

    @property
    def format(self) -> tuple[str, Escaping, str]:
        """What decides how a line is read."""
        return self.format_string, self.escaping, self.unknown


def access_logs(source: Source) -> tuple[AccessLog, ...]:
    """Return every access log with every format that it may be written in.

    Conditions that may hold at once are combined in pairs: a host's format in a port's file.
    """
    blocks = [b for b in source.blocks if any(key in b.settings for key in _KEYS)]
    if not blocks:
        return ()
    found: dict[tuple[str, tuple[str, Escaping, str]], AccessLog] = {}
    for applied in _together(blocks):
        log = _effective(applied)
        key = (log.filename, log.format)
        if key not in found or len(log.condition) < len(found[key].condition):
            found[key] = log
    named = [log for log in found.values() if log.filename]
    return tuple(sorted(named or found.values()))


def unresolved(source: Source) -> list[str]:
    """Say which settings of access logs are not known."""
    return [
        f"{key} is not known{f' where {block.condition}' if block.condition else ''}: {value.why}"
        for block in source.blocks
        for key, value in block.settings.items()
        if key in _KEYS and isinstance(value, Unknown)
    ]


def _together(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield sets of blocks that may hold at once, each in the order in which lighttpd applies them."""
    for first in blocks:
        yield list(first.path)
        for second in blocks:
            if second.index > first.index and second not in first.path and not _exclusive(first, second):
                paths = {b.index: b for b in (*first.path, *second.path)}
                yield [paths[index] for index in sorted(paths)]


def _exclusive(left: Block, right: Block) -> bool:
    for a in left.path[1:]:
        for b in right.path[1:]:
            if a.index == b.index:
                continue
            if a.chain == b.chain:
                return True
            same = (a.subject, a.operator) == (b.subject, b.operator) and a.operator == "=="
            if same and a.operand != b.operand:
                return True
    return False


def _effective(blocks: Sequence[Block]) -> AccessLog:
    settings: dict[str, Value] = {}
    for block in blocks:
        settings |= {key: block.settings[key] for key in _KEYS if key in block.settings}
    filename = settings.get("accesslog.filename", "")
    if settings.get("accesslog.use-syslog") == "enable" or not isinstance(filename, str):
        filename = ""
    written = settings.get("accesslog.format", DEFAULT_FORMAT)
    escaping = settings.get("accesslog.escaping", "default")
    unknown = next((v.why for v in (written, escaping) if isinstance(v, Unknown)), "")
    conditions = [b.condition for b in blocks if any(key in b.settings for key in _KEYS) and b.condition]
    inner = [c for c in conditions if not any(o != c and o.startswith(c + " and ") for o in conditions)]
    return AccessLog(
        filename,
        written if isinstance(written, str) else DEFAULT_FORMAT,
        Escaping.JSON if escaping == "json" else Escaping.DEFAULT,
        " and ".join(dict.fromkeys(inner)),
        unknown,
    )


def choose(
    logs: Sequence[AccessLog], label: str, *, resolve: Callable[[str], str] = os.path.realpath
) -> AccessLog:
    """Return the access log that a file is, by its name. Raises ConfigError if that is not certain.

    Where every log is written in the same format, the name does not matter. Otherwise the
    path decides, then the file's name alone (logs are copied), each without the suffixes
    that rotation adds, the longest name first.
    """
    candidates = list(logs)
    if len({log.format for log in logs}) > 1:
        candidates = _matching(logs, label, resolve)
    if not candidates:
        listed = f"{label} is none of the access logs that are configured:{_listed(logs)}"
        raise NotConfigured(listed, hint="give the right one: --log-format FORMAT")
    if len({log.format for log in candidates}) > 1:
        raise ConfigError(
            f"{label} may be in several formats:{_listed(candidates)}",
            hint="give one with --log-format, and to ingest each of the others with --former-format",
        )
    chosen = candidates[0]
    if chosen.unknown:
        raise ConfigError(
            f"the format of {label} is not known: {chosen.unknown}",
            hint="give its accesslog.format itself, with --log-format",
        )
    return chosen


def _matching(logs: Sequence[AccessLog], label: str, resolve: Callable[[str], str]) -> list[AccessLog]:
    files = [log for log in logs if log.filename and not log.filename.startswith("|")]
    if not label.startswith("/"):
        return []  # standard input has no name
    stems = [*_stems(label), *_stems(resolve(label))]
    for stem in stems:
        found = [log for log in files if stem in (log.filename, resolve(log.filename))]
        if found:
            return found
    for stem in stems:
        name = PurePosixPath(stem).name
        found = [log for log in files if PurePosixPath(log.filename).name == name]
        if found:
            return found
    return []


def _stems(path: str) -> Iterator[str]:
    """Yield the path, then the path without one suffix of rotation after another."""
    folder, _, name = path.rpartition("/")
    while True:
        yield f"{folder}/{name}"
        shorter = _SUFFIX.sub("", name, count=1)
        if shorter in ("", name):
            break
        name = shorter
    whole = _INFIX.sub("", name)
    if whole != name:
        yield f"{folder}/{whole}"


def _listed(logs: Sequence[AccessLog]) -> str:
    lines = []
    for log in logs:
        name = log.filename or "(no file)"
        when = f" where {log.condition}" if log.condition else ""
        how = f"not known: {log.unknown}" if log.unknown else log.format_string
        lines.append(f"\n  {name}{when}:\n    {how}")
    return "".join(lines)
