"""--period: names of periods, and the first and last instants that they stand for."""

import pytest

from lpaudit.cli.times import asked_period
from lpaudit.errors import ConfigError
from lpaudit.visible import instant


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-Q1", "2026-01-01", "2026-04-01"),
        ("2026-Q3", "2026-07-01", "2026-10-01"),
        ("2026-Q4", "2026-10-01", "2027-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-W47", "2026-11-16", "2026-11-23"),
        ("2026-W01", "2025-12-29", "2026-01-05"),
        ("2026-W53", "2026-12-28", "2027-01-04"),
        ("2026-11-23", "2026-11-23", "2026-11-24"),
    ],
)
def test_a_name_is_a_period(name, start, end):
    period = asked_period(name, None, None)
    assert (instant(period.start), instant(period.end)) == (f"{start} 00:00:00Z", f"{end} 00:00:00Z")


@pytest.mark.parametrize(
    "name",
    ["", "26", "2026-Q5", "2026-Q0", "2026-13", "2026-00", "2025-W53", "2026-W00", "2026-02-29", "9999", "0000", "2026-q3", "2026Q3"],
)  # fmt: skip
def test_anything_else_is_refused(name):
    with pytest.raises(ConfigError, match="is not a period"):
        asked_period(name, None, None)


@pytest.mark.parametrize(
    "given",
    [
        (None, None, None),
        ("2026", "2026-01-01", None),
        (None, "2026-01-01", None),
        (None, None, "2026-01-01"),
    ],
)
def test_a_period_is_given_in_one_way(given):
    with pytest.raises(ConfigError, match="which period"):
        asked_period(*given)
