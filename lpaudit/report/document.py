"""A report → what is printed of it, the same for every format.

Values only: which words stand where is decided here, how they look in the formats' own
modules. Nothing in here knows a clock: the same report and checkpoint give the same document.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.errors import CheckError
from lpaudit.model import Check, Checkpoint, Framework, Outcome, Period, Report, Result
from lpaudit.report.cells import Cell, cell, visible
from lpaudit.report.charts import chart
from lpaudit.report.check import SEVERITIES
from lpaudit.report.counts import brief, count, outcome
from lpaudit.report.exceptions import EXCEPTION_ID, among, anchor, exception_ids
from lpaudit.report.matrix import Line, matrix
from lpaudit.report.svg import Drawing
from lpaudit.visible import instant

_ABOUT_COMPLETENESS = ("S2", "S3", "S18", "S19")
"""Sections that say whether the population is complete and its times are right."""

_REASONS = 4
_NAMED = re.compile(r"\$([a-z][a-z0-9_]*)")
"""That are told on the first page; the section on what is not known of the period has all."""

_LABELS = {"api prefix": "API prefix"}
"""Of the cover, where a capital is not all that it takes."""

STATE = "DRAFT: nobody has signed this report"


@dataclass(frozen=True, slots=True)
class Part:
    """A section: its result, and what is shown of it where not all rows are (``rows``).

    ``outcome`` says what the answer is worth, and why it is worth no more; ``brief`` says the first alone.
    ``table`` has all rows, of a control with the ids of exceptions in front (null where a row
    is none). ``cut`` says that ``rows`` are not all, ``anchors`` how each is linked to: None where it is no
    exception, or not the first row of one.
    """

    number: int
    result: Result
    outcome: str
    brief: str
    cut: str | None
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    anchors: tuple[str | None, ...]
    table: pa.Table
    parameters: tuple[tuple[str, Cell, str], ...]
    drawing: Drawing | None

    @property
    def check(self) -> Check:
        """What was asked."""
        return self.result.check

    @property
    def heading(self) -> str:
        """The section's title with its number."""
        return f"{self.number}. {self.check.title}"

    @property
    def name(self) -> str:
        """What its file or sheet is called: ``05-coverage-gaps``."""
        return f"{self.number:02d}-{self.check.id}"

    @property
    def limits(self) -> tuple[str, ...]:
        """What the answer does not say, a line each; a parameter's name in it is its value."""
        values = {p.name: p.default for p in self.check.parameters} | self.result.parameters
        told = _NAMED.sub(lambda found: str(values.get(found[1], found[0])), self.check.limits)
        return tuple(line for line in told.splitlines() if line)


@dataclass(frozen=True, slots=True)
class Found:
    """One exception: what is known of it, and where it stands."""

    id: str
    check: str
    part: int
    title: str
    severity: str
    key: str


@dataclass(frozen=True, slots=True)
class Source:
    """A log that was read, and one hash over those of its segments, in order."""

    source: str
    source_id: str
    segments: int
    bytes: int
    lines: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that is printed of a report."""

    id: str
    report: Report
    checkpoint: Checkpoint
    cover: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    equation: str | None
    parts: tuple[Part, ...]
    matrix: tuple[Line, ...]
    exceptions: tuple[Found, ...]
    sources: tuple[Source, ...] | None

    @property
    def framework(self) -> Framework:
        """What the report is after."""
        return self.report.framework

    @property
    def period(self) -> Period:
        """What time it is about."""
        return self.report.period

    @property
    def as_of(self) -> datetime:
        """When the last of what it says was stored; if nothing ever was, the end of its period."""
        return self.checkpoint.as_of or self.period.end

    @property
    def about(self) -> tuple[tuple[str, str], ...]:
        """What the cover says of the store, under labels that begin like the cover's others."""
        return tuple(
            (_LABELS.get(name, name.capitalize()), value) for name, value in self.report.store.items()
        )

    @property
    def completeness(self) -> tuple[Part, ...]:
        """The sections that say whether the rest can be relied on."""
        return tuple(part for part in self.parts if part.check.section in _ABOUT_COMPLETENESS)

    @property
    def calendars(self) -> tuple[Drawing, ...]:
        """The drawings that stand with them, and not in their own sections."""
        return tuple(p.drawing for p in self.parts if p.drawing and p.result.section.chart == "calendar")

    @property
    def most(self) -> int:
        """How many rows of a list are printed on a page."""
        show = self.framework.show.default
        assert isinstance(show, int)  # noqa: S101 -- load_framework refuses anything else
        return show


