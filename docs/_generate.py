"""The generated parts of docs/: from schemas/ and from the command line itself. Run by cog: `make docs`."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import typer

from lpaudit import report
from lpaudit.cli import app
from lpaudit.config import SETTINGS
from lpaudit.errors import Exit
from lpaudit.model import Check, Framework
from lpaudit.retention import classes
from lpaudit.routes import catalogue
from lpaudit.schema import TYPES, Field, Table, View, tables

STATUSES = {
    Exit.OK: "Done.",
    Exit.NO: "Done, and the answer is no: for example more rejected lines than `--max-rejects`, "
    "a limit of `lpaudit status --check`, or what `lpaudit doctor` found.",
    Exit.USAGE: "What was asked for is impossible: an option, a setting, a format string, a query.",
    Exit.FAILED: "Could not finish: an input that cannot be read, a store that cannot be used. "
    "Nothing is lost; the same command goes on from there.",
    Exit.BUG: "A bug in lpaudit, with a traceback.",
    Exit.BUSY: "Another lpaudit is at it, and the message says which: "
    "`lpaudit nightly` never runs twice at once.",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C. What was committed stays.",
}

SENSITIVITIES = {
    "none": "says nothing about a person",
    "personal": "says, or may say, who did something or from where",
    "secret-bearing": "holds what clients send: a secret that was not recognised as one may be there",
}


def data_dictionary() -> str:
    """Return every table and view, with every column."""
    parts = [_vocabulary(), _contents()]
    for table in tables().values():
        parts += [_table(table), *(_view(view, table) for view in table.views)]
    return "\n\n".join(parts) + "\n"


def _vocabulary() -> str:
    types = _markdown(("type", "Arrow"), ((f"`{name}`", f"`{arrow}`") for name, arrow in TYPES.items()))
    used = {field.sensitivity for table in tables().values() for field in table.fields}
    sensitivities = _markdown(
        ("sensitivity", "the column"), ((name, SENSITIVITIES[name]) for name in sorted(used))
    )
    return f"{types}\n\n{sensitivities}"


def _contents() -> str:
    rows = []
    for table in tables().values():
        rows.append((f"[`{table.name}`](#{table.name})", "table", table.description))
        rows += [(f"[`{view.name}`](#{view.name})", "view", view.description) for view in table.views]
    return _markdown(("name", "kind", "what it holds"), rows)


def _table(table: Table) -> str:
    columns: list[tuple[str, list[str]]] = [
        ("column", [f"`{f.name}`" for f in table.fields]),
        ("type", [f.type for f in table.fields]),
        ("null", ["yes" if f.nullable else "no" for f in table.fields]),
        ("directive", [_code(f.directive) for f in table.fields]),
        ("Prefect", [_code(".".join(f.json)) for f in table.fields]),
        ("OpenTelemetry", [_code(f.otel) for f in table.fields]),
        ("ECS", [_code(f.ecs) for f in table.fields]),
        ("OCSF", [_code(f.ocsf) for f in table.fields]),
        ("sensitivity", [f.sensitivity for f in table.fields]),
        ("description", [f.description for f in table.fields]),
        ("example", [_example(f) for f in table.fields]),
    ]
    kept = [(name, cells) for name, cells in columns if any(cells)]
    rows = zip(*(cells for _, cells in kept), strict=True)
    facts = [f"Key: {', '.join(f'`{name}`' for name in table.key)}.", f"Version: {table.version}."]
    if table.dump:
        facts.append(f"Comes from: `{table.dump}.json`.")
    if table.drop:
        facts.append(f"Left out of `document`: {', '.join(f'`{name}`' for name in table.drop)}.")
    head = f"## {table.name}\n\n{table.title}. {table.description}\n\n" + "\n".join(facts)
    return f"{head}\n\n{_markdown([name for name, _ in kept], rows)}"


def _view(view: View, table: Table) -> str:
    head = (
        f"## {view.name}\n\n{view.title}. {view.description}\n\nA view over [`{table.name}`](#{table.name})."
    )
    rows = ((f"`{c.name}`", _code(c.sql if c.sql != c.name else None), c.description) for c in view.columns)
    return f"{head}\n\n{_markdown(('column', 'is', 'description'), rows)}"


def _example(field: Field) -> str:
    return _code(field.example)


def personal_data() -> str:
    """Return which columns hold personal data, and which may hold secrets."""
    rows = []
    for table in tables().values():
        held = [
            ", ".join(f"`{field.name}`" for field in table.fields if field.sensitivity == sensitivity)
            for sensitivity in ("personal", "secret-bearing")
        ]
        if any(held):
            rows.append((f"[`{table.name}`](data-dictionary.md#{table.name})", *held))
    return _markdown(("table", "personal", "whatever clients sent, after redaction"), rows)


def retention_classes() -> str:
    """Return which evidence may be purged, and which is kept, and why."""
    rows = (
        (
            f"`{one.name}`",
            one.title,
            ", ".join(f"`{table}`" for table in one.tables),
            "is purged" if one.kept is None else f"is kept: {one.kept}",
        )
        for one in classes().values()
    )
    return _markdown(("class", "what it is", "tables", ""), rows)


def cli() -> str:
    """Return every command with its arguments and options."""
    commands = dict(_commands(typer.main.get_command(app)))
    parts = [_markdown(("command", "what it does"), _command_list(commands))]
    parts += [_command(name, command) for name, command in commands.items()]
    return "\n\n".join(parts) + "\n"


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command by its name, those of groups with the group's before it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield prefix + name, command


def _command_list(commands: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, command in commands.items():
        first = inspect.cleandoc(command.help or "").split("\n\n")[0]
        yield f"[`lpaudit {name}`](#lpaudit-{name.replace(' ', '-')})", " ".join(first.split())


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join(["lpaudit", name, "[OPTIONS]", *(_argument(a) for a in arguments)])
    parts = [f"## lpaudit {name}", f"```\n{usage}\n```", _prose(command.help or "")]
    if arguments:
        rows = ((f"`{_name(a)}`", a.help or "") for a in arguments)
        parts.append(_markdown(("argument", "meaning"), rows))
    parts.append(_markdown(("option", "meaning"), ((_option(o), _meaning(o)) for o in options)))
    return "\n\n".join(parts)


def _name(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def _argument(argument: Any) -> str:
    return _name(argument) if argument.required else f"[{_name(argument)}]"


def _option(option: Any) -> str:
    names = sorted((*option.opts, *option.secondary_opts), key=len)
    kind = option.type_descriptor.annotation
    value = option.metavar or "VALUE"
    if option.is_flag:
        value = ""
    elif inspect.isclass(kind) and issubclass(kind, Enum):
        value = "|".join(str(choice.value) for choice in kind)
    return ", ".join(f"`{name} {value}`" if value else f"`{name}`" for name in names)


def _meaning(option: Any) -> str:
    default = option.default
    told = default is None or option.is_flag or option.required or "[default:" in (option.help or "")
    required = " Required." if option.required else ""
    return (option.help or "") + ("" if told else f" [default: {_text(default)}]") + required


def _text(value: object) -> str:
    return str(getattr(value, "value", value))


def _prose(text: str) -> str:
    """Turn a command's help into Markdown: what is indented is an example."""
    parts: list[str] = []
    examples: list[str] = []
    for paragraph in inspect.cleandoc(text).replace("\b\n", "").split("\n\n"):
        if paragraph.startswith("  "):
            examples.append(inspect.cleandoc(paragraph))
            continue
        parts.append(paragraph)
    if examples:
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(parts)


