"""What a follower needs of the world, and one source that is followed: how it stands with the store."""

import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lpaudit.errors import SourceError
from lpaudit.fitting import Fitting
from lpaudit.model import LogKind
from lpaudit.reading import Reading
from lpaudit.source import Tail


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a follower needs of the world.

    ``now`` is the time that goes into the store, ``clock`` the monotonic one that waiting is
    measured with; ``sleep`` waits for some seconds, or until the follower is stopped;
    ``unique`` names files.
    """

    now: Callable[[], datetime]
    unique: Callable[[], str]
    sleep: Callable[[float], object]
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True, eq=False)
class Log:
    """A source that is followed. Times are monotonic seconds.

    ``source_id`` is None until it is recognised; until then ``kind`` means nothing. ``looked``
    is when it was looked at last, ``look_at`` when it is next; ``since`` is when the oldest
    line that is not stored may have come, ``grew`` when it last grew, ``opened`` when it was
    opened, ``left`` since when its name leads elsewhere.
    """

    tail: Tail
    host: str | None
    fitting: Fitting
    grew: float
    opened: float
    refused: SourceError | None = None
    """Why what was told says nothing of it: that matters if it is an access log."""
    kind: LogKind = LogKind.ACCESS
    source_id: str | None = None
    anew: str | None = None
    """Which source it was, while it has to be recognised anew."""
    line_number: int = 0
    formats: tuple[str, ...] = ()
    """What its lines are in, the newest first."""
    reading: Reading | None = None
    last_time: datetime | None = None
    since: float | None = None
    left: float | None = None
    looked: float = math.inf
    look_at: float = 0.0
    conflicts: int = 0
    rotated: bool = False
    """Its name says that it was rotated away."""
    begun: bool = False
    """Lines of the source are stored."""
    continued: bool = False
    """What comes next is the rest of a line whose start is stored."""
    cut: bool = False
    """What was read of it is no longer in the file: only its buffer counts."""
    final: bool = False
    """Its last line will not get an end any more."""
    finished: bool = False
    """That it is finished has been said."""
    held: bool = False
    """Its first lines have to wait for others."""
    after: "list[tuple[Log, int]] | None" = None
    """The files that were rotated away before it, and how long: its first lines come after theirs."""
    waiting: tuple[int, int] | None = None
    """All of it is stored, or another file of the same source is read: until this changes."""

    @property
    def label(self) -> str:
        """What rows call it."""
        return self.tail.found.label

    @property
    def key(self) -> tuple[str, str]:
        """The path that it was found at, and on which host."""
        return (self.label, self.host or socket.gethostname())

    @property
    def active(self) -> bool:
        """Whether it is the one that its source is read from."""
        return self.source_id is not None and self.waiting is None

    @property
    def unread(self) -> bool:
        """Whether it has been opened, and nothing has been read of it that could tell which source it is."""
        return self.source_id is None and self.tail.position == 0 < self.tail.size

    @property
    def ready(self) -> bool:
        """Whether it has lines to store."""
        buffer = self.tail.buffer
        return self.active and (buffer.ready or (self.final and len(buffer) > 0))

    @property
    def owns(self) -> bool:
        """Whether another file of the same source has to wait for it."""
        return self.active and (not self.cut or self.ready)

    @property
    def drained(self) -> bool:
        """Whether all that can be read of it is stored; of one that was cut, all whole lines."""
        return not self.ready and (self.cut or self.tail.size <= self.tail.stored)
