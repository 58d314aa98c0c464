"""Files under safe names → a ZIP that is the same each time, and what its manifest says of them."""

import re
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from lpaudit.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The first time that a ZIP can say: nothing in a binder tells when it was made."""

_FILE = 0o100644 << 16
_PACKED = (".parquet", ".zst", ".xlsx", ".pdf")
_STEP = 1 << 20


class Folder:
    """A binder's files while they are made. ``rows`` are how many there are in those that have any."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, int] = {}

    def place(self, name: str) -> Path:
        """Return where a file is to be written. Raises ConfigError for a name that may mean something."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is no name for a file in a binder",
                hint="name checks and frameworks with letters, digits, - and _",
            )
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add(self, name: str, data: bytes) -> None:
        """Write a file. Raises OSError, and ConfigError as ``place``."""
        self.place(name).write_bytes(data)

    def names(self) -> list[str]:
        """Return the names of all files, in order. Raises ConfigError for one that is twice, or impossible.

        Twice is also what is one name to a file system that knows no capitals.
        """
        names = sorted(p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())
        folded: dict[str, str] = {}
        for name in names:
            self.place(name)
            if (other := folded.setdefault(name.casefold(), name)) != name:
                raise ConfigError(
                    f"a binder cannot have {other} and {name}", hint="name one of the two otherwise"
                )
        return names

    def listed(self) -> dict[str, dict[str, object]]:
        """Return what the manifest says of each file."""
        told: dict[str, dict[str, object]] = {}
        for name in self.names():
            path, digest = self.path / name, sha256()
            with path.open("rb") as file:
                while piece := file.read(_STEP):
                    digest.update(piece)
            rows = {"rows": self.rows[name]} if name in self.rows else {}
            told[name] = {"size": path.stat().st_size, "sha256": digest.hexdigest(), **rows}
        return told

    def zipped(self, path: Path, progress: Callable[[int, int], None]) -> None:
        """Write all files into a ZIP: in order, and of no time. Raises OSError."""
        names = self.names()
        total, done = sum((self.path / name).stat().st_size for name in names), 0
        with zipfile.ZipFile(path, "x") as archive:
            for name in names:
                entry = zipfile.ZipInfo(name, _NO_TIME)
                entry.create_system = 3  # Unix, wherever it is made
                entry.external_attr = _FILE
                packed = name.endswith(_PACKED)
                entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                entry.file_size = (self.path / name).stat().st_size  # from 4 GiB on its head is another
                with (self.path / name).open("rb") as file, archive.open(entry, "w") as out:
                    while piece := file.read(_STEP):
                        out.write(piece)
                        done += len(piece)
                        progress(done, total)
