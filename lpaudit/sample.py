"""A draw that an auditor can repeat with a few lines of his own: order by SHA-256(seed ":" row id).

A row's id is the SHA-256 of the row as canonical JSON. Of each stratum the first rows in that order are
taken; of n rows, a stratum of s among N gets the whole part of n·s/N, and what is left over goes to the
largest remainders, in the order of the strata's texts where they are equal.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from lpaudit import pipeline, report
from lpaudit.canonical import canonical, digest
from lpaudit.console import text_of
from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Outcome, Period, Result, Section
from lpaudit.report import toml
from lpaudit.report.exceptions import FINDING
from lpaudit.visible import instant, visible

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """A row that may be drawn: its id, its stratum (an empty text, if there are none), its values."""

    row_id: str
    stratum: str
    row: Row

    def line(self) -> bytes:
        """Return it as a line of the frame's file."""
        return canonical({"row_id": self.row_id, "stratum": self.stratum, "row": self.row}) + b"\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was drawn, in order, from which frame, and how: enough to do it again."""

    result: Result
    period: Period
    seed: str
    wanted: int
    stratify: str | None
    frame: tuple[Item, ...]
    drawn: tuple[Item, ...]

    def method(self) -> Iterator[str]:
        """Yield the method in lines for people and work papers."""
        of = f" in strata by {self.stratify}" if self.stratify else ""
        frame = sha256(b"".join(item.line() for item in self.frame)).hexdigest()
        check = self.result.check
        yield f"check:  {check.id}, reports/{check.file}, SHA-256 {check.sha256}"
        for name, value in self.result.parameters.items():
            if name not in ("start", "end"):
                yield f"        {name}: {visible(text_of(value))}"
        yield f"period: {instant(self.period.start)} to {instant(self.period.end)}, excluded"
        yield f"answer: of a population of {self.result.population:,} {check.unit}"
        for reason in self.result.reasons:
            yield f"        {self.result.outcome}: {visible(reason)}"
        yield f"frame:  {len(self.frame):,} rows of its answer{of}; SHA-256 of the frame's file {frame}"
        yield f"draw:   {len(self.drawn):,} rows; {self.wanted:,} wanted, seed {self.seed!r}"
        yield 'method: the first by SHA-256(seed ":" row id); row id = SHA-256(the row as canonical JSON)'
        for stratum, size in sorted(Counter(item.stratum for item in self.frame).items()):
            if self.stratify:
                taken = sum(item.stratum == stratum for item in self.drawn)
                yield f"        {stratum!r}: {taken:,} of {size:,}"


def draw(  # noqa: PLR0913 -- of what, how, and in whose words
    root: str,
    check_id: str,
    period: Period,
    *,
    wanted: int,
    seed: str,
    stratify: str | None = None,
    exceptions_only: bool = False,
    api_prefixes: Sequence[str],
    library: report.Library = report.SHIPPED,
) -> Sample:
    """Draw from a check's answer: from all its rows, or from a control's exceptions.

    What is not known of the period belongs to the method: who draws from a part has to say so.
    Raises ConfigError for a check or a column that is not there, CheckError, StoreError.
    """
    if check_id not in (known := report.checks(library)):
        raise ConfigError(f"there is no check {check_id!r}", hint=toml.hint(check_id, known))
    asked = replace(report.load_framework("access", library), sections=(Section(check_id),))
    with pipeline.opened(root, api_prefixes) as (connection, _):
        [result] = report.evaluate(asked, period, connection.select, {}, library).results
    check, rows = result.check, result.rows
    if result.outcome is Outcome.ERROR:
        raise CheckError("; ".join(result.reasons))
    if stratify is not None and rows.num_columns and stratify not in rows.column_names:
        raise ConfigError(
            f"{check_id} has no column {stratify!r}", hint=f"it has: {', '.join(rows.column_names)}"
        )
    if exceptions_only and check.kind != "control":
        raise ConfigError(
            f"{check_id} is a table: it has rows, and no exceptions", hint="leave out --exceptions"
        )
    found = rows.to_pylist()
    if exceptions_only and FINDING in rows.column_names:
        found = [row for row in found if row[FINDING]]
    frame = tuple(Item(digest(row), text_of(row[stratify]) if stratify else "", row) for row in found)
    return Sample(result, period, seed, wanted, stratify, frame, tuple(_drawn(frame, seed, wanted)))


def _drawn(frame: Sequence[Item], seed: str, wanted: int) -> Iterator[Item]:
    strata: dict[str, list[Item]] = {}
    for item in frame:
        strata.setdefault(item.stratum, []).append(item)
    sizes = {stratum: len(items) for stratum, items in strata.items()}
    for stratum, share in shares(sizes, min(wanted, len(frame))).items():
        yield from sorted(strata[stratum], key=lambda item: rank(seed, item.row_id))[:share]


def rank(seed: str, row_id: str) -> str:
    """Return what rows are ordered by."""
    return sha256(f"{seed}:{row_id}".encode("utf-8", "surrogatepass")).hexdigest()


def shares(sizes: dict[str, int], wanted: int) -> dict[str, int]:
    """Return how many of each stratum are drawn, in the order of the strata."""
    total = sum(sizes.values())
    found = {stratum: wanted * size // total for stratum, size in sorted(sizes.items())}
    left = wanted - sum(found.values())
    for stratum in sorted(sizes, key=lambda s: (-(wanted * sizes[s] % total), s))[:left]:
        found[stratum] += 1
    return found
