"""What can be known about the safety of the code and of what it depends on without a network.

Code: the rules of bandit are ruff's S rules, all of which `make check-lint` applies; here it is seen that
whoever switched one off said why. Dependencies: every locked file has a hash and comes from an index, the
versions are those that pyproject.toml allows and those that are installed, nothing that is installed lacks
what it needs, and what lpaudit runs with has a licence that lets everybody use it. What is not known here
is whether somebody has found a hole in one of them since: that takes a network.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-prefect.txt")
CODE = ("lpaudit", "bench", "docs", "schemas", "reports", ".ci")

PERMISSIVE = re.compile(r"MIT(?:-0)?|Apache|BSD|0BSD|ISC|PSF|Python Software Foundation", re.IGNORECASE)
OTHERS = {
    "certifi": "MPL-2.0: a list of certificates, which is not changed",
    "pathspec": "MPL-2.0: builds the package, and is no part of it",
}
"""Packages under other licences, and why that is no harm."""

_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?:\s|$)")
_SWITCHED_OFF = re.compile(r"#\s*noqa:\s*(?=[^#]*\bS\d)(?P<codes>[A-Z0-9, ]+)(?P<why>.*)")


def locked(text: str) -> Iterator[tuple[Requirement, str]]:
    """Yield what a lock pins, with all that it says of it."""
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        if entry.strip() and not entry.lstrip().startswith("#"):
            yield Requirement(entry.partition("--hash")[0].strip()), entry


def unpinned(text: str) -> Iterator[str]:
    """Yield what a lock leaves open: which version, which file, from where."""
    for requirement, entry in locked(text):
        versions = list(requirement.specifier)
        if requirement.url or len(versions) != 1 or versions[0].operator != "==":
            yield f"{requirement.name} is not one version of an index"
        elif not _HASH.search(entry):
            yield f"{requirement.name} has no hash"


def contradictions(text: str, declared: list[str]) -> Iterator[str]:
    """Yield where a lock is not what is declared, or what is installed."""
    pins = {canonicalize_name(r.name): r for r, _ in locked(text) if r.marker is None or r.marker.evaluate()}
    for wanted in map(Requirement, declared):
        pin = pins.get(canonicalize_name(wanted.name))
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        if pin is None:
            yield f"{wanted.name} is declared, and not locked"
        elif not wanted.specifier.contains(next(iter(pin.specifier)).version, prereleases=True):
            yield f"{pin} is not {wanted}"
    for name, pin in pins.items():
        version = next(iter(pin.specifier)).version
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield f"{name} {version} is locked, and not installed"
        else:
            if there != version:
                yield f"{name} {there} is installed, and {version} is locked"


def unfree(text: str, others: Mapping[str, str] = OTHERS) -> Iterator[str]:
    """Yield what is locked and has a licence that is not known to be harmless."""
    for requirement, _ in locked(text):
        name = canonicalize_name(requirement.name)
        if name in others or (requirement.marker is not None and not requirement.marker.evaluate()):
            continue
        told = licence(name)
        if not PERMISSIVE.search(told):
            yield f"{name} is under {told or 'no licence that it names'}"


def licence(name: str) -> str:
    """Return what an installed package says of its licence."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classes = [c.rpartition("::")[2].strip() for c in said.get_all("Classifier") or [] if "License ::" in c]
    return said.get("License-Expression") or ", ".join(classes) or (said.get("License") or "")[:80]


def unexplained(code: str) -> Iterator[str]:
    """Yield the lines in which a rule about safety is switched off without a reason."""
    for number, line in enumerate(code.splitlines(), 1):
        found = _SWITCHED_OFF.search(line)
        if found and "--" not in found["why"]:
            yield f"{number}: {line.strip()}"


def problems() -> Iterator[str]:
    """Yield everything that is wrong."""
    text = {lock: (CHECKOUT / lock).read_text("utf-8") for lock in LOCKS}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    for lock in LOCKS:
        yield from (f"{lock}: {found}" for found in unpinned(text[lock]))
    yield from (
        f"{LOCKS[0]}: {found}" for found in contradictions(text[LOCKS[0]], project["project"]["dependencies"])
    )
    development = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    yield from (f"{LOCKS[1]}: {found}" for found in contradictions(text[LOCKS[1]], development))
    yield from (f"{LOCKS[0]}: {found}" for found in unfree(text[LOCKS[0]]))
    for folder in CODE:
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            where = path.relative_to(CHECKOUT)
            yield from (f"{where}:{found}" for found in unexplained(path.read_text("utf-8")))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- pip of this environment
    if ran.returncode:
        yield from (f"installed: {line}" for line in ran.stdout.splitlines())


def main() -> int:
    """Say what is wrong; exit status 1 if something is."""
    found = list(problems())
    for problem in found:
        print(problem)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
