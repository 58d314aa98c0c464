"""A report → Markdown or one HTML page.

The words are in reports/templates; the same values give the same bytes.
"""

import re
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup, escape

from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Outcome, Report, Result
from lpaudit.report.cells import Cell, cell, shown
from lpaudit.report.chart import HEIGHT, WIDTH, Chart, hours_chart
from lpaudit.report.exceptions import exceptions
from lpaudit.report.toml import hint
from lpaudit.resources import folder
from lpaudit.visible import instant

_TEMPLATES = {"md": "report.md.jinja", "html": "report.html.jinja"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A result as it is shown; ``result`` is the rest of it."""

    number: int
    result: Result
    outcome: str
    cut: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    parameters: tuple[tuple[str, Cell, str], ...]
    chart: Chart | None

    @property
    def heading(self) -> str:
        """The section's title with its number."""
        return f"{self.number}. {self.result.check.title}"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a sentence may say about a section: ``{denied.rows}``."""

    rows: str
    population: str


def render(report: Report, format: str) -> str:  # noqa: A002 -- what it is called on the command line
    """Return the report as ``md`` or ``html``. Raises ConfigError or CheckError."""
    if format not in _TEMPLATES:
        raise ConfigError(f"a report has no format {format!r}", hint=hint(format, _TEMPLATES))
    environment = Environment(
        loader=FileSystemLoader(folder("reports") / "templates"),
        autoescape=format == "html",  # noqa: S701 -- Markdown is no HTML: cells escape themselves
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "instant": instant, "prose": _prose, "slug": _slug, "fence": _fence}
    try:
        return environment.get_template(_TEMPLATES[format]).render(
            report=report,
            framework=report.framework,
            sentences=_sentences(report),
            sections=[_shown(number, result, report) for number, result in enumerate(report.results, 1)],
            chart_width=WIDTH,
            chart_height=HEIGHT,
        )
    except TemplateError as error:
        raise CheckError(
            f"reports/templates/{_TEMPLATES[format]}: {error}", hint="install lpaudit again"
        ) from error


def outcome(result: Result) -> str:
    """Say in words how many rows of how many: never that something is good."""
    population, unit = result.population, result.check.unit
    rows = exceptions(result).num_rows if result.check.kind == "control" else result.rows.num_rows
    why = "; ".join(result.reasons)
    if result.outcome is Outcome.ERROR:
        return f"Error: the question could not be asked: {shown(why)}"
    if result.outcome is Outcome.NO_DATA:
        return f"No data: {why}. So this section says nothing either way."
    if result.check.kind == "control":
        text = f"{_count(rows, 'exception')} of a population of {population:,} {unit}."
    elif rows == 0:
        text = f"0 of {population:,} {unit}."
    else:
        text = f"{_count(rows, 'row')} from a population of {population:,} {unit}."
    return f"{text} Incomplete: {why}." if result.outcome is Outcome.INCOMPLETE else text


def _shown(number: int, result: Result, report: Report) -> Shown:
    show = result.section.show or report.framework.show.default
    assert isinstance(show, int)  # noqa: S101 -- load_framework refuses anything else
    total = result.rows.num_rows
    cut = None
    if total > show:
        cut = (
            f"Showing the first {show:,} of {total:,} rows; the SQL gives all ({report.framework.show.why})."
        )
    top = result.rows.slice(0, show)
    columns = [[cell(value) for value in column.to_pylist()] for column in top.columns]
    why = {"start": "the period's first instant", "end": "the first instant after the period"}
    why |= {p.name: p.why for p in result.check.parameters}
    return Shown(
        number=number,
        result=result,
        outcome=outcome(result),
        cut=cut,
        columns=tuple(name.replace("_", " ") for name in top.column_names),
        rows=tuple(zip(*columns, strict=True)),
        parameters=tuple((name, cell(value), why[name]) for name, value in result.parameters.items()),
        chart=hours_chart(result.rows) if result.section.chart == "hours" else None,
    )


def _sentences(report: Report) -> list[str]:
    """Fill the numbers into the framework's sentences."""
    words: dict[str, object] = {
        r.check.id: Counted(f"{r.rows.num_rows:,}", f"{r.population:,}") for r in report.results
    }
    summary = next(r for r in report.results if r.check.id == report.framework.summary)
    for row in summary.rows.to_pylist():
        words[row["figure"]] = cell(row["value"]).text
    try:
        return [sentence.format_map(words) for sentence in report.framework.result]
    except (KeyError, AttributeError, ValueError) as error:
        raise CheckError(
            f"{report.framework.file}: a sentence of result names {error}, which is no figure",
            hint=f"figures are the rows of {report.framework.summary}, and a check's .rows and .population",
        ) from error


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _prose(text: str) -> Markup:
    """Return our own words as HTML: a line is a paragraph, backticks are code. For the HTML template only."""
    lines = (
        re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(line))) for line in text.splitlines() if line
    )
    return Markup("").join(Markup("<p>{}</p>").format(Markup(line)) for line in lines)  # noqa: S704 -- escaped above


def _slug(heading: str) -> str:
    """Return the anchor that Markdown renderers give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _fence(sql: str) -> str:
    """Return a code fence that the SQL cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", sql)), default=0)
    return "`" * max(3, longest + 1)
