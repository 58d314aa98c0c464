"""Write prefect.csv and prefect.toml beside this file, from recorded/*.csv and rules.toml.

    python schemas/routes/generate.py [--check]

``--check`` writes nothing, and exits with 1 if a file would change.
"""

import csv
import io
import sys
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEAD = (
    "method",
    "template",
    "transport",
    "action",
    "privileged",
    "resource_type",
    "resource_parameter",
    "resource_kind",
    "parent_type",
    "parent_parameter",
    "parent_kind",
    "openapi",
    "since",
    "until",
    "why",
)
ACTIONS = set(
    "read poll telemetry create update execute approve cancel delete bulk_delete admin secret_read".split()  # noqa: SIM905 -- a list to read
)
# Prefect takes these as text, and for an id first.
EITHER = {"id_or_name"}


def version_key(version: str) -> tuple[int, ...]:
    """Order versions as numbers."""
    return tuple(map(int, version.split(".")))


def recorded() -> dict[str, list[dict[str, str]]]:
    """Return the recorded operations by Prefect version, oldest first."""
    files = sorted((HERE / "recorded").glob("*.csv"), key=lambda path: version_key(path.stem))
    return {path.stem: list(csv.DictReader(path.read_text("utf-8").splitlines())) for path in files}


def chosen(rules: list[dict[str, Any]], operation: str, used: set[str]) -> dict[str, Any]:
    """Return the first rule that fits; note in ``used`` which of its patterns did."""
    for rule in rules:
        for pattern in rule["match"]:
            # fnmatch has more than one wildcard: only * is meant.
            if fnmatchcase(operation, pattern.replace("[", "[[]").replace("?", "[?]")):
                used.add(f"{rules.index(rule)} {pattern}")
                return rule
    sys.exit(f"no rule fits {operation}")


def quoted(words: Iterable[str]) -> str:
    """Return words as a TOML list has them."""
    return ", ".join(f'"{word}"' for word in words)


def kind(parameter: str, parameters: str) -> str:
    """Say whether a parameter is a UUID, any text, or either; nothing of none."""
    if parameter in EITHER:
        return "either"
    return dict(part.split(":") for part in parameters.split()).get(parameter, "")


def catalogue() -> tuple[str, str]:
    """Return prefect.csv and prefect.toml as texts."""
    versions = recorded()
    rules = tomllib.loads((HERE / "rules.toml").read_text("utf-8"))
    found: dict[tuple[str, str], list[tuple[str, dict[str, str]]]] = {}
    for version, operations in versions.items():
        for row in operations:
            found.setdefault((row["template"], row["method"]), []).append((version, row))
    used: dict[str, set[str]] = {"action": set(), "resource": set()}
    rows = []
    for (template, method), occurrences in sorted(found.items()):
        row = occurrences[-1][1]
        operation = f"{method} {template}"
        action = chosen(rules["action"], operation, used["action"])
        resource = chosen(rules["resource"], operation, used["resource"])
        parameter, parent = resource.get("parameter", ""), resource.get("parent", "")
        if action["action"] not in ACTIONS:
            sys.exit(f"{operation}: there is no action {action['action']}")
        last = occurrences[-1][0]
        rows.append(
            {
                **{name: row[name] for name in ("method", "template", "transport", "openapi")},
                "action": action["action"],
                "privileged": str(action["privileged"]).lower(),
                "resource_type": resource["resource_type"],
                "resource_parameter": parameter,
                "resource_kind": kind(parameter, row["parameters"]),
                "parent_type": resource.get("parent_type", ""),
                "parent_parameter": parent,
                "parent_kind": kind(parent, row["parameters"]),
                "since": occurrences[0][0],
                "until": "" if last == list(versions)[-1] else last,
                "why": action["why"],
            }
        )
    for name, seen in used.items():
        every = {f"{n} {pattern}" for n, rule in enumerate(rules[name]) for pattern in rule["match"]}
        if unused := every - seen:
            sys.exit(f"{name} patterns that fit nothing: {sorted(unused)}")
    text = io.StringIO()
    writer = csv.DictWriter(text, HEAD, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    api = sorted({row["api_version"] for operations in versions.values() for row in operations})
    head = (
        "# Written by generate.py from rules.toml and recorded/*.csv: change those.\n\n"
        f"version = {rules['version']}\n"
        f"prefect = [{quoted(versions)}]\n"
        f"api = [{quoted(api)}]\n"
    )
    return text.getvalue(), head


def main() -> None:
    """Write or check the files."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name, text in zip(("prefect.csv", "prefect.toml"), catalogue(), strict=True):
        path = HERE / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        sys.exit(f"not up to date: {', '.join(stale)}. Run python {Path(__file__)}")


if __name__ == "__main__":
    main()
