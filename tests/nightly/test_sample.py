"""Samples: drawn again from the frame by the lines that the auditor's guide prints."""

import json
import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.small import line

from lpaudit.sample import shares

CHECKOUT = __import__("pathlib").Path(__file__).resolve().parents[2]
DAY = ("--from", "2026-11-23", "--to", "2026-11-23")


@pytest.fixture
def drawn(nights, lpaudit, tmp_path):
    """Draw, and draw again without lpaudit: ``drawn("--n", 3, …)`` → the rows of both, and the method."""
    nights.ingest(
        *(line(f"11:00:{n:02}", f"GET /p{n}", 403, user=f"u{n % 3}\\xC3\\xA9") for n in range(40)),
        name="more",
    )
    guide = (CHECKOUT / "docs" / "auditor.md").read_text("utf-8")
    [program] = re.findall(r"^```python\n(# redraw\.py\n.*?)^```", guide, re.MULTILINE | re.DOTALL)
    (tmp_path / "redraw.py").write_text(program)

    def draw(*words, n=5, seed="2026 ☃"):
        options = ("--check", "denied-requests", *DAY, "--n", n, "--seed", seed, "--frame", "frame.jsonl")
        ran = lpaudit("sample", *options, "--format", "json", "--store", nights.root, *words)
        assert ran.returncode == 0, ran.stderr
        command = [sys.executable, "redraw.py", "frame.jsonl", seed, str(n)]
        again = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True, encoding="utf-8"
        )
        return json.loads(ran.stdout), again.stdout.split(), ran.stderr

    return draw


def test_the_guide_s_lines_draw_the_same_rows(drawn, tmp_path):
    rows, again, method = drawn()
    assert len(rows) == 5
    assert [row["row_id"] for row in rows] == again
    assert [row["sample_no"] for row in rows] == [1, 2, 3, 4, 5]
    frame = (tmp_path / "frame.jsonl").read_bytes()
    assert sha256(frame).hexdigest() in method
    assert "seed '2026 ☃'" in method
    for text in frame.splitlines():
        item = json.loads(text)
        written = json.dumps(item["row"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert sha256(written.encode()).hexdigest() == item["row_id"]
    assert drawn()[0] == rows
    assert {row["row_id"] for row in drawn(seed="another")[0]} != set(again)


def test_strata_get_their_share_and_the_guide_agrees(drawn, tmp_path):
    rows, again, method = drawn("--stratify", "identity", n=7)
    assert [row["row_id"] for row in rows] == again
    frame = (tmp_path / "frame.jsonl").read_text("utf-8").splitlines()
    sizes = Counter(json.loads(text)["stratum"] for text in frame)
    assert len(sizes) == 4
    got = Counter(row["identity"] for row in rows)
    assert sum(got.values()) == 7
    assert all(abs(got[s] - 7 * size / sum(sizes.values())) < 1 for s, size in sizes.items())
    assert all(f"{s!r}: {got[s]} of {size}" in method for s, size in sizes.items())


def test_more_than_there_is_are_all_of_them(drawn, tmp_path):
    rows, again, _ = drawn(n=10_000)
    assert len(rows) == len((tmp_path / "frame.jsonl").read_text().splitlines())
    assert [row["row_id"] for row in rows] == again


def test_a_period_may_be_named(nights, lpaudit):
    words = (
        "sample",
        "--check",
        "denied-requests",
        "--seed",
        "1",
        "--format",
        "json",
        "--store",
        nights.root,
    )
    named = lpaudit(*words, "--period", "2026-11-23")
    assert json.loads(named.stdout)
    assert (named.stdout, named.stderr) == ((told := lpaudit(*words, *DAY)).stdout, told.stderr)
    assert lpaudit(*words).returncode == 2


def test_what_cannot_be_drawn_is_refused(nights, lpaudit):
    words = ("sample", *DAY, "--seed", "1", "--store", nights.root)
    for wrong in (
        ("--check", "nope"),
        ("--check", "denied", "--exceptions"),
        ("--check", "denied", "--stratify", "x"),
    ):
        assert lpaudit(*words, *wrong).returncode == 2
    empty = lpaudit(
        *words,
        "--check",
        "denied-requests",
        "--exceptions",
        "--from",
        "2020-01-01",
        "--to",
        "2020-01-01",
        "--format",
        "json",
    )
    assert json.loads(empty.stdout) == []
    assert "0 rows" in empty.stderr


def test_the_method_says_what_the_answer_is_worth(drawn, nights, lpaudit):
    """An auditor who draws from a part, or from nothing because nobody looked, must not take it for all."""
    _, _, method = drawn("--to", "2026-11-30")
    assert re.search(r"^answer: of a population of [0-9,]+ requests of the period$", method, re.MULTILINE)
    assert "incomplete: the " in method
    assert "days: 90" in method
    words = ("sample", *DAY, "--seed", "1", "--store", nights.root)
    nobody_looked = lpaudit(*words, "--check", "leavers-use", "--stratify", "state")
    assert nobody_looked.returncode == 0
    assert "no-data: nobody has said who is behind the logins" in nobody_looked.stderr


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 50), min_size=1, max_size=8), st.data())
def test_shares_add_up_and_ask_for_no_more_than_there_is(sizes, data):
    total = sum(sizes.values())
    wanted = data.draw(st.integers(1, total))
    found = shares(sizes, wanted)
    assert sum(found.values()) == wanted
    assert list(found) == sorted(sizes)
    for stratum, size in sizes.items():
        assert found[stratum] <= size
        assert abs(found[stratum] - wanted * size / total) < 1
