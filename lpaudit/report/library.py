"""Which checks and frameworks there are: lpaudit's own, and those of folders that the user names.

A folder is laid out like reports/: checks/<area>/<id>.sql, frameworks/<id>.toml. What is there
already is never replaced by a file of the same id: a report that calls a check by a name that
others know must mean the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lpaudit.errors import CheckError, ConfigError
from lpaudit.report import toml
from lpaudit.resources import folder


@dataclass(frozen=True, slots=True)
class Library:
    """Where checks and frameworks are.

    ``own`` are the user's folders; ``changed`` are values of parameters that are not to be what
    they are by default: by check, by name, with where they were set.
    """

    own: tuple[Path, ...] = ()
    changed: Mapping[str, Mapping[str, tuple[object, str]]] = field(default_factory=dict)


SHIPPED = Library()
"""What comes with lpaudit, as it comes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a library. ``name`` is what a report calls it: its path below reports/, or the user's.

    ``own`` says that it is the user's.
    """

    path: Path
    name: str
    own: bool


def checks(library: Library = SHIPPED) -> dict[str, Found]:
    """Return every check's file by id. Raises CheckError if two have the same id."""
    return _files(library, "checks/*/*.sql", "check")


def frameworks(library: Library = SHIPPED) -> dict[str, Found]:
    """Return every framework's file by id. Raises CheckError if two have the same id."""
    return _files(library, "frameworks/*.toml", "framework")


def refuse_unknown(library: Library) -> None:
    """Raise ConfigError if a parameter is set of a check that there is not."""
    known = checks(library)
    for check_id, values in library.changed.items():
        if check_id not in known:
            origin = next((origin for _, origin in values.values()), "the configuration")
            raise ConfigError(f"{origin}: there is no check {check_id!r}", hint=toml.hint(check_id, known))


def _files(library: Library, pattern: str, what: str) -> dict[str, Found]:
    found: dict[str, Found] = {}
    shipped = folder("reports")
    for root in (shipped, *library.own):
        if not root.is_dir():
            raise ConfigError(
                f"there is no folder {root}", hint="a folder of reports holds checks/ and frameworks/"
            )
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(shipped).as_posix() if root == shipped else path.as_posix()
            if path.stem in found:
                raise CheckError(
                    f"two {what}s are called {path.stem}: {found[path.stem].name} and {name}",
                    hint="give yours another name",
                )
            found[path.stem] = Found(path, name, root != shipped)
    return found
