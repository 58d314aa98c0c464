"""Paths, directories and globs → inputs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lpaudit.errors import SourceError
from lpaudit.source import Input, discover


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "logs"
    for name in (
        "access.log",
        "access.log.1",
        "sub/b.log",
        "sub/a.log",
        "sub/deep/c.log",
        ".hidden",
        ".git/x",
    ):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    monkeypatch.chdir(tmp_path)
    return root


def found(*arguments: str | Path) -> list[str]:
    """Names below the working directory; errors by their message."""
    out = []
    for item in discover([str(a) for a in arguments]):
        if isinstance(item, SourceError):
            out.append("! " + item.message)
        else:
            out.append(item.label if item.path is None else os.path.relpath(item.label))
    return out


EVERYTHING = [
    "logs/access.log",
    "logs/access.log.1",
    "logs/sub/a.log",
    "logs/sub/b.log",
    "logs/sub/deep/c.log",
]


def test_files_in_the_order_given(logs: Path) -> None:
    assert found("logs/access.log.1", "logs/access.log") == ["logs/access.log.1", "logs/access.log"]


def test_a_directory_recursively_by_name_without_what_is_hidden(logs: Path) -> None:
    assert found("logs") == EVERYTHING


def test_named_tells_what_the_user_named(logs: Path) -> None:
    (one,) = discover(["logs/access.log"])
    assert one == Input(str(logs / "access.log"), Path("logs/access.log"), named=True)
    assert all(isinstance(i, Input) and not i.named for i in discover(["logs"]))


def test_a_hidden_file_that_is_named(logs: Path) -> None:
    assert found("logs/.hidden", "logs/.git") == ["logs/.hidden", "logs/.git/x"]


def test_labels_are_absolute(logs: Path) -> None:
    assert all(isinstance(i, Input) and Path(i.label).is_absolute() for i in discover(["logs"]))


def test_missing(logs: Path) -> None:
    (error,) = discover(["logs/nothing"])
    assert isinstance(error, SourceError)
    assert error.message == "cannot read logs/nothing: no such file or directory"
    assert error.hint
    assert found("logs/nothing", "logs/access.log")[1:] == ["logs/access.log"]


def test_glob(logs: Path) -> None:
    assert found("logs/access*") == ["logs/access.log", "logs/access.log.1"]
    assert found("logs/**/*.log") == [
        "logs/access.log",
        "logs/sub/a.log",
        "logs/sub/b.log",
        "logs/sub/deep/c.log",
    ]
    assert found("logs/su[b]") == ["logs/sub/a.log", "logs/sub/b.log", "logs/sub/deep/c.log"]
    assert found(logs / "access.?og") == ["logs/access.log"]


def test_a_glob_without_a_match(logs: Path) -> None:
    assert found("logs/*.gz") == ["! no file matches logs/*.gz"]


def test_a_file_whose_name_looks_like_a_glob(logs: Path) -> None:
    (logs / "a[1].log").write_text("x")
    assert found("logs/a[1].log") == ["logs/a[1].log"]


def test_a_file_is_taken_once(logs: Path) -> None:
    os.link(logs / "access.log", logs / "hard.log")
    (logs / "soft.log").symlink_to(logs / "access.log")
    assert found("logs", "logs/hard.log", "logs/soft.log", "logs/access.log") == EVERYTHING
    assert found("logs/soft.log", "logs") == ["logs/soft.log", *EVERYTHING[1:]]


def test_links_out_of_the_directory_are_not_followed(logs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    (logs / "file.log").symlink_to(outside / "secret")
    (logs / "folder").symlink_to(outside)
    (logs / "up").symlink_to("..")
    (logs / "broken.log").symlink_to("nowhere")
    assert found("logs") == EVERYTHING
    # What the user names is the user's wish.
    assert found("logs/file.log", "logs/folder") == ["logs/file.log"]
    assert found("logs/folder/secret") == ["logs/folder/secret"]
    assert found("logs/broken.log") == ["! cannot read logs/broken.log: no such file or directory"]


def test_a_link_to_a_directory_may_be_named(logs: Path) -> None:
    Path("link").symlink_to("logs")
    assert found("link/sub") == ["link/sub/a.log", "link/sub/b.log", "link/sub/deep/c.log"]
    assert len(found("link")) == len(EVERYTHING)


def test_a_loop_of_links(logs: Path) -> None:
    (logs / "loop").symlink_to("loop")
    assert found("logs") == EVERYTHING
    (error,) = found("logs/loop")
    assert error.startswith("! cannot read logs/loop: ")


def test_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert found("empty") == ["! empty holds no files"]


def test_standard_input(logs: Path) -> None:
    assert list(discover(["-"])) == [Input("stdin", None)]


def test_pipes_are_read_if_named(logs: Path) -> None:
    os.mkfifo(logs / "pipe")
    assert found("logs/pipe") == ["logs/pipe"]
    assert found("logs") == EVERYTHING


def test_sockets_are_not_read(logs: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("logs/s")
        assert found("logs/s") == ["! logs/s is neither a file nor a directory"]


def test_names_that_are_not_utf8(logs: Path) -> None:
    name = os.fsdecode(b"caf\xe9.log")
    (logs / name).write_text("x")
    assert "logs/caf\\xe9.log" in found("logs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_directory(logs: Path) -> None:
    (logs / "sub").chmod(0)
    try:
        assert found("logs") == [*EVERYTHING[:2], "! cannot read logs/sub: permission denied"]
    finally:
        (logs / "sub").chmod(0o755)


def test_it_stays_lazy(logs: Path) -> None:
    """Finding inputs opens none of them: a pipe without a writer does not block."""
    os.mkfifo(logs / "pipe")
    code = "import sys; from lpaudit.source import discover; print(len(list(discover(sys.argv[1:]))))"
    done = subprocess.run(
        [sys.executable, "-c", code, "logs/pipe"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "1\n"
