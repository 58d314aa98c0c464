"""How a night ended, in words: what is new, and what is not known. Never that all is well."""

from collections.abc import Iterable, Iterator, Sequence

from lpaudit.console import counted
from lpaudit.nightly.record import Run
from lpaudit.report.cells import cell
from lpaudit.visible import instant


def in_a_line(run: Run) -> str:
    """Say it in a line."""
    found = run.facts("checks")
    errors = _errors(run)
    counts = [
        f"{counted(found.get('controls', 0) - len(found.get('errors', ())), 'control')} asked",
        counted(found.get("new", 0), "new exception"),
        f"{found.get('reopened', 0):,} reopened",
    ]
    counts.append(f"{len(found.get('incomplete', ())):,} incomplete")
    if errors:
        counts.append(f"not asked: {', '.join(errors)}")
    if run.failed:
        counts.append(f"{counted(len(run.failed), 'step')} not done")
    return f"night {run.night}: {', '.join(counts)}; run {run.run_id}"


def _errors(run: Run) -> dict[str, str]:
    """Return why checks could not be asked, for the register or for a report."""
    return {check: why for taken in run.steps for check, why in taken.facts.get("errors", {}).items()}


def in_markdown(run: Run) -> str:
    """Say it in Markdown: steps, what is not known, and the reports' hashes."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: Run) -> Iterator[str]:
    yield f"# Night {run.night}"
    yield ""
    yield f"{in_a_line(run)}."
    ended = instant(run.ended_at) if run.ended_at else "not yet"
    yield f"Began {instant(run.started_at)}, ended {ended}, exit status {int(run.status)}."
    yield from _table(("step", "outcome", "detail"), ((t.step, str(t.outcome), t.detail) for t in run.steps))
    incomplete = run.facts("checks").get("incomplete", {})
    if incomplete:
        yield from _table(("not wholly known", "why"), incomplete.items())
    if errors := _errors(run):
        yield from _table(("not asked", "why"), errors.items())
    if run.report_hashes:
        yield from _table(("report", "SHA-256"), run.report_hashes.items())


def _table(head: tuple[str, ...], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell(value).markdown for value in row)} |"
