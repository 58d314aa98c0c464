"""A document → PDF/A-3b, by typst.

Words are handed over as JSON, in a template that reads no markup from it; so log text is text,
whatever is in it. Only typst's own fonts are used: the same report gives the same bytes on every
machine. What they cannot show (other scripts than Latin, Greek and Cyrillic) is spelled out, as
PDF/A allows no character without a glyph.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from lpaudit.errors import CheckError, ConfigError
from lpaudit.report.cells import Cell, cell
from lpaudit.report.document import Document, Part
from lpaudit.report.matrix import Line
from lpaudit.report.rows import HOW_SOURCES
from lpaudit.report.signoff import FIELDS, ROLES, STATEMENT
from lpaudit.report.svg import Drawing
from lpaudit.resources import folder
from lpaudit.visible import spelled

STANDARD: Final = "a-3b"
"""What typst is asked for, and checks while it writes."""

IN_FONTS = (
    r"\x20-\x7e\xa1-\xac\xae-\u02ff\u0391-\u03a1\u03a3-\u04ff"
    r"\u2010-\u2027\u2030-\u2040\u20a0-\u20c0\u2190-\u22ff"
)
"""Characters of which typst's own fonts have a glyph, as ranges."""

_NOT_IN_FONTS = re.compile(rf"[^{IN_FONTS}\n]")
_PAGE = 265
"""Millimetres between the margins."""
_CHARACTER, _PADDING = 1.52, 3.0
"""Millimetres of a character in a table, and beside each cell."""
_WIDEST, _NARROWEST = 66, 10
"""Characters of a column of text."""

Json = dict[str, object]


def write_pdf(document: Document, path: Path) -> None:
    """Write the file. Raises ConfigError without typst, and OSError."""
    try:
        import typst  # noqa: PLC0415 -- an extra
    except ImportError:
        raise ConfigError(
            "PDF needs typst, which is not installed", hint="pip install 'lpaudit[pdf]'"
        ) from None
    stamp = document.as_of.astimezone(UTC).replace(microsecond=0)
    try:
        pages = typst.compile(
            (folder("reports") / "templates" / "report.typ").read_bytes(),
            format="pdf",
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(as_data(document))},
            pdf_standards=STANDARD,
            timestamp=stamp,
        )
    except typst.TypstError as error:
        raise CheckError(f"reports/templates/report.typ: {error}", hint="install lpaudit again") from error
    path.write_bytes(pages)


def printable(text: str) -> str:
    """Spell out what the fonts have no glyph for."""
    return _NOT_IN_FONTS.sub(lambda found: spelled(found[0]), text)


def as_data(document: Document) -> Json:
    """Return what the template reads: texts that are only to be set."""
    framework, checkpoint = document.framework, document.checkpoint
    stamp = document.as_of.astimezone(UTC)
    cover = [*document.cover, *((name, cell(value).text) for name, value in document.about)]
    cover.append(("Definition of this report", f"reports/{framework.file}, SHA-256 {framework.sha256}"))
    told: Json = {
        "title": framework.title,
        "description": framework.description,
        "id": document.id,
        "period": dict(document.cover)["Period (UTC)"],
        "state": dict(document.cover)["State"],
        "mark": "DRAFT",
        "cover": cover,
        "sentences": document.sentences,
        "numbers": document.numbers,
        "judgement": "These are counts, not a judgement: whether they are as they should be is for a reader "
        "who knows what was allowed.",
        "method": [_prose(line) for line in framework.method],
        "not_shown": [_prose(line) for line in framework.not_shown],
        "equation": document.equation or "Whether every line is accounted for was not asked.",
        "completeness": [f"{part.heading}: {part.outcome}" for part in document.completeness],
        "calendars": [_drawing(one) for one in document.calendars],
        "matrix_words": "A control is listed with every question that bears on it. None of the words says "
        "that a control works.",
        "matrix": [_matrix(line) for line in document.matrix],
        "parts": [_part(document, part) for part in document.parts],
        "exceptions": _exceptions(document),
        "queries": [_query(part) for part in document.parts],
        "sources": _sources(document),
        "versions": _list(
            "The report is of these versions of the store's tables, and of no others.",
            ["table", "version"],
            [[cell(name), cell(number)] for name, number in checkpoint.versions.items()],
        ),
        "statement": STATEMENT,
        "roles": ROLES,
        "fields": FIELDS,
    }
    set_ = _printable(told)
    assert isinstance(set_, dict)  # noqa: S101 -- it was one
    date = dict(zip(("year", "month", "day", "hour", "minute", "second"), stamp.timetuple(), strict=False))
    return set_ | {"date": date}


