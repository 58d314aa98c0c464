"""What operators copy names only what exists: options, metrics, files."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from prometheus_client import generate_latest

from lpaudit.cli import app
from lpaudit.watch.metrics import MetricsObserver

CHECKOUT = Path(__file__).resolve().parents[2]
GUIDE = CHECKOUT / "docs" / "operations.md"
FILES = sorted((CHECKOUT / "docs" / "operations").iterdir())

OPTIONS = {
    name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for name, command in typer.main.get_command(app).commands.items()
}

_COMMAND = re.compile(r"(?:\blpaudit|^CMD) ([a-z][a-z-]*)((?: [^\s`|&]+)*)", re.MULTILINE)


def commands_in(text):
    """Every use of lpaudit's command line: (command, its options)."""
    plain = re.sub(r'[\[\]",]', "", text.replace("\\\n", " "))
    for found in _COMMAND.finditer(plain):
        if found[1] in OPTIONS:
            yield found[1], set(re.findall(r"(?<= )-{1,2}[a-z][a-z-]*", found[2]))


@pytest.mark.parametrize("file", [GUIDE, *FILES], ids=lambda file: file.name)
def test_commands_have_the_options_that_are_named(file):
    for command, options in commands_in(file.read_text("utf-8")):
        assert options <= OPTIONS[command], command


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("lpaudit.service", ("ingest", {"--follow"})),
        ("Containerfile", ("ingest", {"--follow"})),
        ("Containerfile", ("status", {"--check", "--max-lag", "--since"})),
        ("lighttpd-pipe.conf", ("ingest", {"--quiet", "--store"})),
    ],
)
def test_the_commands_are_found(file, command):
    assert command in commands_in((CHECKOUT / "docs" / "operations" / file).read_text("utf-8"))


def test_an_option_that_does_not_exist_is_noticed():
    assert list(commands_in("ExecStart=/usr/bin/lpaudit ingest --folow x")) == [("ingest", {"--folow"})]


def test_the_guide_s_sentences_name_only_options_that_exist():
    named = set(re.findall(r"`(--[a-z-]+)[^`]*`", re.sub(r"(?ms)^```.*?^```$", "", GUIDE.read_text("utf-8"))))
    others = {"--format"}  # of podman build; lpaudit has one, too
    assert {"--max-lag", "--since", "--log-style"} <= named
    assert named <= set.union(*OPTIONS.values()) | others


def test_metrics_are_those_that_there_are():
    told = generate_latest(MetricsObserver(lambda: datetime.now(UTC)).registry).decode()
    metrics = set(re.findall(r"^# TYPE (\S+)", told, re.MULTILINE))
    rules = (CHECKOUT / "docs" / "operations" / "lpaudit.rules.yml").read_text("utf-8")
    in_rules = set(re.findall(r"lpaudit_\w+", rules))
    in_guide = set(re.findall(r"`(lpaudit_\w+)`", GUIDE.read_text("utf-8")))
    assert len(in_rules) > 5
    assert in_rules <= metrics
    assert in_guide == metrics


def test_the_guide_tells_of_every_file():
    linked = set(re.findall(r"\]\(operations/([^)]+)\)", GUIDE.read_text("utf-8")))
    assert linked == {file.name for file in FILES}


def test_the_unit_and_the_image_keep_the_store_in_the_same_place():
    for name in ("lpaudit.service", "Containerfile"):
        text = (CHECKOUT / "docs" / "operations" / name).read_text("utf-8")
        assert "LPAUDIT_STORE=/var/lib/lpaudit/store" in text
        assert "/var/lib/lpaudit" in text.replace("LPAUDIT_STORE=/var/lib/lpaudit/store", "")


def test_the_image_is_given_everything_that_a_build_needs():
    text = (CHECKOUT / "docs" / "operations" / "Containerfile").read_text("utf-8")
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for name in line.split()
    }
    assert {
        "requirements.txt",
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        "lpaudit",
        "schemas",
        "reports",
        "docs/verify_store.py",
    } == copied


@pytest.mark.parametrize("names", [["lpaudit.service"], ["lpaudit-nightly.service", "lpaudit-nightly.timer"]])
def test_systemd_understands_the_unit(tmp_path, names):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    program = tmp_path / "lpaudit"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = [tmp_path / name for name in names]
    for unit in units:
        text = (CHECKOUT / "docs" / "operations" / unit.name).read_text("utf-8")
        unit.write_text(text.replace("/usr/local/bin/lpaudit", str(program)))
    ran = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_whatever_starts_a_night_starts_it_over_the_same_store():
    folder = CHECKOUT / "docs" / "operations"
    for name in ("lpaudit-nightly.service", "lpaudit.cron", "prefect.yaml"):
        text = (folder / name).read_text("utf-8")
        assert re.search(r"LPAUDIT_STORE[=:] ?/var/lib/lpaudit/store\n", text)
        assert re.search(r"LPAUDIT_REPORT_DIR[=:] ?/var/lib/lpaudit/reports\n", text)
    assert ("nightly", {"--quiet"}) in commands_in((folder / "lpaudit.cron").read_text("utf-8"))


@pytest.mark.lighttpd
def test_lighttpd_understands_the_pipe(lighttpd, tmp_path):
    configuration = tmp_path / "lighttpd.conf"
    pipe = CHECKOUT / "docs" / "operations" / "lighttpd-pipe.conf"
    configuration.write_text(f'server.document-root = "{tmp_path}"\ninclude "{pipe}"\n')
    subprocess.run([lighttpd, "-tt", "-f", str(configuration)], check=True, timeout=60)
