"""What is installed is whole, and works far from the checkout."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import lpaudit as package

PURELIB = sysconfig.get_path("purelib")
HATCH = (sys.executable, "-m", "hatchling", "build")


def run(*command, cwd, timeout=120):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(checkout, tmp_path_factory):
    """The wheel and the source distribution, built without network."""
    folder = tmp_path_factory.mktemp("dist")
    run(*HATCH, "-t", "wheel", "-t", "sdist", "-d", folder, cwd=checkout)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The bin/ of an environment with the wheel and its dependencies, but without the checkout."""
    root = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(root, with_pip=False)
    python = root / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=root)
    # The dependencies are this environment's. A .pth inside that folder is not followed, so neither
    # is the editable install's; and the path comes after the wheel's own.
    (site_packages,) = root.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{PURELIB}\n", "utf-8")
    return root / "bin"


def test_the_installed_command_knows_its_version(installed, tmp_path):
    assert run(installed / "lpaudit", "--version", cwd=tmp_path).startswith(f"lpaudit {package.__version__} ")


@pytest.mark.parametrize("folder", ["schemas", "reports"])
def test_the_installed_package_has_its_own_data(installed, tmp_path, checkout, folder):
    program = f"from lpaudit.resources import folder; print(folder({folder!r}))"
    found = Path(run(installed / "python", "-c", program, cwd=tmp_path).strip())
    assert found.is_relative_to(installed.parent)
    assert names(found) == names(checkout / folder)
    assert names(found)


def test_the_installed_package_has_the_script_for_binders(installed, tmp_path, checkout):
    program = "from lpaudit.resources import folder; print(folder('docs') / 'verify_store.py')"
    found = Path(run(installed / "python", "-c", program, cwd=tmp_path).strip())
    assert found.is_relative_to(installed.parent)
    assert found.read_bytes() == (checkout / "docs" / "verify_store.py").read_bytes()


def names(folder):
    ignored = ("__pycache__", ".DS_Store")
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and not set(path.parts) & set(ignored)
    )


def test_the_installed_command_ingests_and_answers(installed, tmp_path, sample_logs):
    run(installed / "lpaudit", "ingest", "--host", "gw1", sample_logs / "combined.log", cwd=tmp_path)
    query = "select count(*) as lines from access_event"
    count = run(installed / "lpaudit", "sql", "--format", "csv", query, cwd=tmp_path)
    assert count.split() == ["lines", str((sample_logs / "combined.log").read_bytes().count(b"\n"))]


def test_the_source_distribution_holds_what_a_build_needs(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "lpaudit/cli/ingest.py", "docs/verify_store.py"} <= held
    assert {"hatch_build.py", "lpaudit/core/fields.c", "lpaudit/core/view.h"} <= held
    assert any(name.startswith("schemas/") for name in held)
    assert any(name.startswith("reports/") for name in held)
    assert not any(name.startswith(("sample_logs/", "tests/", ".venv")) for name in held)


def test_where_there_is_no_compiler_it_is_installed_without_its_core(built, checkout, tmp_path):
    run("env", "CC=no-such-compiler", *HATCH, "-t", "wheel", "-d", tmp_path, cwd=checkout)
    (slower,), (usual,) = tmp_path.glob("*.whl"), built.glob("*.whl")
    run("env", *HATCH, "-t", "wheel", "-d", tmp_path, cwd=checkout)  # the checkout's own core is there again
    assert slower.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(slower) as held:
        assert "lpaudit/core/libcore.so" not in held.namelist()
    if shutil.which("cc"):
        with zipfile.ZipFile(usual) as held:
            assert "lpaudit/core/libcore.so" in held.namelist()


def test_the_changelog_begins_with_this_version(checkout):
    changelog = (checkout / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## \[?(\d+\.\d+\.\d+)\]?", changelog, re.MULTILINE)[0] == package.__version__


def test_the_changelog_keeps_its_order(checkout):
    order = ["Security", "Removed", "Deprecated", "Added", "Changed", "Fixed", "Evidence"]
    changelog = (checkout / "CHANGELOG.md").read_text("utf-8")
    for release in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        headings = re.findall(r"^### (.*)$", release, re.MULTILINE)
        assert headings == sorted(headings, key=order.index)


def test_every_import_is_a_declared_dependency(checkout):
    """What only a development tool happens to bring is missing where `make run` runs."""
    declared = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    allowed = {re.match(r"[\w.-]+", d)[0].partition(".")[0].lower().replace("-", "_") for d in declared}
    allowed |= {name.removeprefix("python_") for name in allowed}  # python-dotenv is imported as dotenv
    undeclared = {}
    for path in sorted((checkout / "lpaudit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for module in modules:
                root = module.partition(".")[0]
                if root == "prefect" and (path.parent.name == "runheader" or path.name == "flows.py"):
                    continue  # which are loaded by Prefect
                if root == "typst" and path.name == "pdf.py":
                    continue  # the extra pdf: without it, one format says so
                if root not in sys.stdlib_module_names | {"lpaudit"} and root not in allowed | {
                    "compression"
                }:
                    undeclared.setdefault(root, []).append(f"{path.relative_to(checkout)}:{node.lineno}")
    assert not undeclared


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt", "requirements-prefect.txt"])
def test_locks_name_no_place_and_hash_everything(checkout, lock):
    text = (checkout / lock).read_text("utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    requirements = re.findall(r"^[\w.-]+==.*(?:\n    --hash=.*)*", text, re.MULTILINE)
    assert len(requirements) > 20
    assert all("--hash=sha256:" in requirement for requirement in requirements)


def test_both_locks_agree(checkout):
    def pinned(lock):
        text = (checkout / lock).read_text("utf-8")
        return set(re.findall(r"^([\w.-]+==[^ ]+)", text, re.MULTILINE))

    assert pinned("requirements.txt") <= pinned("requirements-dev.txt")