def _printable(value: object) -> object:
    match value:
        case str():
            return printable(value)
        case list() | tuple():
            return [_printable(one) for one in value]
        case dict():
            return {key: _printable(one) for key, one in value.items()}
    return value


def _prose(line: str) -> list[str]:
    return re.split(r"`([^`]+)`", line)


def _drawing(drawing: Drawing) -> Json:
    return {"svg": str(drawing.svg), "title": drawing.title, "description": drawing.description}


def _matrix(line: Line) -> Json:
    return {
        "control": line.control.id,
        "intent": line.control.intent,
        "lines": line.lines,
        "section": f"{line.part}. {line.title}" if line.part else "–",
        "population": line.population,
        "exceptions": line.exceptions,
        "outcome": line.outcome,
        "not_shown": line.control.not_shown,
    }


def _part(document: Document, part: Part) -> Json:
    own = part.drawing and part.drawing not in document.calendars
    return {
        "heading": part.heading,
        "question": part.check.question,
        "outcome": part.outcome,
        "cut": part.cut,
        "drawings": [_drawing(part.drawing)] if part.drawing and own else [],
        "table": _table(part.columns, part.rows),
        "limits": [_prose(line) for line in part.limits],
    }


def _query(part: Part) -> Json:
    rows = [[cell(f"${name}"), value, cell(why)] for name, value, why in part.parameters]
    return {
        "heading": part.heading,
        "file": f"reports/{part.check.file}, SHA-256 {part.check.sha256}",
        "table": _table(["parameter", "value", "why"], rows),
        "sql": part.check.sql,
        "population": part.check.population,
    }


def _exceptions(document: Document) -> Json:
    number, most = len(document.exceptions), document.most
    words = f"{number:,} in all, of all controls. An exception has the same id in every report that finds it."
    if number > most:
        words += f" Showing the first {most:,}; CSV, JSON and XLSX have all."
    rows = [
        [cell(one.id), cell(f"{one.part}. {one.title}"), cell(one.severity), cell(one.key)]
        for one in document.exceptions[:most]
    ]
    return _list(words, ["exception", "section", "severity", "which"], rows)


def _sources(document: Document) -> Json:
    if document.sources is None:
        return _list("They were not asked for: this report has no section of segments.", [], [])
    words = HOW_SOURCES
    if len(document.sources) > document.most:
        words += f" Showing the first {document.most:,}; CSV, JSON and XLSX have all."
    rows = [
        [cell(value) for value in (one.source, one.source_id, one.segments, one.bytes, one.lines, one.sha256)]
        for one in document.sources[: document.most]
    ]
    names = ["source", "source id", "segments", "bytes", "lines", "SHA-256 of its segments"]
    return _list(words, names, rows)


def _list(words: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Json:
    return {"words": words, "table": _table(columns, rows)}


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Json | None:
    """Return a table whose columns together are as wide as the page, or less."""
    if not rows:
        return None
    needed = [
        max(max(map(len, name.split()), default=1), *(len(printable(row[i].text)) for row in rows))
        for i, name in enumerate(columns)
    ]
    texts = [any(row[i].kind == "text" for row in rows) for i in range(len(columns))]
    most = _fitting(needed, texts, (_PAGE - _PADDING * len(columns)) / _CHARACTER)
    widths = [n * _CHARACTER + _PADDING for n in most]
    return {
        "columns": list(columns),
        "widths": [round(width * min(1.0, _PAGE / sum(widths)), 2) for width in widths],
        "numbers": [c.kind == "number" for c in rows[0]],
        "rows": [[_wrapped(printable(c.text), n) for c, n in zip(row, most, strict=True)] for row in rows],
    }


def _fitting(needed: Sequence[int], texts: Sequence[bool], room: float) -> list[int]:
    """Return how many characters each column gets: numbers and times what they need, if that is possible."""
    for which in (texts, [True] * len(needed)):
        for widest in range(_WIDEST, _NARROWEST, -1):
            most = [min(n, widest) if may else n for n, may in zip(needed, which, strict=True)]
            if sum(most) <= room:
                return most
    return [min(n, _NARROWEST) for n in needed]


def _wrapped(text: str, most: int) -> str:
    """Break a word that is longer than its column: nothing in it may be a place to break."""
    return re.sub(rf"\S{{{most + 1},}}", lambda found: _pieces(found[0], most), text)


def _pieces(word: str, most: int) -> str:
    return "\n".join(word[i : i + most] for i in range(0, len(word), most))
