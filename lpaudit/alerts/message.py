"""What is told about a night. Its keys and ids are ours; the rest may be from a log, and stays text."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lpaudit import __version__
from lpaudit.console import counted
from lpaudit.visible import visible

_SHOWN = 20
_WIDEST = 300  # characters of a log's text in a line for people


@dataclass(frozen=True, slots=True)
class Row:
    """An exception that is new or was reopened.

    ``key`` is JSON; ``link`` leads to its row in a report, and is empty if none has it.
    """

    exception_id: str
    event: str
    check: str
    severity: str
    key: str
    link: str


@dataclass(frozen=True, slots=True)
class Message:
    """A night that somebody should know of."""

    store: str
    host: str
    run_id: str
    night: str
    exit_status: int
    exceptions: tuple[Row, ...]
    failed: tuple[tuple[str, str], ...]
    """(step, why)"""
    incomplete: tuple[tuple[str, str], ...]
    """(check, why)"""
    reports: tuple[str, ...]

    @property
    def subject(self) -> str:
        """One line with nothing in it that a log could have written."""
        parts = [
            counted(len(self.exceptions), "new exception") if self.exceptions else "",
            counted(len(self.failed), "failed step") if self.failed else "",
            f"{counted(len(self.incomplete), 'check')} incomplete" if self.incomplete else "",
        ]
        told = ", ".join(filter(None, parts)) or "nothing new"
        return visible(f"lpaudit {self.night} on {self.host}: {told}")

    def json(self) -> dict[str, Any]:
        """Return it for programs: with the first exceptions, and how many there are."""
        return {
            "lpaudit": __version__,
            "subject": self.subject,
            "store": self.store,
            "host": self.host,
            "run_id": self.run_id,
            "night": self.night,
            "exit_status": self.exit_status,
            "exception_count": len(self.exceptions),
            "exceptions": [asdict(found) for found in self.exceptions[:_SHOWN]],
            "failed": [{"step": step, "why": why} for step, why in self.failed],
            "incomplete": [{"check": check, "why": why} for check, why in self.incomplete],
            "reports": list(self.reports),
        }

    def text(self) -> str:
        """Return it for people: a line each, in which a log's text can do nothing."""
        return "\n".join(_short(line) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.subject
        for found in self.exceptions[:_SHOWN]:
            yield f"{found.severity} {found.event}: {found.check} {found.exception_id} {_short(found.key)}"
            yield f"  {found.link or 'in none of the reports'}"
        if len(self.exceptions) > _SHOWN:
            yield f"… and {len(self.exceptions) - _SHOWN:,} more: lpaudit exceptions list --open"
        for step, why in self.failed:
            yield f"failed: {step}: {why}"
        for check, why in self.incomplete:
            yield f"incomplete: {check}: {why}"
        for report in self.reports:
            yield f"report: {report}"


def _short(text: str) -> str:
    seen = visible(text)
    return seen if len(seen) <= _WIDEST else f"{seen[:_WIDEST]}…"
