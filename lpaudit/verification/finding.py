"""What a verification finds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from polars.exceptions import PanicException

from lpaudit.errors import LpauditError, is_interruption


class What(StrEnum):
    """What is wrong, in a word. An auditor looks for these."""

    CHANGED = "changed"
    """Other bytes than those that were signed, or than their name says."""
    MISSING = "missing"
    """It was signed, or is named, and is not there."""
    ADDED = "added"
    """It is there, and neither a commit nor a crash explains it."""
    ROLLED_BACK = "rolled-back"
    """A table, or the tree itself, is shorter than it was."""
    DIFFERENT = "different"
    """Two things that must agree do not: rows and bytes, an offset and its segments."""
    FORKED = "forked"
    """A checkpoint that is not of this tree, or does not go on from the one before."""
    UNSIGNED = "unsigned"
    """Nothing was signed at all, or by no key that is known."""
    UNREADABLE = "unreadable"
    """The operating system gives an error, or what is damaged stops its reading."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what, which file of the store or row it is about, and a sentence."""

    what: What
    where: str
    text: str


def as_findings(where: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """Yield what is found; what stops the search is a finding, too.

    What is damaged may say anything: a time zone that there is none of, a text that is no UTF-8.
    """
    try:
        yield from found
    except LpauditError as error:
        yield Finding(What.UNREADABLE, where, error.message)
    except (Exception, PanicException) as error:  # noqa: BLE001 -- what comes after it is still to be read
        if is_interruption(error):
            raise KeyboardInterrupt from None
        text = f"it says what cannot be: {type(error).__name__}: {error}"
        yield Finding(What.UNREADABLE, where, text)
