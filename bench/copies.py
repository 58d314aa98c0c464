"""The sample recording laid end to end: each copy is later than the one before, with runs of its own.

The same deployments, flows, work pools, people and addresses throughout; every run, task run and event
is another. Bytes and texts are those of `sample_logs/` but for their times and ids.
"""

import gzip
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

_SAMPLES = Path(__file__).parent.parent / "sample_logs"
_SAME = ("deployments", "flows", "work_pools")
_DUMP = ("flow_runs", "task_runs", "events", "deployments", "flows")
_TIMES = re.compile(rb"ts=(\d{10})\.\d{6} end=(\d{10})\d{6} ")
_INSTANT = re.compile(r'"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)([\d.]*Z)"')
_ID = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ID_IN_LOG = re.compile(_ID.pattern.encode())

BEGIN = datetime(2026, 11, 23, 10, 13, tzinfo=UTC)
"""The recording is of the 13 minutes from here on."""


_ASKS = re.compile(
    rb' m=(?:GET url="(?!/api/flow_runs/)|'
    rb'POST url="[^"]*/(?:filter|count|get_scheduled_flow_runs|heartbeat|logs/|renew|(?:in|de)crement-with-lease)")'
)
_NAMES_RUN = re.compile(rb' frid="[^-]')
_BEGIN = re.compile(rb"v=1 ts=\S+ end=\S+ ")


@dataclass(frozen=True, slots=True)
class _Template:
    """A log, and where in it the times and ids stand that are others in each copy: they are as long in every one."""

    log: bytes
    times: tuple[tuple[int, int], ...]
    ids: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, log: bytes, same: set[str]) -> "_Template":
        """Look for them, once. ``same`` are ids that all copies have."""
        times = tuple((m.start(n), int(m[n])) for m in _TIMES.finditer(log) for n in (1, 2))
        ids = ((m.start(), int(m[1], 16)) for m in _ID_IN_LOG.finditer(log) if m[0].decode() not in same)
        return cls(log, times, tuple(ids))

    def copy(self, later: int, number: int) -> bytes:
        """Return the log, so many seconds later, with ids of its own."""
        made = bytearray(self.log)
        for at, second in self.times:
            made[at : at + 10] = b"%d" % (second + later)
        for at, first in self.ids:
            made[at : at + 8] = b"%08x" % _another(first, number)
        return bytes(made)


class Copies:
    """The log and the records of each copy, by its number from 0.

    The first begins at ``begin``, and each of the others ``spacing`` after the one before.
    """

    def __init__(self, spacing: timedelta, begin: datetime = BEGIN) -> None:
        self._spacing = spacing
        self._later = begin - BEGIN
        log = gzip.decompress((_SAMPLES / "audit.log.gz").read_bytes())
        self._same = {one["id"] for name in _SAME for one in json.loads(records(name))}
        self._whole = _Template.of(log, self._same)
        self._quiet = _Template.of(_quiet(log), self._same)

    @property
    def lines(self) -> int:
        """Lines of the log of a copy."""
        return self._whole.log.count(b"\n")

    def log(self, number: int, *, quiet: bool = False) -> bytes:
        """Return the log of a copy; a ``quiet`` one is of a time in which nobody changed or ran anything."""
        template = self._quiet if quiet else self._whole
        return template.copy(int(self._shift(number).total_seconds()), number)

    def dump(self, folder: Path, number: int) -> Path:
        """Write Prefect's records of a copy, as `lpaudit sync --from-dump` reads them; return their directory."""
        dump = folder / "dump"
        dump.mkdir(exist_ok=True)
        for name in _DUMP:
            text = records(name)
            if name not in _SAME:
                text = _ID.sub(lambda m: self._renamed(m, number), text)
                text = _INSTANT.sub(lambda m: self._moved(m, number), text)
            (dump / f"{name}.json").write_text(text, "utf-8")
        return dump

    def _shift(self, number: int) -> timedelta:
        return self._later + number * self._spacing

    def _renamed(self, match: re.Match[str], number: int) -> str:
        """Give what is not the same in all copies an id of its own."""
        if match[0] in self._same:
            return match[0]
        return f"{_another(int(match[1], 16), number):08x}{match[0][8:]}"

    def _moved(self, match: re.Match[str], number: int) -> str:
        at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC) + self._shift(number)
        return f'"{at:%Y-%m-%dT%H:%M:%S}{match[2]}"'


def _quiet(log: bytes) -> bytes:
    """Return as many lines as the log has, at the same times, of which each only asks or reports.

    In the place of each that does not, or names a run, is the one before it that does.
    """
    made, asks = [], b""
    for line in log.splitlines(keepends=True):
        begin = _BEGIN.match(line)
        assert begin, line
        if not asks or (_ASKS.search(line) and not _NAMES_RUN.search(line)):
            asks = line[begin.end() :]
        made.append(begin[0] + asks)
    return b"".join(made)


def _another(first: int, number: int) -> int:
    """Return other first eight hex digits of an id."""
    return first ^ number << 8


@cache
def records(name: str) -> str:
    """Return the recording's records of a kind, as JSON."""
    return gzip.decompress((_SAMPLES / "prefect" / f"{name}.json.gz").read_bytes()).decode()
