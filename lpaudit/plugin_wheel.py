"""The plugin without lpaudit: a wheel of a few kilobytes, for the images and environments of flows.

lpaudit itself brings DuckDB, Polars, Arrow and Delta; a flow needs none of them in order to say
which run it is.
"""

import base64
import hashlib
import io
import zipfile
from pathlib import Path

from lpaudit import __version__
from lpaudit.errors import OutputError

NAME = "lpaudit_prefect"
"""Of the package and, with a dash, of the distribution."""

_INFO = f"{NAME}-{__version__}.dist-info"
_METADATA = f"""\
Metadata-Version: 2.3
Name: lpaudit-prefect
Version: {__version__}
Summary: Has each request of a Prefect flow run say which run makes it, for lpaudit
License-Expression: Apache-2.0
Requires-Python: >=3.10
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: lpaudit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS = f"[prefect.plugins]\nlpaudit-prefect = {NAME}.plugin:plugin\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of zip files: the same lpaudit writes the same bytes


def wheel() -> tuple[str, bytes]:
    """Return the wheel's file name and content."""
    files = {
        **{f"{NAME}/{path.name}": path.read_bytes() for path in _sources()},
        f"{_INFO}/METADATA": _METADATA.encode(),
        f"{_INFO}/WHEEL": _WHEEL.encode(),
        f"{_INFO}/entry_points.txt": _ENTRY_POINTS.encode(),
    }
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{_INFO}/RECORD"] = "\n".join([*record, f"{_INFO}/RECORD,,\n"]).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return f"{NAME}-{__version__}-py3-none-any.whl", written.getvalue()


def write_wheel(folder: Path) -> Path:
    """Write the wheel into a folder; return its path. Raises OutputError."""
    name, content = wheel()
    path = folder / name
    try:
        path.write_bytes(content)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot write {path}: {reason}", hint="name another directory") from error
    return path


def _sources() -> list[Path]:
    return sorted(Path(__file__).with_name("runheader").glob("*.py"))


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
