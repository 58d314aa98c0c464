"""A real browser: Chromium, driven from node by tests/browser/look.mjs."""

import shutil
import sys
from pathlib import Path

MODULES = Path(sys.prefix) / "browser"
"""Where `make chromium` installs what is in package-lock.json."""

LOOK = Path(__file__).parent / "look.mjs"


def find():
    """Return Chromium's path, or None without it, node, or what drives it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    driven = shutil.which("node") and (MODULES / "node_modules" / "playwright-core").is_dir()
    return found if found and driven else None
