"""`lpaudit report`: the same bytes everywhere, whole files or none, and what it ends with."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report.conftest import stored

from lpaudit import pipeline, report
from lpaudit.cli.report import report as command
from lpaudit.errors import ConfigError, Exit, OutputError, StoreError
from lpaudit.model import Section
from lpaudit.outfile import together

ALL = ",".join(report.FORMATS)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_two_processes_far_apart_write_the_same_bytes(hostile_store, tmp_path):
    for folder, zone, seed, umask in (
        ("a", "Pacific/Chatham", "1", 0o022),
        ("b", "America/New_York", "2", 0o077),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lpaudit", "report", "access", "--period", "2026-11-23",
             "--store", hostile_store, "--format", ALL, "--out", tmp_path / folder],
            env={**os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "LPAUDIT_ENTITY": "Example", "LC_ALL": "C"},
            capture_output=True, text=True, check=False, umask=umask, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, two = files(tmp_path / "a"), files(tmp_path / "b")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    assert {Path(name).parts[0] for name in one} == {
        f"access{form.suffix}" for form in report.FORMATS.values()
    }
    assert b"Example" in one["access.html"]


def call(store, out, *frameworks, **options):
    given = {"from_": None, "to": None, "period": "2026-11-23", "format_": "html,md", "quiet": True}
    return command(
        list(frameworks or ["access"]), out=out, store=store, config_file="none", **{**given, **options}
    )


def test_a_question_that_fails_is_exit_status_3_and_the_files_are_there(
    hostile_store, tmp_path, monkeypatch, capsys
):
    asked = report.evaluate

    def failing(framework, period, select, store, library, *more):
        def broken(sql, parameters):
            return select(sql.replace("regexp_replace", "no_such_function"), parameters)

        return asked(framework, period, broken, store, library)

    monkeypatch.setattr(report, "evaluate", failing)
    assert call(hostile_store, tmp_path) == Exit.FAILED
    assert "access: a question could not be asked: denied: " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["access.html", "access.md"]
    assert "the question could not be asked" in (tmp_path / "access.html").read_text()


def test_several_reports_at_once_are_of_one_snapshot_and_each_is_written_once(
    hostile_store, tmp_path, monkeypatch
):
    known = report.load_framework
    only = ("result-in-numbers", "incomplete-period", "sources", "unreconciled-sources")

    def load(name, library):
        return replace(known("access", library), id=name, sections=tuple(map(Section, only)), result=())

    asked = []
    select = pipeline._remembering
    monkeypatch.setattr(report, "load_framework", load)
    monkeypatch.setattr(
        pipeline, "_remembering", lambda s: select(lambda q, p: asked.append((q, str(p))) or s(q, p))
    )
    assert call(hostile_store, tmp_path, "one", "two", "one", format_="json,csv,json") == Exit.OK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one-csv", "one.json", "two-csv", "two.json"]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("period", ["2031", "1999-Q1"])
def test_a_period_of_which_nothing_is_known_says_so(hostile_store, tmp_path, period):
    assert call(hostile_store, tmp_path, period=period, format_=ALL) == Exit.OK
    text = (tmp_path / "access.md").read_text()
    assert "No data: there are 0 lines of the period" in text
    assert "So this section says nothing either way" in text


def test_an_empty_store_is_reported_as_one(tmp_path):
    """A log with a line that cannot be read, and nothing else."""
    store = stored(tmp_path, {"access": [""]})
    assert call(store, tmp_path / "out", format_=ALL) == Exit.OK
    text = (tmp_path / "out" / "access.md").read_text()
    assert "no log was read of which a line has a time" in text
    assert "No data: there are 0 lines of the period" in text


def test_where_there_is_no_store_there_is_no_report(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(StoreError):
        call(str(tmp_path / "nothing"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [{"format_": "html,pfd"}, {"frameworks": ["acess"]}, {"period": "2026-Q9"}]
)
def test_what_cannot_be_is_refused_before_anything_is_written(hostile_store, tmp_path, options):
    frameworks = options.pop("frameworks", ["access"])
    with pytest.raises(ConfigError):
        call(hostile_store, tmp_path / "out", *frameworks, **options)
    assert not (tmp_path / "out").exists()


def test_files_get_their_names_together(tmp_path):
    (tmp_path / "x-csv").mkdir()
    (tmp_path / "x-csv" / "old.csv").write_text("old")
    (tmp_path / "x.html").write_text("old")
    with together(tmp_path) as draft:
        (draft / "x.html").write_text("new")
        (draft / "x-csv").mkdir()
        (draft / "x-csv" / "new.csv").write_text("new")
        assert (tmp_path / "x.html").read_text() == "old"
    assert {name: data.decode() for name, data in files(tmp_path).items()} == {
        "x.html": "new",
        "x-csv/new.csv": "new",
    }


def half(folder, error):
    with together(folder) as draft:
        (draft / "x.html").write_text("half")
        raise error


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(28, "No space left on device"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("x"), ValueError),
    ],
)
def test_what_stops_in_between_leaves_everything_as_it_was(tmp_path, error, seen):
    (tmp_path / "x.html").write_text("old")
    with pytest.raises(seen):
        half(tmp_path, error)
    assert files(tmp_path) == {"x.html": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]


def test_what_somebody_else_put_there_is_not_replaced(printable, tmp_path):
    (tmp_path / "mine-csv").mkdir()
    (tmp_path / "mine-csv" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match=r"thesis\.tex is in the way"):
        written(printable, "csv", tmp_path)
    assert files(tmp_path) == {"mine-csv/thesis.tex": b"mine"}


def written(document, form, folder):
    with together(folder) as draft:
        report.write(document, form, draft)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root")
@pytest.mark.parametrize("form", report.FORMATS)
def test_a_full_disk_leaves_no_half_file(printable, tmp_path, form):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "lpaudit-test", disk], check=False
    ).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        with pytest.raises(OutputError, match="no space left on device"):
            written(printable, form, disk)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
