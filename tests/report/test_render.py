"""The whole report: its words, its bytes, and that no log line can write into it."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from report.printed import printed
from report.small import DAY, OTHER, RUN, gap, line

from lpaudit import report
from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import GapCause, Outcome, Period
from lpaudit.report.counts import outcome

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "report"
UPDATE = os.environ.get("LPAUDIT_UPDATE_GOLDEN") == "1"  # read before the tests' clean environment

SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    line("10:00:00", f"DELETE /{SCRIPT}|`x`", 403, user=f"{SCRIPT}|`u`", agent=SCRIPT),
    line("10:00:01", "DELETE /api/[click](http://evil.example)", 401),
    line("10:00:02", r"DELETE /\x1b[31mred\xe2\x80\xaegpj", 403, user="=cmd|x"),
    line("10:00:03", "DELETE /{{ 7*7 }}{% raw %}", 403, user="{denied.rows}"),
    line("10:00:04", r"DELETE /a\r\n# Heading\n| a | b |", 403, client="<b>"),
    f"{SCRIPT} garbage",
]


class Page(HTMLParser):
    """What a browser sees: tags and links."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.ids = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in {"href", "src", "xlink:href"}]
        self.ids += [v for k, v in attrs if k == "id"]
        assert not [k for k, _ in attrs if k.startswith("on")]


@pytest.fixture
def hostile(store_of):
    return store_of(access=[line("09:00:00", "GET /"), *HOSTILE], runs=[{"id": RUN, "name": SCRIPT}])


