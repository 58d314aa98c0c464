"""What is worth waking somebody for: what is new about a night, and the message that says so."""

import re
from collections.abc import Iterator
from pathlib import Path

from lpaudit import pipeline, report
from lpaudit.alerts import Message
from lpaudit.alerts.message import Row
from lpaudit.nightly.record import Run, Taken

EXCEPTIONS = "exceptions"
"""How many were told: a fact of the step that alerts."""

_ROW = re.compile('<tr id="([^"]+)"')
_PLACE = re.compile(r"\{(night|framework|check|row)\}")
_NEW = """
select exception_id, event, check_id, severity, row_key from exception
where run_id = $run_id and event in ('new', 'reopened')
order by list_position(['critical', 'high', 'medium', 'low'], severity), check_id, exception_id
"""


def is_news(run: Run, message: Message, before: Run | None, told: Run | None) -> bool:
    """Tell if somebody should know: what is as bad as the night before is known already.

    ``told`` is the same run when it was last told of; one that is gone on with is no news by itself.
    """
    known = {cause for one in (before, told) if one for cause in _causes(one)}
    fresh = len(message.exceptions) > (told.facts("alert")[EXCEPTIONS] if told else 0)
    return fresh or bool(_causes(run) - known)


def _causes(run: Run) -> set[tuple[str, ...]]:
    incomplete = run.facts("checks").get("incomplete", {})
    failed = {("failed", taken.step, why) for taken in run.failed for why in _reasons(taken, run)}
    return failed | {("incomplete", check) for check in incomplete}


def _reasons(taken: Taken, run: Run) -> Iterator[str]:
    """Yield why a step failed, without figures, and without the night: its directory is no other reason."""
    errors = [f"{check}: {why}" for check, why in taken.facts.get("errors", {}).items()]
    for why in errors or [taken.facts.get("problem", taken.detail)]:
        yield why.replace(run.night, "the night")


def message(root: str, location: str, run: Run, link: str, library: report.Library, out: Path) -> Message:
    """Return what there is to say about a run. Raises StoreError, CheckError.

    ``link`` is where a report can be read: a URL with {night}, {framework}, {check} and {row} in it. ``out``
    is the directory of all reports.
    """
    found = pipeline.select(root, "exception", _NEW, {"run_id": run.run_id}).to_pylist()
    shown = {
        name: {s.check for s in report.load_framework(name, library).sections} for name in run.frameworks
    }

    rows = {name: _rows(out / run.night / f"{name}.html") for name in run.frameworks}

    def linked(check: str, exception_id: str) -> str:
        framework = next((name for name, checks in shown.items() if check in checks), None)
        if framework is None:
            return ""
        row = report.anchor(exception_id)
        return fill(link, run.night, framework, check, row if row in rows[framework] else check)

    return Message(
        store=location,
        host=run.host,
        run_id=run.run_id,
        night=run.night,
        exit_status=int(run.status),
        exceptions=tuple(
            Row(
                exception_id=row["exception_id"],
                event=row["event"],
                check=row["check_id"],
                severity=row["severity"],
                key=row["row_key"],
                link=linked(row["check_id"], row["exception_id"]),
            )
            for row in found
        ),
        failed=tuple((taken.step, taken.detail) for taken in run.failed),
        incomplete=tuple(run.facts("checks").get("incomplete", {}).items()),
        reports=tuple(fill(link, run.night, name, "part-result", "part-result") for name in run.frameworks),
    )


def _rows(page: Path) -> frozenset[str]:
    """Return the ids of the rows that a page has: of a long list it shows the first ones alone."""
    try:
        return frozenset(_ROW.findall(page.read_text("utf-8")))
    except OSError:
        return frozenset()


def fill(link: str, night: str, framework: str, check: str, row: str) -> str:
    """Put a night, a framework, a check and a row of its table into a link."""
    given = {"night": night, "framework": framework, "check": check, "row": row}
    return _PLACE.sub(lambda found: given[found[1]], link)
