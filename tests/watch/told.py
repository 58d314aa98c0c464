"""What a follower may tell, and a clock that is moved by hand."""

from datetime import UTC, datetime, timedelta

from lpaudit.errors import StoreError
from lpaudit.model import Gap, GapCause, Lag, Segment, SourceChange, SourceEvent, SourceResult

START = datetime(2026, 11, 23, 10, 15, 45, 123456, tzinfo=UTC)
LOG = "/var/log/lighttpd/access.log"

SEGMENT = Segment("3f9a2c01b7d4e6f8", 100, 350, "00" * 32)
GAP = Gap(LOG, "3f9a2c01b7d4e6f8", "gw1", START, None, 45534, None, GapCause.TRUNCATED, 4779, START)
CUT = SourceEvent(START, LOG, "3f9a2c01b7d4e6f8", "gw1", SourceChange.TRUNCATED, 4779, "50313 bytes are gone")
DONE = SourceEvent(START, LOG, "3f9a2c01b7d4e6f8", "gw1", SourceChange.FINISHED, 4779)
FULL = StoreError("cannot write the store /srv/store: no space left on device", hint="nothing is lost")
OLDER = StoreError("the store is older than it was", hint="restore it")
READ = SourceResult(LOG, lines=5, rejected=1, note="empty")
BROKEN = SourceResult(LOG, error="cannot read it", hint="check it")

# Each thing that can be told, once: 3 + 2 lines, 1 + 1 rejects, 250 + 300 bytes.
EVERYTHING = (
    lambda o: o.source_opened(LOG, 350),
    lambda o: o.bytes_read(LOG, 350),
    lambda o: o.segment_committed(LOG, SEGMENT, 3, 1),
    lambda o: o.source_finished(READ),
    lambda o: o.source_finished(BROKEN),
    lambda o: o.following(2),
    lambda o: o.committed(2, 2, 1, 300, 0.03),
    lambda o: o.lagging(Lag(2, 77, 1.5)),
    lambda o: o.source_changed(CUT),
    lambda o: o.source_changed(DONE),
    lambda o: o.gap_found(GAP),
    lambda o: o.retrying(FULL, 2.0),
    lambda o: o.alarm(OLDER),
    lambda o: o.stopping(),
)


def tell_everything(observer):
    for tell in EVERYTHING:
        tell(observer)


class Clock:
    """Seconds, and the time, that go on only when they are told to."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def now(self):
        return START + timedelta(seconds=self.seconds - 1000)
