"""A report as it is printed, of a store that is at known versions."""

from datetime import UTC, datetime

from lpaudit import report
from lpaudit.model import Checkpoint
from lpaudit.report.html import html
from lpaudit.report.markdown import markdown

CHECKPOINT = Checkpoint(
    versions={"access_event": 3, "flow_run": 1},
    as_of=datetime(2026, 11, 24, tzinfo=UTC),
    software={"lpaudit": "0.0.0", "DuckDB": "0.0.0"},
    entity="Example <Ltd>",
    system="Prefect | production",
)


def document(evaluated):
    """What is printed of it."""
    return report.document(evaluated, CHECKPOINT)


def printed(evaluated, form):
    """The text of ``html`` or ``md``."""
    return {"html": html, "md": markdown}[form](document(evaluated))
