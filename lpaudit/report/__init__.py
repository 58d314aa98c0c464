"""Checks and the store's answers to them → a report in Markdown and HTML.

check.py       one .sql file under reports/checks
framework.py   one .toml file under reports/frameworks
evaluate.py    a framework's checks over a period → values
exceptions.py  a control's values → its exceptions, and their ids
cells.py       values → text that is safe to show
chart.py       hours and their lines → bars
render.py      values → Markdown or HTML
"""

from lpaudit.report.check import load_check
from lpaudit.report.evaluate import ask, evaluate
from lpaudit.report.exceptions import exception_ids, exceptions
from lpaudit.report.framework import framework_ids, load_framework
from lpaudit.report.render import render

__all__ = [
    "ask",
    "evaluate",
    "exception_ids",
    "exceptions",
    "framework_ids",
    "load_check",
    "load_framework",
    "render",
]