def document(report: Report, checkpoint: Checkpoint) -> Document:
    """Return what is printed of a report. Raises CheckError."""
    parts = tuple(_part(number, result, report) for number, result in enumerate(report.results, 1))
    listed = tuple(one for part in parts for one in _found(part))
    results = {result.check.id: result for result in report.results}
    sources = _sources(results.get("segments"))
    report_id = _report_id(report, checkpoint, sources)
    return Document(
        id=report_id,
        report=report,
        checkpoint=checkpoint,
        cover=tuple(_cover(report, checkpoint, report_id)),
        sentences=tuple(_sentences(report)),
        numbers=tuple(_numbers(report, listed)),
        equation=_equation(results.get("sources")),
        parts=parts,
        matrix=tuple(matrix(report)),
        exceptions=listed,
        sources=sources,
    )


def _cover(report: Report, checkpoint: Checkpoint, report_id: str) -> list[tuple[str, str]]:
    period = report.period
    told = [("Entity", visible(checkpoint.entity)), ("System", visible(checkpoint.system))]
    return [
        *((label, value) for label, value in told if value),
        ("Period (UTC)", f"{instant(period.start)} (included) to {instant(period.end)} (not included)"),
        ("State", STATE),
        ("Report id", report_id),
        ("Store as of", instant(checkpoint.as_of) if checkpoint.as_of else "nothing was ever stored"),
        ("Made with", ", ".join(f"{name} {version}" for name, version in checkpoint.software.items())),
    ]


def _report_id(report: Report, checkpoint: Checkpoint, sources: Sequence[Source] | None) -> str:
    """Return 32 hex digits of a SHA-256 over everything that the report's answers follow from.

    Where the store lies is not among it: a copy gives the same answers.
    """
    facts = {
        "framework": report.framework.sha256,
        "checks": [result.check.sha256 for result in report.results],
        "period": [instant(report.period.start), instant(report.period.end)],
        "parameters": [[r.check.id, *sorted(r.parameters.items())] for r in report.results],
        "about": {name: value for name, value in report.store.items() if name != "store"},
        "tables": dict(checkpoint.versions),
        "as_of": checkpoint.as_of,
        "sources": [(s.source_id, s.sha256) for s in sources or ()],
        "software": dict(checkpoint.software),
        "whose": [checkpoint.entity, checkpoint.system],
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=_plain)
    return sha256(text.encode()).hexdigest()[:32]


def _plain(value: object) -> str:
    return instant(value) if isinstance(value, datetime) else str(value)


def _part(number: int, result: Result, report: Report) -> Part:
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
    table = _with_ids(result)
    drawn = result.section.chart if result.rows.num_columns else None
    return Part(
        number=number,
        result=result,
        outcome=outcome(result),
        brief=brief(result),
        cut=cut,
        columns=tuple(name.replace("_", " ") for name in top.column_names),
        rows=tuple(zip(*columns, strict=True)),
        anchors=tuple(_anchors(result.check, table.slice(0, show))),
        table=table,
        parameters=tuple((name, cell(value), why[name]) for name, value in result.parameters.items()),
        drawing=chart(drawn, result.rows, f"chart-{result.check.id}") if drawn else None,
    )


def _anchors(check: Check, rows: pa.Table) -> Iterator[str | None]:
    named = check.kind == "control" and rows.num_columns
    ids = rows.column(EXCEPTION_ID).to_pylist() if named else [None] * rows.num_rows
    known: set[str] = set()
    for one in ids:
        yield None if one is None or one in known else anchor(one)
        known |= {one} if one else set()


def _with_ids(result: Result) -> pa.Table:
    """Return all rows; of a control, with the id of each that is an exception."""
    rows = result.rows
    if result.check.kind != "control" or not rows.num_columns:
        return rows
    ids = pa.array(exception_ids(result.check, rows), pa.string())
    with_ids = rows.add_column(0, EXCEPTION_ID, ids)
    known = pc.is_in(ids, value_set=among(result, with_ids).column(EXCEPTION_ID).combine_chunks())
    return with_ids.set_column(0, EXCEPTION_ID, pc.if_else(known, ids, pa.scalar(None, pa.string())))


def _found(part: Part) -> list[Found]:
    rows = among(part.result, part.table)
    check = part.check
    if not rows.num_columns:
        return []
    keys = rows.select(list(check.key)).to_pylist() if rows.num_rows else []
    ids = rows.column(EXCEPTION_ID).to_pylist() if keys else []
    return [
        Found(one, check.id, part.number, check.title, str(check.severity), _key(key))
        for one, key in zip(ids, keys, strict=True)
    ]


