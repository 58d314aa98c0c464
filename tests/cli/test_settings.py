"""`lpaudit.toml`: what a value may be."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lpaudit.config import SETTINGS

Lpaudit = Callable[..., subprocess.CompletedProcess[str]]
SEVERAL = sorted(name for name, setting in SETTINGS.items() if setting.several)


def test_what_has_several_values() -> None:
    assert SEVERAL == ["alert_mail", "anchors", "api_prefix", "frameworks", "pseudonyms", "reports"]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_values_are_a_text_or_a_list(name: str, tmp_path: Path, lpaudit: Lpaudit) -> None:
    values = []
    for written in ('"/one,/two"', '["/one", "/two"]'):
        (tmp_path / "lpaudit.toml").write_text(f"{name} = {written}\n")
        ran = lpaudit("config", "--format", "json")
        assert ran.returncode == 0, ran.stderr
        values.append(next(row for row in json.loads(ran.stdout) if row["setting"] == name)["value"])
    assert values == ["/one,/two"] * 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('store = ["a", "b"]', 'store must be a text or a number\n\nhint: as in store = "…"'),
        ("store = true", 'store must be a text or a number\n\nhint: as in store = "…"'),
        ('reports = ["a,b"]', 'a list of texts without commas\n\nhint: as in reports = ["…", "…"]'),
        ("reports = [1]", 'a list of texts without commas\n\nhint: as in reports = ["…", "…"]'),
    ],
)
def test_other_values_are_refused(written: str, said: str, tmp_path: Path, lpaudit: Lpaudit) -> None:
    (tmp_path / "lpaudit.toml").write_text(written)
    ran = lpaudit("config")
    assert ran.returncode == 2
    assert said in ran.stderr
