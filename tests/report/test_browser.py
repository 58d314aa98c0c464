"""The HTML page in a real browser: on a phone and at a desk, by keyboard, without script, on paper."""

import json
import re
import subprocess

import pypdf
import pytest

from lpaudit import report
from tests.browser import LOOK, MODULES

# One worker looks: the browser takes seconds to start.
pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("chromium")]

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def looked(printable, tmp_path_factory):
    """What a browser found in the page of a hostile store, and the folder with its pictures."""
    from tests.conftest import find

    chromium = find("chromium")
    if chromium is None:
        pytest.fail("there is no Chromium to test with: make chromium, or LPAUDIT_SKIP_CHROMIUM=1")
    folder = tmp_path_factory.mktemp("browser")
    page = report.write(printable, "html", folder)
    done = subprocess.run(
        ["node", LOOK, MODULES, chromium, page.as_uri(), folder],
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder


def test_nothing_is_loaded_and_nothing_in_the_log_runs(looked):
    seen = looked[0]["seen"]
    assert {re.sub(r"^file:.*/mine\.html$", "page", url) for url in seen["requests"]} == {"page"}
    assert seen["dialogs"] == []
    assert seen["console"] == []  # a violation of the page's policy would be said there


@pytest.mark.parametrize(("look", "width"), [("phone", 390), ("desk", 1280), ("dark", 1280)])
def test_everybody_can_read_it(looked, look, width):
    found, folder = looked
    assert found["looks"][look]["violations"] == []
    assert found["looks"][look]["width"] <= width, "the page must not scroll sideways: its tables do"
    picture = (folder / f"{look}.png").read_bytes()
    assert picture.startswith(PNG)
    assert int.from_bytes(picture[16:20], "big") == width


def test_columns_sort_by_click_and_by_keyboard(looked, printable):
    found = looked[0]
    [part] = [part for part in printable.parts if part.check.id == "denied"]
    column = part.table.column_names.index("requests")
    assert [row[column] for row in found["asPrinted"]] == [row[column].text for row in part.rows]
    numbers = [int(row[column].replace(",", "")) for row in found["asPrinted"]]
    assert [int(row[column]) for row in found["ascending"]] == sorted(numbers)
    assert [int(row[column]) for row in found["descending"]] == sorted(numbers, reverse=True)
    assert found["sorted"] == ["ascending"]
    assert sorted(found["descending"]) == sorted(found["asPrinted"])


def test_rows_are_filtered_and_come_back(looked):
    found = looked[0]
    matching = [row for row in found["descending"] if "script" in "".join(row).lower()]
    assert 0 < len(matching) < len(found["asPrinted"])
    assert found["filtered"] == matching
    assert found["status"] == f"{len(matching)} of {len(found['asPrinted'])} printed rows"
    assert found["all"] == found["descending"]


def test_without_script_everything_is_there_and_nothing_that_does_not_work(looked):
    found = looked[0]
    assert found["plainText"] > 10_000
    assert found["plainControls"] == 0


def test_it_prints(looked, printable):
    reader = pypdf.PdfReader(looked[1] / "print.pdf")
    text = "".join(page.extract_text() for page in reader.pages)
    assert printable.id in text
    assert "Show rows with" not in text
    assert {round(float(page.mediabox.width)) for page in reader.pages} == {842}  # A4, landscape
