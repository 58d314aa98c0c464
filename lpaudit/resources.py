"""Where schemas/ and reports/ are: inside an installed package, or at the top of a checkout."""

from importlib.resources import files
from pathlib import Path

from lpaudit.errors import LpauditError


def folder(name: str) -> Path:
    """Return the folder ``schemas`` or ``reports``. Raises LpauditError if the installation lacks it."""
    package = Path(str(files("lpaudit")))
    for candidate in (package / "data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise LpauditError(f"this installation of lpaudit has no {name}/", hint="install lpaudit again")
