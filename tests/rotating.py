"""A log as its writer and rotations know it: what was written, and where every byte of it is now.

Nothing of lpaudit is in here: what a follower has stored is judged by it.
"""

import gzip
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BEGAN = datetime(2026, 11, 23, 10, tzinfo=UTC)
PACK = {"gz": lambda data: gzip.compress(data, 1, mtime=0), "zst": zstd.compress}


class Time:
    """Passes only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds

    def stamp(self, path: Path) -> None:
        """Note on a file that it was written now: a moment later than everything before."""
        self.seconds += 0.01
        nanoseconds = int(self.now().timestamp() * 1e9)
        os.utime(path, ns=(nanoseconds, nanoseconds))


@dataclass
class Generation:
    """Everything that was written to a log between two rotations.

    ``there`` bytes of it are in the file ``path``; where it was deleted or cut, ``seen`` is
    how much of it each follower had seen that held it open.
    """

    number: int
    content: bytearray = field(default_factory=bytearray)
    path: Path | None = None
    there: int = 0
    seen: list[int] = field(default_factory=list)
    copied: int | None = None
    """How much of it was in the copy, if it was copied and cut: nobody can read the rest."""
    deleted: bool = False

    @property
    def packed(self) -> bool:
        return self.path is not None and self.path.suffix in {".gz", ".zst"}


class RotatingLog:
    """``access.log``, its writer, and whoever rotates it.

    The writer has the newest generation open, whatever it is called. With ``alike`` every
    generation begins with the same line; with ``dated`` rotations append a date, not a number.
    With ``errors`` it is an error log, with secrets in it.
    """

    def __init__(
        self, folder: Path, time: Time, *, alike: bool = False, dated: bool = False, errors: bool = False
    ) -> None:
        self.folder = folder
        self.time = time
        self.alike = alike
        self.dated = dated
        self.errors = errors
        self.base = folder / "access.log"
        self.generations: list[Generation] = []
        self.begun = b""  # the rest of a line whose start is written
        self.lines = 0
        self.create()

    @property
    def current(self) -> Generation:
        """What the writer writes to."""
        return self.generations[-1]

    @property
    def rotated(self) -> list[Generation]:
        """What was rotated away and is still there."""
        return [g for g in self.generations[:-1] if g.path is not None]

    # The writer.

    def create(self) -> None:
        """Open a new file, as lighttpd does after SIGHUP."""
        self.begun = b""
        self.base.touch(exist_ok=False)
        self.time.stamp(self.base)
        self.generations.append(Generation(len(self.generations), path=self.base))

    def line(self, kind: str = "unique") -> bytes:
        """Return a line; ``equal`` lines are all the same, ``garbage`` is none of lighttpd's."""
        self.lines += 1
        if not self.current.content:
            kind = "equal" if self.alike else "unique"
        elif self.alike and b"\n" not in self.current.content[:-1]:
            kind = "unique"
        if kind in {"garbage", "blank"}:
            return b"garbage\n" if kind == "garbage" else b"\n"
        number, moment = (0, BEGAN) if kind == "equal" else (self.lines, self.time.now())
        if self.errors:
            message = "missing ':' in pnu_secret" if number % 3 else "server started"
            return f"{moment:%Y-%m-%d %H:%M:%S}: (mod_auth.c.{number}) {message}{number}\n".encode()
        stamp = f"{moment:%d/%b/%Y:%H:%M:%S}".encode()
        return b'192.0.2.1 gw - [%s +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n' % (stamp, number)

    def append(self, *kinds: str) -> None:
        """Write whole lines."""
        for kind in kinds:
            self.write(self.begun or self.line(kind))
            self.begun = b""

    def append_part(self, share: float) -> None:
        """Write some of a line, or some more of it."""
        line = self.begun or self.line()
        cut = max(1, int(share * (len(line) - 1)))
        self.begun = line[cut:]
        self.write(line[:cut])

    def write(self, data: bytes) -> None:
        current = self.current
        assert current.path is not None
        with current.path.open("ab") as file:
            file.write(data)
        current.content += data
        current.there += len(data)
        self.time.stamp(current.path)

    # Whoever rotates.

    def _rotated_name(self) -> Path:
        """Make room for the file that is rotated, and return its name."""
        if self.dated:
            return self.base.with_name(f"access.log-20261123-{len(self.generations):04d}")
        names = re.compile(r"access\.log\.(\d+)((?:\.gz|\.zst)?)")
        found = [m for m in (names.fullmatch(path.name) for path in self.files()) if m]
        for match in sorted(found, key=lambda m: -int(m[1])):
            old, new = self.folder / match[0], self.folder / f"access.log.{int(match[1]) + 1}{match[2]}"
            old.rename(new)
            for generation in self.generations:
                if generation.path == old:
                    generation.path = new
        return self.base.with_name("access.log.1")

    def rename(self) -> None:
        """Rotate as `create` and `nocreate` do: the writer goes on writing to the renamed file."""
        assert self.current.path == self.base
        name = self._rotated_name()
        self.base.rename(name)
        self.current.path = name

    def copytruncate(self, followers: list[int], *kinds: str) -> None:
        """Copy and truncate; lines of ``kinds`` are written in between, and so into neither."""
        generation, copy = self.current, self._rotated_name()
        shutil.copyfile(self.base, copy)
        self.time.stamp(copy)
        there = generation.there
        self.append(*kinds)
        self._truncate(followers)
        generation.path, generation.there, generation.copied = copy, there, there

    def truncate(self, followers: list[int]) -> None:
        """Truncate without a copy."""
        self._truncate(followers)

    def _truncate(self, followers: list[int]) -> None:
        self.current.seen = followers
        self.current.path, self.current.there = None, 0
        self.begun = b""
        os.truncate(self.base, 0)
        self.time.stamp(self.base)
        self.generations.append(Generation(len(self.generations), path=self.base))

    def pack(self, generation: Generation, how: str, *, half: bool = False) -> None:
        """Compress a rotated file, keeping its time; ``half``: only the first half is written yet."""
        assert generation.path is not None
        status = generation.path.stat()
        packed = generation.path.with_name(f"{generation.path.name}.{how}")
        data = PACK[how](generation.path.read_bytes())
        packed.write_bytes(data[: len(data) // 2] if half else data)
        if half:
            self.time.stamp(packed)
            return
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        generation.path.unlink()
        generation.path = packed

    def delete(self, generation: Generation, followers: list[int]) -> None:
        """Delete a rotated file."""
        assert generation.path is not None
        generation.path.unlink()
        generation.path, generation.there, generation.seen = None, 0, followers
        generation.deleted = True

    def files(self) -> Iterator[Path]:
        """Return what there is."""
        return self.folder.iterdir()