def test_hostile_text_stays_text_in_html(hostile):
    html = printed(hostile.evaluate(), "html")
    page = Page(html)
    assert page.tags.count("script") == 1  # the page's own
    assert not {"b", "img", "iframe", "object", "link"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "&lt;script&gt;alert(1)" in html
    assert r"\x1b[31mred\u202egpj" in html
    assert "&#39;=cmd|x" in html
    assert "{{ 7*7 }}" in html
    assert re.search(r"[^\n\x20-\x7e\u00a1-\u1fff\u2010-\u2027\u2030-\u205e\u20a0-\uffff]", html) is None


def test_hostile_text_stays_text_in_markdown(hostile):
    markdown = printed(hostile.evaluate(), "md")
    outside = re.sub(r"(?ms)^```sql\n.*?^```$", "", markdown)
    assert "<" not in outside
    assert r"\x3cscript\x3ealert(1)\x3c/script\x3e\x7c\x60x\x60" in outside
    assert "\n# Heading" not in markdown
    assert r"`/api/[click](http://evil.example)`" in outside  # a code span: no link
    assert re.search(r"[^\n\x20-\x7e\u00a1-\u1fff\u2010-\u2027\u2030-\u205e\u20a0-\uffff]", markdown) is None
    for table in re.findall(r"(?m)(?:^\|.*\n)+", outside):
        assert len({row.count("|") for row in table.splitlines()}) == 1, table


def test_the_page_needs_nothing_but_itself(hostile):
    html = printed(hostile.evaluate(), "html")
    assert "<html lang=" in html
    assert "default-src 'none'" in html
    assert not re.search(r"(?i)@import|url\((?!#chart-)", html)
    assert '<th scope="col">' in html
    assert 'role="img"' in html


def test_every_section_says_question_population_limits_sql_and_hash(hostile):
    evaluated = hostile.evaluate()
    for form in ("md", "html"):
        text = printed(evaluated, form).replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")
        text = text.replace("&#34;", '"').replace("&amp;", "&")
        for result in evaluated.results:
            for part in (result.check.title, result.check.question, result.check.sha256, result.check.sql):
                assert part in text
            assert outcome(result) in text
        for sentence in evaluated.framework.not_shown:
            assert sentence in text
        assert not re.search(r"(?i)\bpass(ed)?\b|is compliant", text)


def test_the_same_store_and_period_give_the_same_bytes(hostile):
    for form in ("md", "html"):
        assert printed(hostile.evaluate(), form) == printed(hostile.evaluate(), form)


def with_rows(result, number, population, kind="table"):
    rows = pa.table({"a": list(range(number))})
    return replace(
        result,
        rows=rows,
        population=population,
        outcome=Outcome.ROWS if population else Outcome.NO_DATA,
        reasons=() if population else ("there are 0 lines",),
        check=replace(result.check, kind=kind, unit="lines"),
    )


@pytest.mark.parametrize(
    ("number", "population", "kind", "words"),
    [
        (12, 16181, "table", "12 rows from a population of 16,181 lines."),
        (1, 2, "table", "1 row from a population of 2 lines."),
        (0, 16181, "table", "0 of 16,181 lines."),
        (1, 1, "table", "1 row from a population of 1 (lines)."),
        (0, 1, "table", "0 of 1 (lines)."),
        (0, 5, "control", "0 exceptions of a population of 5 lines."),
        (1, 5, "control", "1 exception of a population of 5 lines."),
        (4, 1, "control", "4 exceptions of a population of 1 (lines)."),
        (0, 0, "control", "No data: there are 0 lines. So this section says nothing either way."),
        (0, 0, "table", "No data: there are 0 lines. So this section says nothing either way."),
    ],
)
def test_an_outcome_is_a_count_of_a_population(no_lines, number, population, kind, words):
    assert outcome(with_rows(no_lines.result("denied"), number, population, kind)) == words


@pytest.mark.parametrize("form", ["md", "html"])
def test_a_table_that_is_cut_says_so(store_of, form):
    lines = [line("10:00:00", f"GET /{i}", 403) for i in range(250)]
    text = printed(store_of(access=lines).evaluate(), form)
    assert "Showing the first 200 of 250 rows; the SQL gives all" in text
    assert "250 rows from a population of 250 lines of the period" in text


@pytest.mark.parametrize("form", ["md", "html"])
def test_a_year_can_be_printed(no_lines, form):
    year = Period(DAY.start, DAY.start + timedelta(days=365))
    text = printed(no_lines.evaluate(year), form)
    assert "Showing the first 744 of 8,760 rows" in text
    assert len(text) < 500_000


def test_an_unknown_format_is_refused(no_lines):
    with pytest.raises(ConfigError, match="no format 'pfd'"):
        report.check_formats(["html", "pfd"])


def test_a_sentence_that_names_no_figure_is_refused(no_lines):
    evaluated = no_lines.evaluate()
    broken = replace(evaluated, framework=replace(evaluated.framework, result=("{nothing} of {lines}",)))
    with pytest.raises(CheckError, match="nothing"):
        printed(broken, "md")


def somewhere(rows, folder):
    """The rows with this machine's folder replaced: before rendering, because cells know their length."""
    if "source" not in rows.column_names:
        return rows
    moved = pc.replace_substring(rows["source"], folder, "/var/log/lighttpd")
    return rows.set_column(rows.column_names.index("source"), "source", moved)


@pytest.mark.parametrize("form", ["md", "html"])
def test_golden(store_of, tmp_path, form):
    """What a reader gets: look at the difference, then LPAUDIT_UPDATE_GOLDEN=1."""
    store = store_of(
        access=[
            line("09:58:00", "GET /api/flows/filter", user="alice"),
            line("10:00:00", f"POST /api/deployments/{OTHER}/create_flow_run", 201, user="alice"),
            line("10:00:01", f"GET /api/flow_runs/{RUN}", user="worker-etl"),
            line("10:00:02", f"POST /api/flow_runs/{RUN}/set_state", 201, user="worker-etl"),
            line("10:00:03", "GET /api/events/out", 401),
            line("12:30:00", f"DELETE /api/flow_runs/{RUN}", 403, user="bob", client="2001:db8::7"),
            *HOSTILE,
        ],
        rotated=[line("01:00:00", "POST /api/logs/", 201, user="worker-etl"), ""],
        runs=[{"id": RUN, "name": "rousing-whale", "state_name": "Completed"}],
        gaps=[gap("10:00", "12:30"), gap(None, "09:00", cause=GapCause.DELETED, bytes=None, from_offset=99)],
    )
    period = Period(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 23, 13, tzinfo=UTC))
    evaluated = store.evaluate(period)
    moved = tuple(replace(r, rows=somewhere(r.rows, str(tmp_path))) for r in evaluated.results)
    text = printed(replace(evaluated, results=moved), form)
    golden = GOLDEN / f"access.{form}"
    if UPDATE:
        golden.write_text(text)
    assert text == golden.read_text()
