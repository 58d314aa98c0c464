"""`make bench-follow`: what it says of a log is right. How fast lpaudit is, is not tested."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from bench.commits import Piece
from bench.growth import File
from bench.judge import judge, percentile
from bench.page import marks, put_into
from lpaudit.model import Segment
from lpaudit.store import create_store
from lpaudit.store.segment import write_segment

LOG = b"one\ntwo\nthree\nfour\n"


@pytest.fixture
def followed(tmp_path):
    """A log of 4 lines that were seen at 100 s (two) and 101 s, and its segments: committed at 102 s and 105 s."""
    (tmp_path / "log").write_bytes(LOG)
    with (tmp_path / "log").open("rb") as log:
        file = File(log.fileno(), [(100.0, 8), (101.0, len(LOG))], len(LOG))
        pieces, storage = [], create_store(str(tmp_path / "store")).storage
        for start, end, lines, time in ((0, 4, 1, 102.0), (4, len(LOG), 3, 105.0)):
            segment = Segment.of("a" * 16, start, LOG[start:end])
            write_segment(storage, segment, LOG[start:end], "unique")
            pieces.append(Piece(segment, lines, time))
        yield tmp_path / "store", file, pieces


def test_every_line_is_as_old_as_it_was(followed):
    root, file, pieces = followed
    found = judge(root, [file], pieces)
    assert (found.lines, found.stored, found.differences) == (4, 4, ())
    assert found.ages == [(2.0, 1), (5.0, 1), (4.0, 2)]
    assert [percentile(found.ages, share) for share in (0.25, 0.5, 0.75, 0.99)] == [2.0, 4.0, 4.0, 5.0]


def test_what_is_not_stored_is_found(followed):
    root, file, pieces = followed
    assert judge(root, [file], pieces[:1]).differences == (
        "file 1: 4 of 19 bytes are stored",
        "1 of 4 lines are stored",
    )


def test_what_is_stored_wrongly_is_found(followed):
    root, file, pieces = followed
    forged = Segment.of("a" * 16, 4, b"TWO\nthree\nfour\n")
    write_segment(create_store(str(root)).storage, forged, b"TWO\nthree\nfour\n", "unique")
    found = judge(root, [file], [pieces[0], Piece(forged, 3, 105.0)])
    assert found.differences == ("file 1: bytes 4 to 19 differ",)


def test_a_page_keeps_what_else_it_says(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nText.\n")
    for recipe, text in (("bench", "first"), ("bench-follow", "other"), ("bench", "second")):
        put_into(page, text, recipe, recipe.title())
    regions = [
        f"{begin}\n{text}\n{end}"
        for (begin, end), text in ((marks("bench"), "second"), (marks("bench-follow"), "other"))
    ]
    assert (
        page.read_text()
        == f"# Page\n\nText.\n\n## Bench\n\n{regions[0]}\n\n## Bench-Follow\n\n{regions[1]}\n"
    )


@pytest.mark.lighttpd
def test_a_short_run_loses_nothing(checkout, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "bench.follow", "--short", "--dir", str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        cwd=checkout,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        timeout=280,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = dict(
        re.findall(r"^\| ((?:lighttpd|replay)[^|]*) \|.*\| (0|\*\*yes\*\*) \|", ran.stdout, re.MULTILINE)
    )
    served = ["lighttpd, default", "lighttpd, lpaudit"] if shutil.which("wrk") else []
    assert rows == dict.fromkeys([*served, "replay, default, 5,000/s"], "0")
    assert re.search(r"^\| 5 \| [\d.]+% \| \d+ \|$", ran.stdout, re.MULTILINE)
    assert not list(tmp_path.iterdir())
