"""Nothing that a user can type or select is missing from the docs, and no link leads nowhere."""

import re
from pathlib import Path

import pytest
import typer

from lpaudit.cli import app
from lpaudit.config import SETTINGS
from lpaudit.errors import Exit
from lpaudit.schema import tables

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "reports", "sample_logs", "schemas", "tests")
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted(p for f in FOLDERS for p in (CHECKOUT / f).rglob("*.md"))]


def commands_of(group, before=""):
    """Yield every command by what is typed."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(commands_of(typer.main.get_command(app)))


def read(name):
    return (CHECKOUT / name).read_text("utf-8")


def section_of(page, heading):
    """Return what stands under the one heading of that name."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return section


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command):
    section = section_of(read("docs/cli.md"), f"lpaudit {command}")
    for parameter in COMMANDS[command].params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert name in section or name == parameter.name


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_documented(setting):
    assert f"| `{setting}` | `LPAUDIT_{setting.upper()}` |" in read("docs/cli.md")


@pytest.mark.parametrize("status", Exit)
def test_every_exit_status_is_documented(status):
    assert f"\n| {int(status)} | " in read("docs/cli.md")


@pytest.mark.parametrize("table", tables())
def test_every_table_view_and_column_is_in_the_data_dictionary(table):
    dictionary = read("docs/data-dictionary.md")
    described = [(table, [f.name for f in tables()[table].fields])]
    described += [(view.name, [c.name for c in view.columns]) for view in tables()[table].views]
    for name, columns in described:
        assert re.findall(r"^\| `(\w+)` \|", section_of(dictionary, name), re.MULTILINE) == columns


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)  # what stands in code leads nowhere
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert linked.is_relative_to(CHECKOUT), target
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), target


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
