"""How many of how many, in words: never that something is good."""

from lpaudit.model import Outcome, Result
from lpaudit.report.cells import shown
from lpaudit.report.exceptions import exceptions


def outcome(result: Result) -> str:
    """Say what an answer is worth, and why it is worth no more."""
    why = "; ".join(result.reasons)
    if result.outcome is Outcome.ERROR:
        return f"Error: the question could not be asked: {shown(why)}"
    if result.outcome is Outcome.NO_DATA:
        return f"No data: {why}. So this section says nothing either way."
    text = brief(result)
    return f"{text.removesuffix('.')}: {why}." if result.outcome is Outcome.INCOMPLETE else text


def brief(result: Result) -> str:
    """Say the same without reasons, which many answers have in common."""
    population, unit = result.population, result.check.unit
    rows = found(result)
    if result.outcome is Outcome.ERROR:
        return "Error: the question could not be asked."
    if result.outcome is Outcome.NO_DATA:
        return "No data."
    if result.check.kind == "control":
        text = f"{count(rows, 'exception')} of a population of {of_unit(population, unit)}."
    elif rows == 0:
        text = f"0 of {of_unit(population, unit)}."
    else:
        text = f"{count(rows, 'row')} from a population of {of_unit(population, unit)}."
    return f"{text} Incomplete." if result.outcome is Outcome.INCOMPLETE else text


def found(result: Result) -> int:
    """Return how many exceptions a control has, or rows a table."""
    rows = exceptions(result) if result.check.kind == "control" else result.rows
    return int(rows.num_rows)


def of_unit(number: int, unit: str) -> str:
    """Write a number with a check's unit, a plural that its author chose: ``2 hosts``, ``1 (hosts)``."""
    return f"{number:,} ({unit})" if number == 1 else f"{number:,} {unit}"


def count(number: int, word: str) -> str:
    """Write a number with its word: ``1 row``, ``2 rows``."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
