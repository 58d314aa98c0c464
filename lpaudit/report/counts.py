"""How many of how many, in words: never that something is good."""

from lpaudit.model import Outcome, Result
from lpaudit.report.cells import shown
from lpaudit.report.exceptions import exceptions


def outcome(result: Result) -> str:
    """Say what an answer is worth."""
    population, unit = result.population, result.check.unit
    rows = found(result)
    why = "; ".join(result.reasons)
    if result.outcome is Outcome.ERROR:
        return f"Error: the question could not be asked: {shown(why)}"
    if result.outcome is Outcome.NO_DATA:
        return f"No data: {why}. So this section says nothing either way."
    if result.check.kind == "control":
        text = f"{count(rows, 'exception')} of a population of {population:,} {unit}."
    elif rows == 0:
        text = f"0 of {population:,} {unit}."
    else:
        text = f"{count(rows, 'row')} from a population of {population:,} {unit}."
    return f"{text} Incomplete: {why}." if result.outcome is Outcome.INCOMPLETE else text


def found(result: Result) -> int:
    """Return how many exceptions a control has, or rows a table."""
    rows = exceptions(result) if result.check.kind == "control" else result.rows
    return int(rows.num_rows)


def count(number: int, word: str) -> str:
    """Write a number with its word: ``1 row``, ``2 rows``."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
