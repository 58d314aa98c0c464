"""A document → one HTML page that needs neither network nor script.

A script sorts and filters its tables. The page's policy lets a browser run exactly that one,
by its hash, and load nothing at all: should log text ever get into the page as markup, it
still could not do anything.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from markupsafe import Markup

from lpaudit.report.document import Document
from lpaudit.report.templates import fill
from lpaudit.resources import folder


def html(document: Document) -> str:
    """Return the page."""
    style, script = (_own(name) for name in ("report.css", "report.js"))
    policy = f"default-src 'none'; style-src '{_pin(style)}'; script-src '{_pin(script)}'; base-uri 'none'"
    return fill("report.html.jinja", document, html=True, style=style, script=script, policy=Markup(policy))  # noqa: S704 -- hashes


def write_html(document: Document, path: Path) -> None:
    """Write the file. Raises OSError."""
    path.write_text(html(document), "utf-8", newline="\n")


def _own(name: str) -> Markup:
    return Markup((folder("reports") / "templates" / name).read_text("utf-8"))  # noqa: S704 -- our own file


def _pin(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
