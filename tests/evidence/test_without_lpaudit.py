"""The script for those who trust nobody: the standard library, zstd and openssl, nothing of lpaudit."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "verify_store.py"
pytestmark = pytest.mark.skipif(
    shutil.which("zstd") is None or shutil.which("openssl") is None, reason="zstd and openssl are needed"
)


def run(evidence, key=None):
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, evidence.root, str(key or evidence.signer.public)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_it_imports_the_standard_library_alone():
    tree = ast.parse(SCRIPT.read_text())
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {
        node.module.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert names <= sys.stdlib_module_names


def test_it_finds_nothing_and_what_lpaudit_finds(every_kind):
    status, said = run(every_kind)
    assert (status, said.splitlines()[-1]) == (
        0,
        f"0 findings: {every_kind.verify().leaves} records, 1268 bytes of logs",
    )
    for pattern, words in (
        ("evidence/*0.batch", "are not those that were signed"),
        ("commits/access_event/*.tar.zst", "this file has been changed"),
        ("access_event/part-compacted*.parquet", "this data file has been changed"),
        ("segments/*/*-92d94*.zst", "this segment"),
        ("segments/*/*.pack.zst", "segment"),
        ("lpaudit-store.json", "this file has been changed"),
        ("coverage_gap/_delta_log/*1.json", "is not the one that was signed"),
    ):
        [path] = every_kind.root.glob(pattern)
        data = path.read_bytes()
        place = data.index(b'"sha256"') + 15 if path.suffix == ".batch" else len(data) // 2
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        status, said = run(every_kind)
        assert status == 1, pattern
        assert words in said
        path.write_bytes(data)
    for batch in (every_kind.root / "evidence").glob("*.batch"):  # nobody signs its first line
        for told in (b'"access_event":', b'"lpaudit-store.json":'):
            data = batch.read_bytes()
            batch.write_bytes(data.replace(told, told.replace(b"t", b"x", 1), 1))
            status, said = run(every_kind)
            assert status == 1, batch.name
            assert "its first line names other versions or files" in said
            assert ("changed", f"evidence/{batch.name}") in {
                (str(found.what), found.where) for found in every_kind.verify().findings
            }
            batch.write_bytes(data)
    last = max((every_kind.root / "evidence").glob("*.batch"))
    data = last.read_bytes()
    last.write_bytes(data + b"x\n")
    assert run(every_kind)[0] == 1
    assert ("changed", f"evidence/{last.name}") in {
        (str(found.what), found.where) for found in every_kind.verify().findings
    }
    last.write_bytes(data)
    other = str(every_kind.signer.public).replace("gw1+2414a140", "gw2+2414a140")
    assert run(every_kind, other)[0] == 1
