"""One .toml file under reports/frameworks: which checks a report prints, and what it cannot show."""

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Control, Framework, Section
from lpaudit.report import toml
from lpaudit.report.charts import CHARTS
from lpaudit.report.check import load_any, parameter
from lpaudit.report.library import SHIPPED, Library, frameworks

_INHERITED = ("summary", "result", "method", "not_shown", "show", "completeness", "section")
"""What a framework takes from its ``base``; lists of both are one, the base's first."""

_KEYS = ("id", "title", "description", "base", "control", *_INHERITED)


def framework_ids(library: Library = SHIPPED) -> list[str]:
    """Return the ids of all frameworks, in order."""
    return sorted(frameworks(library))


def load_framework(framework_id: str, library: Library = SHIPPED) -> Framework:
    """Read a framework. Raises ConfigError if there is none of that id, CheckError if it is broken."""
    files = frameworks(library)
    if framework_id not in files:
        raise ConfigError(f"there is no report {framework_id!r}", hint=toml.hint(framework_id, files))
    found = files[framework_id]
    return parse_framework(found.path.read_bytes(), found.name, library)


def parse_framework(data: bytes, file: str, library: Library = SHIPPED) -> Framework:
    """Read the bytes of a framework. Raises CheckError."""
    raw = toml.parse(toml.decoded(data, file), file)
    toml.only(raw, _KEYS, file)
    if "base" in raw:
        raw = _inherited(raw, file, library)
    controls = _controls(raw, file)
    sections = _sections(raw, file)
    framework = Framework(
        id=toml.text(raw, "id", file),
        title=toml.text(raw, "title", file),
        description=toml.text(raw, "description", file),
        sections=(*sections, *_of_controls(controls, {s.check for s in sections}, library)),
        summary=toml.text(raw, "summary", file),
        result=toml.texts(raw, "result", file),
        method=toml.texts(raw, "method", file),
        not_shown=toml.texts(raw, "not_shown", file),
        show=parameter(raw.get("show"), "show", file),
        completeness=toml.text(raw, "completeness", file),
        file=file,
        sha256=sha256(data).hexdigest(),
        controls=controls,
    )
    if Path(file).stem != framework.id:
        raise CheckError(f"{file} has the id {framework.id!r}", hint="the id is the file's name")
    for role in ("summary", "completeness"):
        if getattr(framework, role) not in {s.check for s in framework.sections}:
            raise CheckError(
                f"{file}: the {role} {getattr(framework, role)} is not a section",
                hint="show where it is from",
            )
    if not isinstance(framework.show.default, int):
        raise CheckError(f"{file}: show must be a number of rows", hint="reports/README.md shows one")
    return framework


def _inherited(raw: toml.Toml, file: str, library: Library) -> toml.Toml:
    """Return a framework with what it takes from its base. Raises CheckError."""
    base = toml.text(raw, "base", file)
    files = frameworks(library)
    if base not in files:
        raise CheckError(f"{file}: there is no framework {base!r}", hint=toml.hint(base, files))
    given = toml.parse(files[base].path.read_text("utf-8"), base)
    if "base" in given:
        raise CheckError(f"{file}: {base} has a base of its own", hint="name that one")
    merged = dict(raw)
    for key in _INHERITED:
        first, own = given.get(key), raw.get(key)
        merged[key] = first + own if isinstance(first, list) and isinstance(own, list) else own or first
    return merged


def _controls(raw: toml.Toml, file: str) -> tuple[Control, ...]:
    listed = raw.get("control", [])
    if not isinstance(listed, list):
        raise CheckError(f"{file}: control must be a list", hint="write [[control]]")
    controls = tuple(_control(toml.table(value, "control", file), file) for value in listed)
    for control_id, times in Counter(c.id for c in controls).items():
        if times > 1:
            raise CheckError(f"{file}: {times} controls are called {control_id}", hint="name each once")
    return controls


def _control(raw: toml.Toml, file: str) -> Control:
    toml.only(raw, ("id", "intent", "checks", "not_shown"), file)
    return Control(
        id=toml.text(raw, "id", file),
        intent=toml.text(raw, "intent", file),
        checks=toml.texts(raw, "checks", file) if raw.get("checks") else (),
        not_shown=toml.text(raw, "not_shown", file),
    )


def _of_controls(controls: Iterable[Control], known: set[str], library: Library) -> tuple[Section, ...]:
    """Return the sections of what controls name and the framework does not list, by number and id."""
    named = {check_id for control in controls for check_id in control.checks} - known
    checks = sorted(
        (load_any(name, library) for name in named), key=lambda c: (int((c.section or "S99")[1:]), c.id)
    )
    return tuple(Section(check.id) for check in checks)


def _sections(raw: toml.Toml, file: str) -> tuple[Section, ...]:
    listed = raw.get("section")
    if not isinstance(listed, list) or not listed:
        raise CheckError(f"{file} has no [[section]]", hint="a report is a list of checks")
    return tuple(_section(toml.table(value, "section", file), file) for value in listed)


def _section(raw: toml.Toml, file: str) -> Section:
    toml.only(raw, ("check", "chart", "show"), file)
    show = raw.get("show")
    if show is not None and not isinstance(show, int):
        raise CheckError(f"{file}: show must be a number of rows", hint="reports/README.md shows one")
    chart = toml.text(raw, "chart", file) if "chart" in raw else None
    if chart is not None and chart not in CHARTS:
        raise CheckError(f"{file}: unknown chart {chart!r}", hint=toml.hint(chart, CHARTS))
    return Section(toml.text(raw, "check", file), chart, show)
