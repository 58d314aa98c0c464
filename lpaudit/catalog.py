"""What can be selected, and what it means: the schemas as rows."""

import difflib
from collections.abc import Callable
from typing import Any

from lpaudit.errors import ConfigError
from lpaudit.logformat.presets import PRESETS, Preset, find
from lpaudit.schema import tables


def describe(
    name: str | None, types: Callable[[str], dict[str, str]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the tables and views, or the columns of one: column names and rows.

    ``types`` gives the columns of a table or view with their SQL types.
    Raises ConfigError for a name that is neither.
    """
    if name is None:
        rows = []
        for table in tables().values():
            rows += [
                {"name": v.name, "kind": "view", "columns": len(v.columns), "description": v.description}
                for v in table.views
            ]
            rows.append(
                {
                    "name": table.name,
                    "kind": "table",
                    "columns": len(table.fields),
                    "description": table.description,
                }
            )
        return ["name", "kind", "columns", "description"], rows
    known = {t.name: {f.name: f.description for f in t.fields} for t in tables().values()}
    known |= {v.name: {c.name: c.description for c in v.columns} for t in tables().values() for v in t.views}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"there is no table or view {name!r}",
            hint=f"did you mean {close[0]}?" if close else "`lpaudit tables` lists them",
        )
    return ["column", "type", "description"], [
        {"column": column, "type": kind, "description": known[name][column]}
        for column, kind in types(name).items()
    ]


def formats(name: str | None) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the presets, or one of them with its sample lines: column names and rows.

    Raises ConfigError for a name that no preset has.
    """
    chosen = list(PRESETS.values()) if name is None else [_preset(name)]
    rows = [
        {
            "name": preset.name,
            "title": preset.title,
            "escaping": str(preset.escaping),
            "format": preset.format_string,
            **({"samples": list(preset.samples)} if name else {}),
        }
        for preset in chosen
    ]
    return ["name", "title", "escaping", "format", *(["samples"] if name else [])], rows


def describe_format(name: str) -> list[str]:
    """Return one preset in lines for people. Raises ConfigError for a name that none has."""
    preset = _preset(name)
    also = f"  (also called {', '.join(preset.aliases)})" if preset.aliases else ""
    head = [f"{preset.name}: {preset.title}{also}", "", f"accesslog.escaping: {preset.escaping}"]
    return [*head, "accesslog.format:", preset.format_string, "", "sample lines:", *preset.samples]


def _preset(name: str) -> Preset:
    preset = find(name)
    if preset is None:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        raise ConfigError(
            f"there is no format {name!r}",
            hint=f"did you mean {close[0]}?" if close else "`lpaudit formats` lists them",
        )
    return preset
