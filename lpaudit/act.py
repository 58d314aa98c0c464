"""What a command does, as far as it tells: for the audit trail.

There is one at a time in a process, so it is not handed from hand to hand: whoever opens a snapshot or writes
rows says so here, and whoever records it reads it. Where nobody records, nobody looks.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

TRAIL = "audit_trail"
"""The table that acts are rows of. Each question adds to it: no answer is known by its version."""


@dataclass(slots=True)
class Act:
    """What was asked (None: its arguments say it), of which versions, and what was answered."""

    text: str | None = None
    versions: dict[str, int] = field(default_factory=dict)
    rows: int | None = None
    answer: Any = field(default_factory=hashlib.sha256)
    files: list[Path] = field(default_factory=list)
    unhashed: bool = False

    def answer_sha256(self) -> str | None:
        """Return the hash of what was written: of the files, if it wrote some. Raises OSError.

        None where it is so short that whoever tries would find from its hash what it was (``unhashed``).
        """
        if self.unhashed:
            return None
        if not self.files:
            return str(self.answer.hexdigest())
        named = {
            str(file.relative_to(path.parent)): file
            for path in self.files
            for file in (path.iterdir() if path.is_dir() else [path])
        }
        lines = (
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n"
            for name, file in sorted(named.items())
        )
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


class Tee:
    """A text file that also has what is written to it hashed."""

    def __init__(self, out: TextIO, act: Act) -> None:
        self._out, self._act = out, act

    def write(self, text: str) -> int:
        """Write a text."""
        self._act.answer.update(text.encode("utf-8", "surrogatepass"))
        return self._out.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


_current: list[Act] = [Act()]


def current() -> Act:
    """Return what is being done."""
    return _current[-1]


def begin() -> Act:
    """Begin something, in the place of what was done before."""
    _current[:] = [Act()]
    return _current[0]


def opened(versions: Mapping[str, int]) -> None:
    """Say which versions of tables were opened."""
    current().versions.update(versions)


def wrote(rows: int) -> None:
    """Say how many rows were written."""
    current().rows = (current().rows or 0) + rows
