"""schemas/retention/classes.toml → classes of evidence: what may be purged, and what is kept, and why."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from lpaudit.errors import ConfigError
from lpaudit.resources import folder


@dataclass(frozen=True, slots=True)
class Class:
    """Tables that are kept alike. ``kept`` says why nothing of them is ever purged; None: it may be."""

    name: str
    title: str
    tables: tuple[str, ...]
    kept: str | None = None


@cache
def classes() -> dict[str, Class]:
    """Return every class by its name."""
    text = (folder("schemas") / "retention" / "classes.toml").read_text("utf-8")
    found = (Class(**told | {"tables": tuple(told["tables"])}) for told in tomllib.loads(text)["class"])
    return {one.name: one for one in found}


def chosen(names: Sequence[str]) -> list[Class]:
    """Return the classes of these names, or all that may be purged. Raises ConfigError for others."""
    every = classes()
    may = [one.name for one in every.values() if one.kept is None]
    for name in names:
        if name not in every:
            raise ConfigError(f"there is no class {name!r}", hint=f"these may be purged: {', '.join(may)}")
        if (why := every[name].kept) is not None:
            raise ConfigError(
                f"nothing of the class {name} is ever purged: {why}",
                hint=f"these may be purged: {', '.join(may)}",
            )
    return [every[name] for name in may if name in names or not names]
