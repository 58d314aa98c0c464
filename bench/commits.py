"""What a store's log of commits says: which bytes of which source became visible when."""

import json
from dataclasses import dataclass
from pathlib import Path

from lpaudit.model import Segment


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a source that one commit holds; ``time`` is when it appeared (seconds since the epoch)."""

    segment: Segment
    lines: int
    time: float


class Commits:
    """The pieces of every commit so far, in order."""

    def __init__(self, store: Path) -> None:
        self._log = store / "access_event" / "_delta_log"
        self._version = 0
        self.pieces: list[Piece] = []

    def update(self) -> None:
        """Read what was committed since.

        The time is the inode's, not the content's: the entry is written aside and then given
        its name, and only then is it there for readers.
        """
        while (entry := self._log / f"{self._version:020d}.json").exists():
            self._version += 1
            for line in entry.read_text("utf-8").splitlines():
                told = json.loads(line).get("commitInfo", {}).get("segments", "[]")
                for piece in json.loads(told):
                    lines = piece.pop("lines")
                    self.pieces.append(Piece(Segment(**piece), lines, entry.stat().st_ctime))

    @property
    def size(self) -> int:
        """Bytes of all pieces together."""
        return sum(piece.segment.end - piece.segment.start for piece in self.pieces)

    def ends(self, until: float) -> dict[str, int]:
        """Return up to which byte each source was visible at a time."""
        return {p.segment.source_id: p.segment.end for p in self.pieces if p.time <= until}