def _key(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {cell(value).text}" for name, value in values.items())


def _numbers(report: Report, listed: Sequence[Found]) -> list[tuple[str, str]]:
    """Return the figures of the one-page result."""
    controls = [r for r in report.results if r.check.kind == "control"]
    by = Counter(one.severity for one in listed)
    told = ", ".join(f"{by[severity]:,} {severity}" for severity in reversed(SEVERITIES))
    figures = _figures(report)
    numbers = []
    if isinstance(hours := figures.get("hours"), int) and isinstance(
        silent := figures.get("silent_hours"), int
    ):
        share = f" ({100 * (hours - silent) / hours:.1f} %)" if hours else ""
        numbers.append(("Coverage", f"lines in {hours - silent:,} of the period's {hours:,} hours{share}"))
    if isinstance(lines := figures.get("in_period"), int):
        numbers.append(("Population", f"{lines:,} lines of the period"))
    asked = count(len(controls), "question")
    numbers.append(("Exceptions", f"{len(listed):,}, by {asked} that look for any: {told}"))
    for which, words in (
        (Outcome.INCOMPLETE, "Answered for a part of the period only"),
        (Outcome.NO_DATA, "Without data"),
        (Outcome.ERROR, "Could not be asked"),
    ):
        concerned = [r for r in report.results if r.outcome is which]
        told = f"{len(concerned):,} of {count(len(report.results), 'question')}"
        if which is Outcome.INCOMPLETE and concerned:
            told += f": {_together([r.reasons for r in concerned])}"
        numbers.append((words, told))
    return numbers


def _together(reasons: Sequence[Sequence[str]]) -> str:
    """Say once what several answers have in common, the most common first; of many reasons, some."""
    by = Counter(reason for some in reasons for reason in some)
    ordered = sorted(by, key=lambda reason: (-by[reason], reason))
    more = f"; and {count(len(ordered) - _REASONS, 'more reason')}" if len(ordered) > _REASONS else ""
    return "; ".join(visible(reason) for reason in ordered[:_REASONS]) + more


def _figures(report: Report) -> dict[str, object]:
    summary = next((r for r in report.results if r.check.id == report.framework.summary), None)
    if summary is None or "figure" not in summary.rows.column_names:
        return {}
    return {str(row["figure"]): row["value"] for row in summary.rows.to_pylist()}


def _equation(result: Result | None) -> str | None:
    """Say for all sources together that lines are accounted for. None if that was not asked."""
    needed = ("lines", "access", "quarantine", "difference", "bytes", "missing_bytes")
    if result is None or not set(needed) <= set(result.rows.column_names):
        return None
    total = {name: sum(v or 0 for v in result.rows.column(name).to_pylist()) for name in needed}
    sources = count(result.rows.num_rows, "source")
    gone = sum(result.rows.column("purged").to_pylist()) if "purged" in result.rows.column_names else 0
    purged = f" + {gone:,} purged" if gone else ""
    return (
        f"{total['lines']:,} lines read = {total['access']:,} readable "
        f"+ {total['quarantine']:,} in quarantine{purged} + {total['difference']:,} not accounted for; "
        f"{total['bytes']:,} bytes read, {total['missing_bytes']:,} bytes missing between them ({sources})."
    )


def _sources(result: Result | None) -> tuple[Source, ...] | None:
    """Put the segments of each source together. None if they were not asked for."""
    needed = ["source", "source_id", "length", "sha256", "lines"]
    if result is None or not set(needed) <= set(result.rows.column_names):
        return None
    by_source: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in result.rows.select(needed).to_pylist():
        by_source.setdefault((row["source"], row["source_id"]), []).append(row)
    return tuple(
        Source(
            source=source,
            source_id=source_id,
            segments=len(rows),
            bytes=sum(int(str(row["length"])) for row in rows),
            lines=sum(int(str(row["lines"])) for row in rows),
            sha256=sha256("".join(f"{row['sha256']}\n" for row in rows).encode()).hexdigest(),
        )
        for (source, source_id), rows in by_source.items()
    )


def _sentences(report: Report) -> list[str]:
    """Fill the numbers into the framework's sentences."""
    words: dict[str, object] = {
        r.check.id: Counted(f"{r.rows.num_rows:,}", f"{r.population:,}") for r in report.results
    }
    words |= {figure: cell(value).text for figure, value in _figures(report).items()}
    try:
        return [sentence.format_map(words) for sentence in report.framework.result]
    except (KeyError, AttributeError, ValueError) as error:
        if any(r.outcome is Outcome.ERROR for r in report.results if r.check.id == report.framework.summary):
            return [f"The figures of the result could not be asked: see {report.framework.summary}."]
        raise CheckError(
            f"{report.framework.file}: a sentence of result names {error}, which is no figure",
            hint=f"figures are the rows of {report.framework.summary}, and a check's .rows and .population",
        ) from error


@dataclass(frozen=True, slots=True)
class Counted:
    """What a sentence may say about a section: ``{denied.rows}``."""

    rows: str
    population: str


def not_asked(document: Document) -> dict[str, str]:
    """Return why checks could not be asked, by their ids."""
    return {
        part.check.id: "; ".join(part.result.reasons)
        for part in document.parts
        if part.result.outcome is Outcome.ERROR
    }
