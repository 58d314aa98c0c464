"""What is printed of a report, before any format: counts that others can recompute, and the report's id."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pyarrow as pa
import pytest
from report.hostile import HOSTILE
from report.printed import CHECKPOINT, document
from report.small import line

from lpaudit import report
from lpaudit.errors import CheckError
from lpaudit.model import Outcome, Section
from lpaudit.report.charts import chart
from lpaudit.report.document import STATE

DAY = datetime(2026, 11, 1, tzinfo=UTC).date()


def part_of(document, check_id):
    [part] = [part for part in document.parts if part.check.id == check_id]
    return part


def test_the_cover_says_whose_when_and_that_nobody_signed(printable):
    cover = dict(printable.cover)
    assert cover["Entity"] == "Example <Ltd>"
    assert cover["Period (UTC)"] == "2026-11-23 00:00:00Z (included) to 2026-11-24 00:00:00Z (not included)"
    assert cover["State"] == STATE
    assert cover["Report id"] == printable.id
    nobody = report.document(printable.report, replace(CHECKPOINT, entity="", system="", as_of=None))
    assert not {"Entity", "System"} & set(dict(nobody.cover))
    assert dict(nobody.cover)["Store as of"] == "nothing was ever stored"
    assert nobody.as_of == nobody.period.end


def test_lines_are_accounted_for(printable):
    rows = part_of(printable, "sources").table.to_pylist()
    lines = sum(row["lines"] for row in rows)
    assert printable.equation.startswith(f"{lines:,} lines read = ")
    assert f"+ {sum(row['quarantine'] for row in rows):,} in quarantine" in printable.equation
    only = replace(printable.report, results=printable.report.results[:1])
    summary = replace(only, framework=replace(only.framework, result=(), controls=()))
    assert report.document(summary, CHECKPOINT).equation is None


def test_the_hash_of_a_source_is_that_of_its_segments_hashes(printable):
    hashes = [row["sha256"] for row in part_of(printable, "segments").table.to_pylist()]
    [source] = printable.sources
    assert source.segments == len(hashes)
    assert source.sha256 == sha256("".join(f"{one}\n" for one in hashes).encode()).hexdigest()


def test_every_exception_is_listed_with_its_section(printable):
    listed = {(one.check, one.id) for one in printable.exceptions}
    in_tables = {
        (part.check.id, one)
        for part in printable.parts
        if "exception_id" in part.table.column_names
        for one in part.table.column("exception_id").to_pylist()
        if one
    }
    assert listed == in_tables
    assert {one.check for one in printable.exceptions} >= {"coverage-gaps", "incomplete-period"}
    told = dict(printable.numbers)["Exceptions"]
    assert told.startswith(f"{len(listed)}, by ")
    assert f"{sum(1 for one in printable.exceptions if one.severity == 'high')} high" in told


def test_the_matrix_has_every_control_and_says_of_none_that_it_works(printable):
    lines = [(one.control.id, one.lines, one.check) for one in printable.matrix]
    assert lines == [
        ("C1", 2, "denied"),
        ("C1", 0, "coverage-gaps"),
        ("AC-6(9)", 1, "privileged"),
        ("7.4", 1, ""),
    ]
    assert [one.outcome for one in printable.matrix] == [*["incomplete"] * 3, "nothing here can show it"]
    gaps = printable.matrix[1]
    assert (gaps.population, gaps.exceptions) == ("2 sources", "1 exception")


@pytest.mark.parametrize(
    "change",
    [
        lambda r, c: (r, replace(c, versions={**c.versions, "access_event": 4})),
        lambda r, c: (r, replace(c, software={"lpaudit": "0.0.1"})),
        lambda r, c: (r, replace(c, entity="Another")),
        lambda r, c: (replace(r, period=replace(r.period, end=r.period.end + timedelta(seconds=1))), c),
        lambda r, c: (replace(r, framework=replace(r.framework, sha256="0")), c),
        lambda r, c: (replace(r, store={"api prefix": "/elsewhere"}), c),
        lambda r, c: (replace(r, results=tuple(replace(one, parameters=dict(list(one.parameters.items())[:1])) for one in r.results)), c),
        lambda r, c: (replace(r, results=tuple(replace(one, check=replace(one.check, sha256="0")) for one in r.results)), c),
    ],
)  # fmt: skip
def test_the_id_is_another_where_anything_is_that_the_report_follows_from(printable, change):
    assert re.fullmatch("[0-9a-f]{32}", printable.id)
    assert report.document(printable.report, CHECKPOINT).id == printable.id
    assert report.document(*change(printable.report, CHECKPOINT)).id != printable.id


def test_a_copy_of_a_store_gives_reports_of_the_same_id(printable):
    elsewhere = replace(printable.report, store={"store": "/elsewhere"})
    assert report.document(elsewhere, CHECKPOINT).id == printable.id


def test_a_question_that_could_not_be_asked_is_printed_as_such_in_every_format(printable, tmp_path):
    def failed(result):
        return replace(result, outcome=Outcome.ERROR, reasons=(HOSTILE,), population=0, rows=pa.table({}))

    results = tuple(
        failed(r) if r.check.id in {"hours", "coverage-calendar", "denied", "sources", "segments"} else r
        for r in printable.report.results
    )
    document = report.document(replace(printable.report, results=results), CHECKPOINT)
    assert len(report.not_asked(document)) == 5
    assert document.sources is None
    for form in report.FORMATS:
        report.write(document, form, tmp_path)
    assert "the question could not be asked" in (tmp_path / "mine.html").read_text()
    assert "<script>alert" not in (tmp_path / "mine.html").read_text()


def calendar(hours, gaps=0, days=3, hosts=("gw1",)):
    rows = [
        {
            "day": DAY + timedelta(days=n),
            "host": host,
            "lines": 10 * hours,
            "hours_with_lines": hours,
            "hours": 24,
            "known_gaps": gaps,
        }
        for host in hosts
        for n in range(days)
    ]
    return chart("calendar", pa.Table.from_pylist(rows), "c")


def test_a_calendar_says_in_numbers_and_patterns_what_it_says_in_colours():
    full, silent, gap = calendar(24), calendar(0), calendar(7, gaps=1)
    assert full.svg.count(">24</text>") == 1 + 3  # the 24th of the month, too
    assert "Of 3 days 3 have lines in every hour, 0 have none" in full.description
    assert silent.svg.count('fill="url(#c-hatch)"') == 1 + 3
    assert gap.svg.count('class="gap"') == 1 + 3
    assert "gw1 2026-11-01: 70 lines, in 7 of 24 hours, 1 known gaps" in gap.svg


def test_a_calendar_of_many_hosts_is_cut_and_says_so():
    drawn = calendar(1, hosts=[f"<host {n:03d}>" for n in range(60)])
    assert "Drawn are the first 48 of 60 months of hosts." in drawn.description
    assert "<host" not in drawn.svg


def test_days_are_stacked_as_high_as_they_were_counted():
    rows = [
        {"day": DAY, "answered": 60, "denied": 30, "refused_as_wrong": 10, "failed": 0, "without_status": 0}
    ]
    drawn = chart("outcomes", pa.Table.from_pylist(rows), "c")
    assert re.findall(r'class="bar[^"]*"[^>]* height="([\d.]+)"', drawn.svg)[:3] == ["120", "60", "20"]
    assert "60 answered, 30 denied, 10 refused as wrong, 0 failed" in drawn.description
    years = [rows[0] | {"day": DAY + timedelta(days=n)} for n in range(1000)]
    assert "One bar for each 3 days" in chart("outcomes", pa.Table.from_pylist(years), "c").description


@pytest.mark.parametrize(
    ("requests", "told"), [(999, "999"), (1508, "1.5k"), (12_999, "12k"), (3_000_000, "3.0M")]
)
def test_an_hour_of_the_week_says_how_many_there_were(requests, told):
    rows = pa.Table.from_pylist([{"weekday": 7, "hour": 23, "requests": requests}])
    drawn = chart("week", rows, "c")
    assert f">{told}</text>" in drawn.svg
    assert f"most on Sunday from 23:00 ({requests:,})" in drawn.description


@pytest.mark.parametrize("kind", ["calendar", "outcomes", "week", "hours"])
def test_a_chart_of_something_else_is_refused(kind):
    with pytest.raises(CheckError):
        chart(kind, pa.table({"a": [1]}), "c")


def test_why_answers_are_incomplete_is_told_once(store_of):
    """A day of whose lines only an hour is known: that is no reason to say so forty times."""
    lines = [line("10:00:00", "GET /api/health"), line("11:00:00", "DELETE /api/flows/1", 403)]
    printed = document(store_of(access=lines).evaluate())
    incomplete = [part for part in printed.parts if part.result.outcome is Outcome.INCOMPLETE]
    assert len(incomplete) > 5
    [told] = [value for name, value in printed.numbers if name.startswith("Answered for a part")]
    assert told.startswith(f"{len(incomplete)} of {len(printed.parts)} questions: ")
    for reason in incomplete[0].result.reasons:
        assert told.count(reason) == 1
        assert all(reason in part.outcome and reason not in part.brief for part in incomplete)
    assert all(part.brief.endswith(" Incomplete.") for part in incomplete)


def test_the_first_row_of_each_exception_that_is_shown_can_be_linked_to(no_lines):
    evaluated = no_lines.evaluate()
    control = next(r for r in evaluated.results if r.check.id == "incomplete-period")
    wide = {name: ["a", "b", "a", "c", "d"] for name in control.check.key}
    rows = pa.table({**wide, "finding": [True, False, True, True, True]})
    result = replace(control, rows=rows, section=Section(control.check.id, show=4))
    results = tuple(result if one is control else one for one in evaluated.results)
    printed = document(replace(evaluated, results=results))
    [part] = [one for one in printed.parts if one.check is control.check]
    first, none, again, other = part.anchors
    assert (none, again) == (None, None)
    ids = part.table.column("exception_id").to_pylist()
    assert (first, other) == (f"exception-{ids[0]}", f"exception-{ids[3]}")


def test_no_check_of_ours_has_such_a_column(no_lines):
    everything = {name: report.load_check(name) for name in report.checks()}
    period = no_lines.evaluate().period
    for name in ("open-exceptions", "missed-nights", "review-sign-off", "denied-requests"):
        _, rows, _ = report.ask(everything[name], period, no_lines.select)
        assert "exception_id" not in rows.column_names, name
