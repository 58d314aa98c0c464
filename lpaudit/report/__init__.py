"""Checks and the store's answers to them → a report in seven formats.

library.py     which of them there are
check.py       one .sql file under reports/checks
repeatable.py  a check's SQL → what in it would give another answer each time
examples.py    one .examples.toml beside it
words.py       a check's SQL → what is compared with a word that cannot be there
framework.py   one .toml file under reports/frameworks
evaluate.py    a framework's checks over a period → values
exceptions.py  a control's values → its exceptions, and their ids
cells.py       values → text that is safe to show
counts.py      how many of how many, in words
charts.py      values → drawings: hours.py, calendar.py, outcomes.py, week.py, with svg.py
matrix.py      controls and what bears on them
document.py    values → what is printed, the same for every format
formats.py     a document → files: html.py and markdown.py (with templates.py), csv_.py, json_.py,
               xlsx.py, oscal.py, pdf.py
recognise.py   a file → whether it is one of these
"""

from lpaudit.report.check import load_any, load_check
from lpaudit.report.csv_ import table_texts, text_pieces
from lpaudit.report.document import Document, Part, document, not_asked
from lpaudit.report.evaluate import ask, evaluate, lacking
from lpaudit.report.examples import Example, load_examples
from lpaudit.report.exceptions import EXCEPTION_ID, anchor, exception_ids, exceptions
from lpaudit.report.formats import FORMATS, check_formats, write
from lpaudit.report.framework import framework_ids, load_framework
from lpaudit.report.json_ import plain
from lpaudit.report.library import SHIPPED, Library, checks, refuse_unknown
from lpaudit.report.recognise import is_report
from lpaudit.report.toml import only
from lpaudit.report.words import slips

__all__ = [
    "EXCEPTION_ID",
    "FORMATS",
    "SHIPPED",
    "Document",
    "Example",
    "Library",
    "Part",
    "anchor",
    "ask",
    "check_formats",
    "checks",
    "document",
    "evaluate",
    "exception_ids",
    "exceptions",
    "framework_ids",
    "is_report",
    "lacking",
    "load_any",
    "load_check",
    "load_examples",
    "load_framework",
    "not_asked",
    "only",
    "plain",
    "refuse_unknown",
    "slips",
    "table_texts",
    "text_pieces",
    "write",
]
