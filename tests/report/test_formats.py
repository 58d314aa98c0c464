"""Every format: hostile text stays text, and all of it is there. Read back by others' code."""

import csv
import json
import re
import sys
import zipfile
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import jsonschema
import openpyxl
import pyarrow as pa
import pypdf
import pytest
from report.hostile import HOSTILE, TEXTS

from lpaudit import report
from lpaudit.errors import ConfigError
from lpaudit.model import Section
from lpaudit.report import json_, xlsx
from lpaudit.report.cells import guarded, visible
from lpaudit.report.pdf import IN_FONTS
from lpaudit.report.pdf import printable as in_fonts
from lpaudit.visible import instant

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "report.schema.json"
UNSEEN = re.compile(
    "[^\\n\x20-\x7e\xa1-\u1fff\u2010-\u2027\u2030-\u205e\u20a0-\ud7ff\uf900-\ufdff\ufe20-\ufefe\uff00-\uffef\U00010000-\U0001ffff]"
)


@pytest.fixture(scope="module")
def written(printable, tmp_path_factory):
    """All files of the hostile store, by format."""
    folder = tmp_path_factory.mktemp("written")
    return {name: report.write(printable, name, folder) for name in report.FORMATS}


def part_of(document, check_id):
    [part] = [part for part in document.parts if part.check.id == check_id]
    return part


def names(document):
    """What the log's users were called, as the check on identities has them."""
    return [row["identity"] for row in part_of(document, "identities").table.to_pylist()]


def test_the_log_says_what_the_texts_say(printable):
    """Else the tests below would prove nothing."""
    stripped = {text.replace(" ", "") for text in TEXTS}
    kept = stripped & {name.replace(" ", "") for name in names(printable)}
    assert len(kept) > len(TEXTS) * 3 // 4, stripped - kept


