"""reports/templates → text. Log text arrives as cells, or is escaped by the filters in here."""

import re

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup, escape

from lpaudit.errors import CheckError
from lpaudit.report.cells import cell
from lpaudit.report.document import Document
from lpaudit.report.signoff import FIELDS, ROLES, STATEMENT
from lpaudit.resources import folder
from lpaudit.visible import instant

_MARKUP = re.compile(r"([\\`*_\[\]])")
_ENTITIES = str.maketrans({c: f"&#{ord(c)};" for c in "&<>|"})


def fill(template: str, document: Document, *, html: bool, **more: object) -> str:
    """Return a template with a document filled in. Raises CheckError."""
    environment = Environment(
        loader=FileSystemLoader(folder("reports") / "templates"),
        autoescape=html,  # noqa: S701 -- Markdown is no HTML: cells escape themselves
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cell": cell,
        "instant": instant,
        "prose": _prose,
        "slug": _slug,
        "fence": _fence,
        "plain": _plain,
    }
    try:
        return environment.get_template(template).render(
            document=document,
            report=document.report,
            framework=document.framework,
            roles=ROLES,
            fields=FIELDS,
            statement=STATEMENT,
            **more,
        )
    except TemplateError as error:
        raise CheckError(f"reports/templates/{template}: {error}", hint="install lpaudit again") from error


def _prose(text: str) -> Markup:
    """Return our own words as HTML: a line is a paragraph, backticks are code. For the HTML template only."""
    lines = (
        re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(line))) for line in text.splitlines() if line
    )
    return Markup("").join(Markup("<p>{}</p>").format(Markup(line)) for line in lines)  # noqa: S704 -- escaped above


def _plain(text: str) -> str:
    """Return words in which nothing is Markdown, nor HTML in it."""
    return _MARKUP.sub(r"\\\1", text.translate(_ENTITIES))


def _slug(heading: str) -> str:
    """Return the anchor that Markdown renderers give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _fence(sql: str) -> str:
    """Return a code fence that the SQL cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", sql)), default=0)
    return "`" * max(3, longest + 1)
