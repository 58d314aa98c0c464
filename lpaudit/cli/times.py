"""Texts → times: how people write a period, or since when."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from lpaudit.errors import ConfigError
from lpaudit.visible import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from lpaudit.model import Period

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def asked_period(name: str | None, from_: str | None, to: str | None) -> "Period":
    """Return the period that --period, or --from and --to, mean. Raises ConfigError."""
    if name is not None and from_ is None and to is None:
        return named_period(name)
    if name is None and from_ is not None and to is not None:
        return period_of(from_, to)
    raise ConfigError("which period?", hint="either --period 2026-Q3, or --from and --to")


def named_period(name: str) -> "Period":
    """Return the year, quarter, month, ISO week or day of a name, in UTC. Raises ConfigError."""
    from lpaudit.model import Period  # noqa: PLC0415 -- start-up time

    try:
        first, last = next(
            of(*map(int, found.groups())) for form, of in _PERIODS if (found := re.fullmatch(form, name))
        )
        start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    except (StopIteration, ValueError, OverflowError):
        raise ConfigError(
            f"--period {name!r} is not a period",
            hint="write it like 2026, 2026-Q3, 2026-11, 2026-W47 or 2026-11-23",
        ) from None
    return Period(start, end)


def _months(year: int, first: int, last: int) -> tuple[date, date]:
    return date(year, first, 1), date(year, last, monthrange(year, last)[1])


_PERIODS: "tuple[tuple[str, Callable[..., tuple[date, date]]], ...]" = (
    (r"(\d{4})", lambda year: _months(year, 1, 12)),
    (r"(\d{4})-Q([1-4])", lambda year, quarter: _months(year, 3 * quarter - 2, 3 * quarter)),
    (r"(\d{4})-(\d\d)", lambda year, month: _months(year, month, month)),
    (
        r"(\d{4})-W(\d\d)",
        lambda y, week: (date.fromisocalendar(y, week, 1), date.fromisocalendar(y, week, 7)),
    ),
    (r"(\d{4})-(\d\d)-(\d\d)", lambda *day: (date(*day), date(*day))),
)
"""The names of periods, and their first and last days."""


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


def so_long_before(option: str, text: str, now: datetime) -> datetime:
    """Return the time that is as long before ``now`` as a text says: 400d, 57w, 13mo, 7y. Raises ConfigError.

    Months and years are those of the calendar; a day that a month does not have is its last.
    """
    told = re.fullmatch(r"([1-9]\d{0,5})(d|w|mo|y)", text)
    try:
        if told:
            count = int(told[1])
            if told[2] in _UNITS:
                return now - timedelta(**{_UNITS[told[2]]: count})
            months = now.year * 12 + now.month - 1 - count * (12 if told[2] == "y" else 1)
            year, month = divmod(months, 12)
            day = min(now.day, monthrange(year, month + 1)[1])
            return now.replace(year=year, month=month + 1, day=day)
    except (OverflowError, ValueError):
        raise ConfigError(
            f"{option} {text!r} is before all time", hint="write it like 400d, 13mo or 7y"
        ) from None
    raise ConfigError(
        f"{option} {text!r} is no time to keep lines for", hint="write it like 400d, 57w, 13mo or 7y"
    )


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
