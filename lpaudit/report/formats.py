"""The formats of a report: what each is called on the command line, and what writes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lpaudit.errors import ConfigError
from lpaudit.report.csv_ import write_csv
from lpaudit.report.document import Document
from lpaudit.report.html import write_html
from lpaudit.report.json_ import write_json
from lpaudit.report.markdown import write_markdown
from lpaudit.report.oscal import write_oscal
from lpaudit.report.pdf import write_pdf
from lpaudit.report.toml import hint
from lpaudit.report.xlsx import write_xlsx


@dataclass(frozen=True, slots=True)
class Format:
    """``suffix`` follows the framework's id in the file's name; ``write`` may raise OSError."""

    suffix: str
    write: Callable[[Document, Path], None]


FORMATS: Mapping[str, Format] = {
    "html": Format(".html", write_html),
    "md": Format(".md", write_markdown),
    "pdf": Format(".pdf", write_pdf),
    "xlsx": Format(".xlsx", write_xlsx),
    "csv": Format("-csv", write_csv),
    "json": Format(".json", write_json),
    "oscal": Format(".oscal.json", write_oscal),
}


def check_formats(formats: Iterable[str]) -> None:
    """Refuse what is no format, before anything is asked. Raises ConfigError."""
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"a report has no format {name!r}", hint=hint(name, FORMATS))


def write(document: Document, format: str, folder: Path) -> Path:  # noqa: A002 -- what it is called on the command line
    """Write a document into a folder, and return the file. Raises CheckError or OSError."""
    path = folder / f"{document.framework.id}{FORMATS[format].suffix}"
    FORMATS[format].write(document, path)
    return path
