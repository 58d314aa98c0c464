"""Texts → times: how people write a period, or since when."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from lpaudit.errors import ConfigError
from lpaudit.visible import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from lpaudit.model import Period

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def period_of(from_: str, to: str) -> "Period":
    """Return the period that the texts of --from and --to mean. Raises ConfigError."""
    from lpaudit.model import Period  # noqa: PLC0415 -- start-up time

    start = moment("--from", from_, lambda day: day)
    end = moment("--to", to, lambda day: day + timedelta(days=1))
    if end <= start:
        raise ConfigError(
            f"the period from {instant(start)} to {instant(end)} holds no time",
            hint="--to comes after --from",
        )
    return Period(start, end)


def since_when(text: str, now: datetime) -> datetime:
    """Return the time that a text of --since means: so long before ``now``, or itself. Raises ConfigError."""
    ago = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    try:
        if ago:
            return now.replace(microsecond=0) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    except OverflowError:
        raise ConfigError(f"--since {text!r} is before all time", hint="write it like 24h or 7d") from None
    return moment("--since", text, lambda day: day)


def moment(option: str, text: str, of_day: "Callable[[date], date]") -> datetime:
    """Return the time that an option's text means: without an offset, UTC. Raises ConfigError.

    A date is a whole day, so that `--to 2026-09-30` never drops the last day of a quarter:
    ``of_day`` says which midnight it stands for.
    """
    try:
        if len(text) <= len("2026-11-23"):
            return datetime.combine(of_day(date.fromisoformat(text)), time(), UTC)
        told = datetime.fromisoformat(text)
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} {text!r} is not a time", hint="write it like 2026-11-23 or 2026-11-23T06:00Z"
        ) from None
