"""Log text is hostile: what of it reaches a reader's screen, browser or spreadsheet."""

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.report.cells import LONGEST, cell, guarded, visible
from lpaudit.report.csv_ import csv_pieces, table_texts, text_pieces


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/api/flow_runs/{id}", "/api/flow_runs/{id}"),
        ("Zürich ☃", "Zürich ☃"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\r\tc\0", r"a\x0ab\x0d\x09c\x00"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("a\u200bb\u2066c\ufeff\u00ad", r"a\u200bb\u2066c\ufeff\xad"),
        ("\u2028\u2029\x85\u00a0\u3000", r"\u2028\u2029\x85\xa0\u3000"),
        ("\U000e0041", r"\U000e0041"),
        (r"\x1b", r"\\x1b"),
        (" a  b ", r"\x20a\x20\x20b\x20"),
        ("\u3164\ufe0f\u2800", r"\u3164\ufe0f\u2800"),
        ("=cmd|' /C calc'!A1", "'=cmd|' /C calc'!A1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("'=1", "''=1"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text, shown):
    assert cell(text).text == shown


@given(st.text(), st.text())
def test_different_texts_look_different(one, other):
    assert (visible(one) == visible(other)) == (one == other)


@given(st.text(st.sampled_from("=+-@'\\a! ~/\x1b\x7f\xa0\uff1d")))
def test_a_text_is_guarded_whatever_short_way_there_is(text):
    formula = text[:1] in tuple("=+-@'\uff1d") and text != ""
    assert guarded(text) == ("'" if formula else "") + visible(text)


def test_a_table_is_the_same_csv_column_by_column_as_value_by_value():
    time = datetime(2026, 11, 23, 10, 14, 4, 834870, UTC)
    columns = {
        "text": ["=1", None, "", "a  b", "\x1b", "=1"],
        "number": [1, None, -2, 3, 1, 0],
        "real": [0.5, float("nan"), None, -1.0, 0.5, 2.0],
        "truth": [True, None, False, True, True, False],
        "time": [time, None, time, time, None, time],
        "day": [time.date(), None, time.date(), None, None, time.date()],
        "list": [["=a"], None, [], ["b", None], ["c"], []],
        "null": [None] * 6,
    }
    table = pa.table(columns)
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    names = table.column_names
    assert b"".join(text_pieces(names, table_texts(table))) == b"".join(csv_pieces(names, rows))


@given(st.text())
def test_nothing_in_a_markdown_cell_is_markup(text):
    markdown = cell(text).markdown
    if cell(text).kind == "text":
        assert markdown[0] == markdown[-1] == "`"
        assert not set(markdown[1:-1]) & set("`|<>\n\r")
        assert markdown[1:-1].strip() == markdown[1:-1] != ""
        assert markdown.isprintable()


def test_a_long_text_is_cut_and_says_so():
    assert cell("/" + "x" * 7000).text == "/" + "x" * (LONGEST - 1) + "… (6,801 more characters)"
    assert cell("x" * LONGEST).text == "x" * LONGEST


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "null", "–"),
        ("", "empty", "(empty)"),
        (True, "word", "yes"),
        (False, "word", "no"),
        (16181, "number", "16,181"),
        (-1, "number", "-1"),
        (0.5, "number", "0.50"),
        (datetime(2026, 11, 23, 10, 15, 45, tzinfo=UTC), "time", "2026-11-23 10:15:45Z"),
        (datetime(2026, 11, 23, 10, 15, 45, 600, tzinfo=UTC), "time", "2026-11-23 10:15:45.000600Z"),
        (datetime(2026, 11, 23, 1, tzinfo=timezone(timedelta(hours=2))), "time", "2026-11-22 23:00:00Z"),
    ],
)
def test_values_have_one_way_to_look(value, kind, text):
    assert (cell(value).kind, cell(value).text) == (kind, text)