def controls() -> str:
    """Return the control handbook: every check, and every framework's matrix."""
    found = sorted(
        map(report.load_check, report.checks()), key=lambda c: (int((c.section or "S99")[1:]), c.id)
    )
    rows = (
        (c.section or "", f"[`{c.id}`](#{c.id})", c.title, c.severity or "", " ".join(c.tags)) for c in found
    )
    parts = ["## Checks", _markdown(("section", "check", "title", "severity", "tags"), rows)]
    parts += map(_check, found)
    parts += [_framework(report.load_framework(name)) for name in report.framework_ids()]
    return "\n\n".join(parts) + "\n"


def _check(check: Check) -> str:
    kind = f"A control of severity {check.severity}" if check.severity else "A table"
    facts = [f"{kind}, of {check.unit}."]
    if check.section:
        facts.append(f"Section {check.section}.")
    if check.tags:
        facts.append(f"Tags: {', '.join(check.tags)}.")
    facts.append(f"File: `reports/{check.file}`.")
    parts = [f"### {check.id}", f"{check.title}: {check.question}", "\n".join(facts), check.limits]
    parts += [f"Needs `{name}`: else {why}." for name, why in check.needs.items()]
    if check.parameters:
        rows = ((f"`{p.name}`", _code(repr(p.default)), p.why) for p in check.parameters)
        parts.append(_markdown(("parameter", "default", "why"), rows))
    return "\n\n".join(parts)


