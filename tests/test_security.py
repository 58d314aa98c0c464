"""`make check-security` finds what it is there to find: each of these was once, somewhere, an accident."""

import importlib.util

import pytest

from tests.conftest import CHECKOUT

_spec = importlib.util.spec_from_file_location("security", CHECKOUT / ".ci" / "security.py")
security = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(security)

HASH = f"--hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("lock", "found"),
    [
        (f"duckdb==2.0.0 \\\n    {HASH}\n", []),
        ("duckdb==2.0.0\n", ["duckdb has no hash"]),
        (f"duckdb==2.0.0 {HASH[:-1]}\n", ["duckdb has no hash"]),
        (f"duckdb>=2 {HASH}\n", ["duckdb is not one version of an index"]),
        (f"duckdb @ https://example.com/duckdb.whl {HASH}\n", ["duckdb is not one version of an index"]),
    ],
)
def test_what_a_lock_leaves_open_is_found(lock, found):
    assert list(security.unpinned(lock)) == found


def test_a_lock_that_is_not_what_is_declared_or_installed_is_found():
    here = security.metadata.version("duckdb")
    assert list(security.contradictions(f"duckdb=={here} {HASH}\n", [f"duckdb=={here}"])) == []
    assert list(security.contradictions(f"duckdb=={here} {HASH}\n", ["duckdb<1"])) == [
        f"duckdb=={here} is not duckdb<1"
    ]
    assert list(security.contradictions("", ["duckdb"])) == ["duckdb is declared, and not locked"]
    assert list(security.contradictions(f"duckdb==1.0 {HASH}\n", [])) == [
        f"duckdb {here} is installed, and 1.0 is locked"
    ]
    assert list(security.contradictions(f"no-such==1.0 {HASH}\n", [])) == [
        "no-such 1.0 is locked, and not installed"
    ]
    other = "no-such==1.0 ; python_version < '3'"
    assert list(security.contradictions(f"{other} {HASH}\n", [other.replace("==1.0", "")])) == []


def test_a_licence_that_binds_is_found():
    lock = f"codespell==2.4 {HASH}\nduckdb==2 {HASH}\ncertifi==1 {HASH}\n"
    assert list(security.unfree(lock)) == ["codespell is under GPL-2.0-only"]
    assert list(security.unfree(lock, {})) != list(security.unfree(lock))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x()  # noqa: S603 -- our own command", False),
        ("x()  # noqa: S603", True),
        ("x()  # noqa: PLC0415, S310", True),
        ("x()  # noqa: SLF001", False),
    ],
)
def test_a_rule_that_is_switched_off_without_a_reason_is_found(line, found):
    assert bool(list(security.unexplained(f"\n{line}\n"))) is found


def test_nothing_is_wrong_here():
    assert list(security.problems()) == []
