"""The recording, and shorter ones made of it: stretched over several hours, cut into pieces, taken in bit by bit."""

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from lpaudit import ingest, pipeline, sync
from lpaudit.correlate import CorrelateResult, correlate
from lpaudit.model import Observer

SAMPLES = Path(__file__).resolve().parent.parent.parent / "sample_logs"
PIECE, GAP = 9, 25 * 60  # seconds: each piece of the recording is so long, and so much later than before

unique = map("{:032x}".format, count(1))
_ZERO = datetime(2026, 11, 23, 10, 13, 43, tzinfo=UTC)
_LINE = re.compile(rb"ts=(\d+)\.(\d{6}) end=(\d+) ")
_INSTANT = re.compile(r'"(20\d\d-\d\d-\d\dT[\d:.]+)Z"')


@cache
def lines(seconds: int = 10**6, *, stretched: bool = False) -> tuple[bytes, ...]:
    """The log of the first seconds, in which every ``PIECE`` of it comes ``GAP`` later if it is stretched."""
    with gzip.open(SAMPLES / "audit.log.gz") as file:
        found = []
        for line in file:
            match = _LINE.search(line)
            if match is None:
                continue
            begin, end = int(match[1] + match[2]), int(match[3])
            if begin >= _microseconds(_ZERO) + seconds * 1_000_000:
                continue
            if stretched:
                begin, end = _later(begin), _later(end)
                times = b"ts=%d.%06d end=%d " % (begin // 1_000_000, begin % 1_000_000, end)
                line = line[: match.start()] + times + line[match.end() :]  # noqa: PLW2901 -- the same line
            found.append(line)
    return tuple(found)


@cache
def records(name: str, *, stretched: bool = False) -> tuple[dict, ...]:
    """Prefect's records, at the times of the log."""
    text = gzip.decompress((SAMPLES / "prefect" / f"{name}.json.gz").read_bytes()).decode()
    if stretched:
        text = _INSTANT.sub(_moved, text)
    return tuple(json.loads(text))


def _moved(match: re.Match[str]) -> str:
    time = _later(_microseconds(datetime.fromisoformat(match[1]).replace(tzinfo=UTC)))
    return f'"{datetime.fromtimestamp(time / 1_000_000, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"'


def _later(microseconds: int) -> int:
    pieces = max(0, microseconds - _microseconds(_ZERO)) // (PIECE * 1_000_000)
    return microseconds + pieces * GAP * 1_000_000


def _microseconds(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class Taken:
    """A store that things are taken into one after the other, each a minute of its own clock later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = str(folder / "store")
        self.time = datetime(2026, 11, 24, tzinfo=UTC)
        self.steps = count()

    def now(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time

    def log(self, data: bytes, host: str = "gw1", format_of=None) -> None:
        path = self.folder / f"{next(self.steps)}.log"
        path.write_bytes(data)
        options = ingest.IngestOptions(host, format_of, ZoneInfo("UTC"), 1 << 22)
        ran = ingest.ingest(
            self.root, [str(path)], options, Observer(), now=self.now, unique=lambda: next(unique)
        )
        assert not ran.errors

    def sync(self, **tables: list[dict]) -> None:
        folder = self.folder / f"{next(self.steps)}.dump"
        folder.mkdir()
        for name, rows in tables.items():
            (folder / f"{name}.json").write_text(json.dumps(list(rows)))
        sync.from_dump(self.root, folder, now=self.now, unique=lambda: next(unique))

    def correlate(self, *, everything: bool = False) -> CorrelateResult:
        return correlate(self.root, everything=everything, now=self.now, unique=lambda: next(unique))

    def select(self, sql: str) -> list[tuple]:
        with pipeline.opened(self.root) as (connection, _):
            return [tuple(row.values()) for row in connection.select(sql).to_pylist()]

    def links(self) -> set[tuple]:
        """What holds, by what a line says instead of by where it was taken in."""
        rows = self.select(
            "select link.time, line.client_port, line.path, link.host, relation, flow_run_id,"
            " root_flow_run_id, task_run_id, link.method, confidence, evidence"
            " from access_run as link join access as line using (line_id)"
        )
        assert len(set(rows)) == len(rows), "a link is there twice"
        return set(rows)