def _framework(framework: Framework) -> str:
    parts = [f"## {framework.id}", f"{framework.title}. {framework.description}"]
    if framework.controls:
        rows = (
            (c.id, c.intent, ", ".join(f"[`{name}`](#{name})" for name in c.checks) or "–", c.not_shown)
            for c in framework.controls
        )
        parts.append(_markdown(("control", "intent", "checks", "what they leave open"), rows))
    else:
        parts.append("Sections: " + ", ".join(f"[`{s.check}`](#{s.check})" for s in framework.sections) + ".")
    parts.append("Not shown:\n\n" + "\n".join(f"- {text}" for text in framework.not_shown))
    return "\n\n".join(parts)


def exit_statuses() -> str:
    """Return every exit status; KeyError for one that is not explained here."""
    return _markdown(("status", "meaning"), ((str(int(status)), STATUSES[status]) for status in Exit)) + "\n"


def settings() -> str:
    """Return every setting, with its names and its default."""
    rows = (
        (
            f"`{s.name}`",
            f"`LPAUDIT_{s.name.upper()}`",
            f"`{s.default}`" if s.default else "",
            s.help,
        )
        for s in SETTINGS.values()
    )
    return _markdown(("key in lpaudit.toml", "variable", "default", "meaning"), rows) + "\n"


def routes() -> str:
    """Return the route catalogue: what it covers, every operation, and why it is what it is."""
    known = catalogue()
    versions = " · ".join(known.prefect)
    head = f"Catalogue version {known.version}, from Prefect {versions}: {len(known.routes)} operations."
    numbered = {why: number for number, why in enumerate(dict.fromkeys(r.why for r in known.routes), start=1)}
    rows = (
        (
            f"`{r.method} {r.template}`",
            r.action,
            "yes" if r.privileged == "true" else "",
            r.resource_type,
            f"`{r.resource_parameter}`" if r.resource_parameter else "",
            _span(r.since, r.until, known.prefect),
            str(numbered[r.why]),
        )
        for r in known.routes
    )
    table = _markdown(("operation", "action", "privileged", "resource", "named by", "versions", "why"), rows)
    reasons = "\n".join(f"{number}. {why}" for why, number in numbered.items())
    return f"{head}\n\n{table}\n\n### Why\n\n{reasons}\n"


def _span(since: str, until: str, covered: Sequence[str]) -> str:
    """Return in which covered versions an operation is; nothing for all of them."""
    if until:
        return f"to {until}" if since == covered[0] else f"{since} to {until}"
    return "" if since == covered[0] else f"from {since}"


def _code(text: str | None) -> str:
    if not text:
        return ""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *(line(row) for row in rows)])
