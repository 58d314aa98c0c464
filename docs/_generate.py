"""The generated parts of docs/: from schemas/ and from the command line itself. Run by cog: `make docs`."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

import typer

from lpaudit.cli import app
from lpaudit.config import SETTINGS
from lpaudit.errors import Exit
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
    "secret-bearing": "may hold passwords, tokens or other secrets, because clients send them there",
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


def cli() -> str:
    """Return every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = [_markdown(("command", "what it does"), _command_list(group))]
    parts += [_command(name, command) for name, command in commands_of(group) if not command.hidden]
    return "\n\n".join(parts) + "\n"


def commands_of(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command by what is typed, those of a group under their two words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _command_list(group: Any) -> Iterator[tuple[str, str]]:
    for name, command in commands_of(group):
        if not command.hidden:
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
