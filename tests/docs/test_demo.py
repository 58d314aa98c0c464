"""`make demo` tells what is true: its questions can be asked, and in the whole story they are answered."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lpaudit import query, report
from lpaudit.cli.commands import COMMANDS, GROUPS

STORY = Path(__file__).resolve().parents[2] / "demo" / "story.sh"


def commands():
    """The story's own command lines, as the shell is given them."""
    text = STORY.read_text().replace("'\\''", "\0")
    return [found.replace("\0", "'") for found in re.findall(r"^run '([^']*)'", text, re.MULTILINE)]


def test_its_shell_is_shell_and_its_commands_are_commands():
    subprocess.run(["/bin/sh", "-n", STORY], check=True)
    told = [words for line in commands() for words in re.findall(r"lpaudit (\w+) (\w+)?", line)]
    assert len(told) >= 15
    for word, second in told:
        assert word in COMMANDS or second in GROUPS[word][1]


def test_its_questions_can_be_asked():
    asked = [
        sql for line in commands() for sql in re.findall(r'sql (?:--format csv )?"((?:[^"\\]|\\.)*)"', line)
    ]
    assert len(asked) == 4
    connection = query.connect({})
    for sql in asked:
        assert connection.select(sql.replace('\\"', '"')).num_rows == 0
    named = re.findall(r"--check (\S+)", STORY.read_text())
    assert named == ["deletions", "segregation-of-duties"]
    assert set(named) <= set(report.checks())


@pytest.mark.soak
def test_the_whole_story(tmp_path):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [STORY], cwd=tmp_path, env=environment | {"TMPDIR": str(tmp_path), "LPAUDIT_STORE": "/nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for told in (
        "bob    127.0.0.1  /api/deployments/13b00f35-d964-4f61-8f72-6e5fef795714/create_flow_run  proxy_auth",
        "bob   GET     /j/spoof  00000000-0000-4000-8000-000000000001",
        "bulk_delete,automation",
        "true,same identity",
        "the first line of any log is of 2026-11-23",
        "segments in the signed tree: 3 of 3",
        "\n0 findings: ",
    ):
        assert told in done.stdout
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "it leaves nothing"
