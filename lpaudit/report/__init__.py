"""Checks and the store's answers to them → a report in Markdown and HTML.

library.py     which of them there are
check.py       one .sql file under reports/checks
examples.py    one .examples.toml beside it
words.py       a check's SQL → what is compared with a word that cannot be there
framework.py   one .toml file under reports/frameworks
evaluate.py    a framework's checks over a period → values
exceptions.py  a control's values → its exceptions, and their ids
cells.py       values → text that is safe to show
chart.py       hours and their lines → bars
render.py      values → Markdown or HTML
"""

from lpaudit.report.check import load_check
from lpaudit.report.evaluate import ask, evaluate
from lpaudit.report.examples import Example, load_examples
from lpaudit.report.exceptions import exception_ids, exceptions
from lpaudit.report.framework import framework_ids, load_framework
from lpaudit.report.library import SHIPPED, Library, checks, refuse_unknown
from lpaudit.report.render import render
from lpaudit.report.toml import only
from lpaudit.report.words import slips

__all__ = [
    "SHIPPED",
    "Example",
    "Library",
    "ask",
    "checks",
    "evaluate",
    "exception_ids",
    "exceptions",
    "framework_ids",
    "load_check",
    "load_examples",
    "load_framework",
    "only",
    "refuse_unknown",
    "render",
    "slips",
]
