"""README.md and docs/ are sessions: every console block is run, in order, and must say what it says.

A page runs in a directory of its own that holds sample_logs/. In a block, lines that begin
with `$ ` are commands (`> ` goes on with one), and what follows is their output: both
streams, as a pipe gets them. `…` stands for anything within a line, and a line that is only
`…` for any number of lines. A command must end with 0, unless the next one is `echo $?`.
`<!-- not run: reason -->` right before a block leaves it out.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doorway import Doorway

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n+)?^(?P<fence>```+)console\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """A command and what it must print."""

    line: int
    command: str
    expected: str


def steps_of(page):
    """Yield the steps of a page's console blocks."""
    for block in _BLOCK.finditer(page):
        if block["reason"]:
            continue
        line = page.count("\n", 0, block.start("text")) + 1
        step = None
        for number, text in enumerate(block["text"].splitlines(), line):
            if text.startswith("$ "):
                if step:
                    yield step
                step = Step(number, text[2:], "")
            elif step is None:
                raise ValueError(f"line {number}: a console block begins with a command")
            elif text.startswith("> ") and not step.expected:
                step = Step(step.line, f"{step.command}\n{text[2:]}", "")
            else:
                step = Step(step.line, step.command, f"{step.expected}{text}\n")
        if step:
            yield step


def matches(expected, output):
    """Tell whether a command printed what was expected. Blanks at line ends and an empty last line are nothing."""
    pattern = ""
    for line in _lines(expected):
        if line == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*".join(map(re.escape, line.split("…"))) + "\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(output))) is not None


def _lines(text):
    lines = [line.rstrip() for line in text.rstrip().split("\n")]
    return [] if lines == [""] else lines


def installed():
    """The test's environment, with what is installed."""
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",  # both streams go to one pipe: in the order in which they are written
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def run_page(steps, directory, environment=None):
    """Run a page's steps; AssertionError for the first that does not do what the page says."""
    environment = {**(environment or installed()), "COLUMNS": "80"}
    status = 0
    for step, following in zip(steps, [*steps[1:], None], strict=False):
        where = f"line {step.line}: $ {step.command}\n"
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", f"(exit {status})\n{step.command}"],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="backslashreplace",
                timeout=120,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            written = "".join(path.read_text("utf-8", "replace")[-2000:] for path in directory.glob("*.log"))
            raise AssertionError(f"{where}{error.output!r}\ndoes not end; its logs:\n{written}") from error
        status = done.returncode
        assert matches(step.expected, done.stdout), f"{where}{done.stdout}\nexpected:\n{step.expected}"
        shown = following is not None and following.command == "echo $?"
        assert status == 0 or shown, f"{where}{done.stdout}\nends with {status}"


@pytest.fixture(scope="module")
def doorway(tmp_path_factory):
    where = Doorway(tmp_path_factory.mktemp("doorway"))
    yield where
    where.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_console_block_says_the_truth(page, tmp_path, doorway):
    shutil.copytree(CHECKOUT / "sample_logs", tmp_path / "sample_logs")
    # README.md's are run by what is installed, and show that this is there.
    environment = installed() if page == PAGES[0] else doorway.environment()
    run_page(list(steps_of(page.read_text("utf-8"))), tmp_path, environment)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("", ""),
        ("one\n", "one\n"),
        ("one", "one  \n\n"),
        ("a … c\n", "a b c\n"),
        ("…\n", ""),
        ("…\n", "one\ntwo\n"),
        ("one\n…\nfour\n", "one\ntwo\nthree\nfour\n"),
        ("one\n…\ntwo\n", "one\ntwo\n"),
        ("a.b*\n", "a.b*\n"),
        ("one\n\ntwo\n", "one\n\ntwo\n"),
    ],
)
def test_what_is_expected_matches(expected, output):
    assert matches(expected, output)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("", "one\n"),
        ("one\n", ""),
        ("one\n", "two\n"),
        ("one\n", "one\ntwo\n"),
        ("one\ntwo\n", "one\n"),
        ("a … c\n", "a b\nc\n"),
        ("a … c\n", "a b d\n"),
        ("one\n…\nfour\n", "one\ntwo\nthree\n"),
        ("a.b\n", "axb\n"),
        ("one\ntwo\n", "one\n\ntwo\n"),
    ],
)
def test_anything_else_does_not(expected, output):
    assert not matches(expected, output)


def page_of(*lines):
    return "\n".join(["Text.", "", "```console", *lines, "```", ""])


def test_a_page_is_a_session(tmp_path):
    page = page_of("$ echo one > file", "$ cat file", "one") + page_of("$ cat \\", "> file", "o…")
    run_page(list(steps_of(page)), tmp_path)


def test_a_wrong_output_fails(tmp_path):
    with pytest.raises(AssertionError, match=r"line 4: \$ echo one"):
        run_page(list(steps_of(page_of("$ echo one", "two"))), tmp_path)


def test_an_output_that_the_page_hides_fails(tmp_path):
    with pytest.raises(AssertionError, match=r"echo one >&2"):
        run_page(list(steps_of(page_of("$ echo one >&2"))), tmp_path)


def test_a_command_that_fails_must_be_shown_to_fail(tmp_path):
    with pytest.raises(AssertionError, match="ends with 3"):
        run_page(list(steps_of(page_of("$ exit 3"))), tmp_path)
    run_page(list(steps_of(page_of("$ exit 3", "$ echo $?", "3"))), tmp_path)


def test_a_block_is_left_out_only_with_a_reason():
    block = page_of("$ false").removeprefix("Text.\n\n")
    assert not list(steps_of(f"<!-- not run: needs root -->\n\n{block}"))
    assert not list(steps_of(f"<!-- not run: needs root -->\n{block}"))
    assert list(steps_of(f"<!-- not run: needs root -->\n\nText.\n\n{block}"))
    assert list(steps_of(f"<!-- not run: -->\n{block}"))


def test_output_without_a_command_is_a_mistake():
    with pytest.raises(ValueError, match="begins with a command"):
        list(steps_of(page_of("one")))
