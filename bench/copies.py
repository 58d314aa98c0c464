"""The sample recording laid end to end: each copy is later than the one before, with runs of its own.

The same deployments, flows, work pools, people and addresses throughout; every run, task run and event
is another. Bytes and texts are those of `sample_logs/` but for their times and ids.
"""

import gzip
import json
import re
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


class Copies:
    """The log and the records of each copy, by its number from 0.

    The first begins at ``begin``, and each of the others ``spacing`` after the one before.
    """

    def __init__(self, spacing: timedelta, begin: datetime = BEGIN) -> None:
        self._spacing = spacing
        self._later = begin - BEGIN
        self._log = gzip.decompress((_SAMPLES / "audit.log.gz").read_bytes())
        self._same = {one["id"] for name in _SAME for one in json.loads(records(name))}
        # Times and ids are as long in every copy: only where they stand is looked for, and once.
        self._times = [(m.start(n), int(m[n])) for m in _TIMES.finditer(self._log) for n in (1, 2)]
        self._ids = [
            (m.start(), int(m[1], 16))
            for m in _ID_IN_LOG.finditer(self._log)
            if m[0].decode() not in self._same
        ]

    @property
    def lines(self) -> int:
        """Lines of the log of a copy."""
        return self._log.count(b"\n")

    def log(self, number: int) -> bytes:
        """Return the log of a copy."""
        made, later = bytearray(self._log), int(self._shift(number).total_seconds())
        for at, second in self._times:
            made[at : at + 10] = b"%d" % (second + later)
        for at, first in self._ids:
            made[at : at + 8] = b"%08x" % _another(first, number)
        return bytes(made)

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


def _another(first: int, number: int) -> int:
    """Return other first eight hex digits of an id."""
    return first ^ number << 8


@cache
def records(name: str) -> str:
    """Return the recording's records of a kind, as JSON."""
    return gzip.decompress((_SAMPLES / "prefect" / f"{name}.json.gz").read_bytes()).decode()
