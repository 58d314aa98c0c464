"""A framework's controls and the answers that bear on them → the lines of the control matrix."""

from collections.abc import Iterator
from dataclasses import dataclass

from lpaudit.model import Control, Outcome, Report, Result
from lpaudit.report.counts import count, found, of_unit

_OUTCOMES = {
    Outcome.ROWS: "listed",
    Outcome.EXCEPTIONS: "counted",
    Outcome.INCOMPLETE: "incomplete",
    Outcome.NO_DATA: "no data",
    Outcome.ERROR: "error",
}
"""Of none of them can be said that something is in order."""


@dataclass(frozen=True, slots=True)
class Line:
    """One question that bears on a control; of a control that nothing bears on, a line without any.

    ``lines`` is how many lines the control has, in its first line, and 0 in those that follow.
    ``part`` is the number of the section.
    """

    control: Control
    lines: int
    part: int | None
    check: str
    title: str
    population: str
    exceptions: str
    outcome: str


def matrix(report: Report) -> Iterator[Line]:
    """Yield the lines, in the framework's order."""
    numbered = {result.check.id: (number, result) for number, result in enumerate(report.results, 1)}
    for control in report.framework.controls:
        if not control.checks:
            yield Line(control, 1, None, "", "", "", "", "nothing here can show it")
        for position, check_id in enumerate(control.checks):
            yield _line(control, 0 if position else len(control.checks), *numbered[check_id])


def _line(control: Control, lines: int, part: int, result: Result) -> Line:
    asked = result.outcome not in (Outcome.ERROR, Outcome.NO_DATA)
    is_control = result.check.kind == "control"
    return Line(
        control=control,
        lines=lines,
        part=part,
        check=result.check.id,
        title=result.check.title,
        population=of_unit(result.population, result.check.unit)
        if result.outcome is not Outcome.ERROR
        else "",
        exceptions=(count(found(result), "exception" if is_control else "row")) if asked else "",
        outcome=_OUTCOMES[result.outcome],
    )
