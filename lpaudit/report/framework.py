"""One .toml file under reports/frameworks: which checks a report prints, and what it cannot show."""

from hashlib import sha256
from pathlib import Path

from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Framework, Section
from lpaudit.report import toml
from lpaudit.report.check import parameter
from lpaudit.resources import folder

_KEYS = ("id", "title", "description", "summary", "result", "method", "not_shown", "show", "section")


def framework_ids() -> list[str]:
    """Return the ids of all frameworks, in order."""
    return sorted(_files())


def load_framework(framework_id: str) -> Framework:
    """Read a framework. Raises ConfigError if there is none of that id, CheckError if it is broken."""
    files = _files()
    if framework_id not in files:
        raise ConfigError(f"there is no report {framework_id!r}", hint=toml.hint(framework_id, files))
    path = files[framework_id]
    return parse_framework(path.read_bytes(), path.relative_to(folder("reports")).as_posix())


def parse_framework(data: bytes, file: str) -> Framework:
    """Read the bytes of a framework. Raises CheckError."""
    raw = toml.parse(data.decode("utf-8"), file)
    toml.only(raw, _KEYS, file)
    framework = Framework(
        id=toml.text(raw, "id", file),
        title=toml.text(raw, "title", file),
        description=toml.text(raw, "description", file),
        sections=_sections(raw, file),
        summary=toml.text(raw, "summary", file),
        result=toml.texts(raw, "result", file),
        method=toml.texts(raw, "method", file),
        not_shown=toml.texts(raw, "not_shown", file),
        show=parameter(raw.get("show"), "show", file),
        file=file,
        sha256=sha256(data).hexdigest(),
    )
    if Path(file).stem != framework.id:
        raise CheckError(f"{file} has the id {framework.id!r}", hint="the id is the file's name")
    if framework.summary not in {s.check for s in framework.sections}:
        raise CheckError(
            f"{file}: the summary {framework.summary} is not a section", hint="show where it is from"
        )
    if not isinstance(framework.show.default, int):
        raise CheckError(f"{file}: show must be a number of rows", hint="reports/README.md shows one")
    return framework


def _files() -> dict[str, Path]:
    return {path.stem: path for path in folder("reports").glob("frameworks/*.toml")}


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
    if chart not in (None, "hours"):
        raise CheckError(f"{file}: unknown chart {chart!r}", hint="there are: hours")
    return Section(toml.text(raw, "check", file), chart, show)
