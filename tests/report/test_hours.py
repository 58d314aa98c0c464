"""Bars: what is drawn must be what was counted."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from lpaudit.errors import CheckError
from lpaudit.report.hours import HEIGHT, MOST_BARS, hours_chart
from lpaudit.report.svg import WIDTH

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(lines, start=START):
    return pa.table({"hour": [start + timedelta(hours=i) for i in range(len(lines))], "lines": lines})


def test_a_bar_is_as_high_as_its_hour_has_lines():
    chart = hours_chart(rows([0, 50, 100]))
    assert [bar.height for bar in chart.bars] == [0, HEIGHT / 2, HEIGHT]
    assert [bar.silent for bar in chart.bars] == ["all", "none", "none"]
    assert (chart.step, chart.highest) == ("hour", 100)
    assert "1 of 3 hours have no lines" in chart.description


def test_a_single_line_can_be_seen_beside_a_million():
    assert hours_chart(rows([1, 1_000_000])).bars[0].height >= 1


@pytest.mark.parametrize(("hours", "step"), [(366, "hour"), (367, "day"), (1001, "day"), (9000, "week")])
def test_a_long_period_is_drawn_in_longer_steps(hours, step):
    chart = hours_chart(rows([1] * hours))
    assert chart.step == step
    assert len(chart.bars) <= MOST_BARS
    assert chart.bars[-1].x + chart.bars[-1].width <= WIDTH
    assert len(chart.ticks) <= 7


def test_a_day_says_that_some_of_its_hours_are_silent():
    lines = [1] * 24 * 20
    lines[30] = 0
    lines[48:72] = [0] * 24
    bars = hours_chart(rows(lines)).bars
    assert [bar.silent for bar in bars[:4]] == ["none", "some", "all", "none"]
    assert bars[1].title == "2026-01-02 00:00:00Z: 23 lines, 1 of 24 hours without any"


def test_days_begin_at_midnight_also_when_the_period_does_not():
    chart = hours_chart(rows([1] * 24 * 30, START + timedelta(hours=4)))
    assert [bar.title[:20] for bar in chart.bars[:2]] == ["2026-01-01 04:00:00Z", "2026-01-02 00:00:00Z"]
    assert chart.bars[0].title.endswith(": 20 lines")
    assert len(chart.bars) == 31


def test_nothing_at_all_is_drawn_as_nothing():
    assert hours_chart(rows([])) is None
    assert {bar.height for bar in hours_chart(rows([0, 0])).bars} == {0}


def test_a_chart_of_something_else_is_refused():
    with pytest.raises(CheckError):
        hours_chart(pa.table({"day": [1]}))
