"""A document → Markdown."""

from pathlib import Path

from lpaudit.report.document import Document
from lpaudit.report.templates import fill


def markdown(document: Document) -> str:
    """Return the text."""
    return fill("report.md.jinja", document, html=False)


def write_markdown(document: Document, path: Path) -> None:
    """Write the file. Raises OSError."""
    path.write_text(markdown(document), "utf-8", newline="\n")