@pytest.mark.parametrize("form", [name for name in report.FORMATS if name != "csv"])
def test_a_report_is_known_as_one_in_every_form_that_is_one_file(written, form):
    data = written[form].read_bytes()
    assert report.is_report(data)
    assert not report.is_report(data[: len(data) // 400])


def test_csv_is_text_that_a_spreadsheet_does_not_calculate(printable, written):
    for path in written["csv"].iterdir():
        data = path.read_bytes().decode("utf-8")
        assert not UNSEEN.search(data.replace("\r\n", "\n")), path
        for row in csv.reader(data.splitlines()):
            for value in row:
                assert not value.startswith(("=", "+", "@", "\t", "\r")), value
                assert not value.startswith("-") or re.fullmatch(r"-[\d.]+", value), value
    part = part_of(printable, "identities")
    with (written["csv"] / f"{part.name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["identity"] for row in rows] == [guarded(name) for name in names(printable)]


def test_the_manifest_of_csv_names_every_file_and_its_hash(printable, written):
    with (written["csv"] / "manifest.csv").open(newline="", encoding="utf-8") as file:
        told = {row["file"]: row for row in csv.DictReader(file)}
    assert {*told, "manifest.csv"} == {path.name for path in written["csv"].iterdir()}
    for name, row in told.items():
        data = (written["csv"] / name).read_bytes()
        assert row["sha256"] == sha256(data).hexdigest()
        assert row["report_id"] == printable.id
        assert int(row["rows"]) == len(list(csv.reader(data.decode().splitlines()))) - 1


def test_json_is_exact_ascii_and_as_its_schema_says(printable, written):
    text = written["json"].read_text("ascii")
    assert not re.search(r"[^\n\x20-\x7e]", text)
    told = json.loads(text)
    assert text == json.dumps(told, indent=1) + "\n"
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
    assert told["id"] == printable.id
    [section] = [s for s in told["sections"] if s["check"] == "identities"]
    column = section["columns"].index("identity")
    assert [row[column] for row in section["rows"]] == names(printable)
    assert told["store"]["about"]["store"] == HOSTILE


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_json_writes_times_as_everything_else_does(zone):
    texts = (
        "0001-01-01T00:00:00",
        "1969-12-31T23:59:59.999999",
        "2026-11-23T10:00:00.5",
        "2026-11-23T10:00:00",
    )
    times = [datetime.fromisoformat(f"{text}+00:00") for text in (*texts, "9999-12-31T23:59:59.999999")]
    column = pa.array([*times, None], pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone))
    assert json_._cells(column) == [*(f'"{instant(time)}"' for time in times), "null"]
    assert json_._cells(pa.array(times[2:3], pa.timestamp("us"))) == ['"2026-11-23 10:00:00.500000"']


def test_json_names_nothing_that_its_schema_does_not_know():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_xlsx_has_text_tables_typed_times_and_open_columns(printable, written):
    book = openpyxl.load_workbook(written["xlsx"])
    assert book.sheetnames[:3] == ["README", "Summary", "Controls"]
    assert book.sheetnames[-4:] == ["Exceptions", "Source files", "SQL", "Sign-off"]
    for sheet in book:
        assert sheet.protection.sheet
        for row in sheet.iter_rows():
            for one in row:
                assert one.data_type != "f", one
                assert not one.hyperlink
                if isinstance(one.value, str):
                    assert not UNSEEN.search(one.value), one.value
    part = part_of(printable, "identities")
    sheet = book[part.name]
    [table] = sheet.tables.values()
    assert table.ref == f"A4:{openpyxl.utils.get_column_letter(sheet.max_column)}{sheet.max_row}"
    assert table.autoFilter.ref == table.ref
    assert sheet.freeze_panes == "B5"
    head, *rows = sheet.iter_rows(min_row=4)
    columns = {one.value: number for number, one in enumerate(head)}
    got = [row[columns["identity"]] for row in rows]
    assert [one.value for one in got] == [visible(name) for name in names(printable)]
    assert all(one.quotePrefix for one in got)
    assert all(row[columns["first"]].is_date for row in rows if row[columns["first"]].value)
    assert list(columns)[-2:] == ["auditor_result", "auditor_comment"]
    assert {row[columns["auditor_result"]].protection.locked for row in rows} == {False}
    assert {row[columns["identity"]].protection.locked for row in rows} == {True}
    assert book.properties.created == printable.as_of.replace(tzinfo=None)


def test_pdf_is_pdf_a_with_the_text_as_text(printable, written):
    reader = pypdf.PdfReader(written["pdf"])
    text = "\n".join(page.extract_text() for page in reader.pages)
    seen = re.sub(r"\s", "", text)
    for name in names(printable):
        told = in_fonts(visible(name))[:150]
        assert re.sub(r"\s", "", told) in seen, told
    assert '#panic("typst")$x$*b*_i_@ref' in seen
    assert not UNSEEN.search(text)
    assert f"page {len(reader.pages)} of {len(reader.pages)}" in text
    assert text.count(f"Report {printable.id}") == len(reader.pages)
    metadata = reader.xmp_metadata.stream.get_data().decode()
    assert "<pdfaid:part>3" in metadata
    assert "<pdfaid:conformance>B" in metadata
    assert "/URI" not in str([page.get("/Annots") for page in reader.pages])


def test_typst_has_a_glyph_for_whatever_is_not_spelled_out(tmp_path):
    """PDF/A allows no character without one: typst refuses it."""
    typst = pytest.importorskip("typst")
    known = re.compile(f"[{IN_FONTS}]")
    text = " ".join(chr(code) for code in range(0x20, 0x2400) if known.match(chr(code)))
    for font in ("Libertinus Serif", "DejaVu Sans Mono"):
        source = f'#set document(date: datetime(year: 2026, month: 1, day: 1))\n#set text(font: "{font}")\n#sys.inputs.t'
        assert typst.compile(
            source.encode(), pdf_standards="a-3b", ignore_system_fonts=True, sys_inputs={"t": text}
        )


def test_every_section_and_its_answer_is_in_every_format(printable, written):
    told = {
        "html": written["html"].read_text(),
        "md": written["md"].read_text(),
        "pdf": "".join(page.extract_text() for page in pypdf.PdfReader(written["pdf"]).pages),
        "oscal": written["oscal"].read_text(),
        "json": written["json"].read_text(),
    }
    for part in printable.parts:
        for form, text in told.items():
            assert part.check.sha256 in text.replace("\n", ""), (form, part.check.id)
    for form in ("html", "md", "pdf"):
        flat = re.sub(r"[\s\\]", "", told[form])
        for part in printable.parts:
            assert re.sub(r"\s", "", part.heading).replace("'", "") in flat.replace("&#39;", "").replace(
                "'", ""
            )
        assert printable.id in told[form]
        assert "DRAFT:nobodyhassignedthisreport" in flat
        assert "Preparer" in flat
        assert "Reviewer" in flat
        for control in printable.framework.controls:
            assert re.sub(r"\s", "", control.intent) in flat
            assert re.sub(r"\s", "", control.not_shown) in flat
    assert not any(re.search(r"(?i)\bpass(ed)?\b|is compliant", text) for text in told.values())


def many(document, number):
    """The document with one section, of so many rows."""
    part = part_of(document, "identities")
    rows = pa.table(
        {
            "agent": [f"curl/{n} (=1+1)" for n in range(number)],
            "requests": list(range(number)),
            "long": ["x" * 40_000 if n == 1 else None for n in range(number)],
        }
    )
    result = replace(part.result, rows=rows, population=number, section=Section(part.check.id))
    others = [result if one is part.result else one for one in document.report.results]
    made = report.document(replace(document.report, results=tuple(others)), document.checkpoint)
    return replace(made, parts=(part_of(made, "identities"),))


def test_100_000_user_agents_are_a_short_page_and_all_of_them_in_the_files_for_programs(printable, tmp_path):
    document = many(printable, 100_000)
    for form in ("html", "md", "pdf", "csv", "json", "xlsx"):
        report.write(document, form, tmp_path)
    for form in ("html", "md", "pdf"):
        assert (tmp_path / f"mine.{form}").stat().st_size < 500_000
    assert "Showing the first 200 of 100,000 rows" in (tmp_path / "mine.html").read_text()
    with (tmp_path / "mine-csv" / f"{document.parts[0].name}.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 100_001
    assert len(rows[2][2]) == 40_000
    assert len(json.loads((tmp_path / "mine.json").read_text())["sections"][0]["rows"]) == 100_000
    with zipfile.ZipFile(tmp_path / "mine.xlsx") as book:  # openpyxl takes half a minute for so many
        texts = book.read("xl/sharedStrings.xml").decode()
        [sheet] = [book.read(name) for name in book.namelist() if book.getinfo(name).file_size > 10_000_000]
    assert sheet.count(b"<row ") == 100_003  # and the empty one above the table has none
    assert max(map(len, re.findall(r"x+", texts))) == 32_766  # and an ellipsis
    assert "1 texts are cut after Excel's 32,767 characters" in texts


def test_what_does_not_fit_into_a_sheet_is_said(printable, tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "MOST_ROWS", 54)
    document = many(printable, 120)
    report.write(document, "xlsx", tmp_path)
    sheet = openpyxl.load_workbook(tmp_path / "mine.xlsx")[document.parts[0].name]
    assert sheet.max_row == 54
    assert "70 more rows do not fit into a sheet" in sheet["A2"].value


def test_pdf_without_typst_says_how_to_get_it(printable, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ConfigError) as error:
        report.write(printable, "pdf", tmp_path)
    assert error.value.hint == "pip install 'lpaudit[pdf]'"
