"""lighttpd.conf → blocks of settings, as far as the file itself can say.

Written from lighttpd's src/configfile.c and configparser.y (1.4.69). The same grammar is
what `lighttpd -p` prints, with every variable and include resolved.

`include_shell` is never executed: it is said, and what it would add is not known.
"""

import glob
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from lpaudit.errors import ConfigError

_MAX_DEPTH = 32  # of includes and blocks: a file that includes itself ends here
_OF_THE_PROCESS = ("var.PID", "var.CWD")

# A string knows one escape, \": every other backslash stands for itself (configfile.c, config_tokenizer).
_TOKEN = re.compile(
    r"""(?P<blank>[\ \t\r\f\v\ufeff]+|\#[^\n]*)
    |(?P<line>\n)
    |(?P<string>"(?:\\"|[^"])*+")
    |(?P<condition>\$[A-Za-z]+(?:[\ \t]*\[[\ \t]*"(?:\\"|[^"])*+"[\ \t]*\])?)
    |(?P<operator>\+=|:=|=>|==|!=|=~|!~|=\^|=\$|[=+,(){}])
    |(?P<number>[0-9]+(?![\w.-]))
    |(?P<name>[A-Za-z_][\w.-]*)
    |(?P<wrong>.)""",
    re.VERBOSE | re.DOTALL,
)
_ELSE = ("else", "elseif", "elsif", "elif")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that the file cannot say, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Other:
    """An array: values in their order, each with its key or None."""

    items: "tuple[tuple[str | None, Value], ...]" = ()

    def get(self, key: str) -> "Value | None":
        """Return the last value under a key."""
        return next((value for name, value in reversed(self.items) if name == key), None)


Value = str | int | Unknown | Other


@dataclass(slots=True)
class Block:
    """The settings under one condition; those of the whole server have none.

    Of the blocks of one ``chain`` (if, else if, else) at most one holds.
    """

    index: int
    parent: "Block | None" = None
    subject: str = ""
    operator: str = ""
    operand: str = ""
    chain: int = 0
    settings: dict[str, Value] = field(default_factory=dict)

    @property
    def path(self) -> "tuple[Block, ...]":
        """The block and those around it, outermost first."""
        return (*(self.parent.path if self.parent else ()), self)

    @property
    def condition(self) -> str:
        """When the block holds, in lighttpd's words; empty for the whole server."""
        return " and ".join(
            f'{block.subject} {block.operator} "{block.operand}"' if block.subject else "otherwise"
            for block in self.path[1:]
        )


@dataclass(frozen=True, slots=True)
class Source:
    """What was read: blocks in their order, and what could not be resolved."""

    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    shell: bool  # whether an include_shell was met


ReadText = Callable[[Path], str]


def read_text(path: Path) -> str:
    """Return a configuration file's text; bytes that are not UTF-8 survive. Raises ConfigError."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"cannot read {path}: {reason}",
            hint="name lighttpd's configuration: @/etc/lighttpd/lighttpd.conf",
        ) from error


def read_file(path: Path, read: ReadText = read_text) -> Source:
    """Read a configuration file and what it includes. Raises ConfigError."""
    return _Parser(path.parent, read).run(str(path), read(path))


def read_printed(text: str) -> Source:
    """Read what `lighttpd -p` has printed. Raises ConfigError."""
    return _Parser(Path("/"), read_text).run("lighttpd -p", text)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(name: str, text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup or "", match.group()
        if kind == "wrong":
            raise _broken(name, line, f"{found!r} is out of place")
        if kind != "blank":
            yield _Token(kind, found, line)
        line += found.count("\n")
    yield _Token("end", "", line)


def _broken(name: str, line: int, why: str) -> ConfigError:
    return ConfigError(
        f"cannot read {name} as lighttpd's configuration: line {line}: {why}",
        hint="`lighttpd -tt -f FILE` checks it; or give the accesslog.format itself",
    )


def _unquote(text: str) -> str:
    return text[1:-1].replace('\\"', '"')


class _Parser:
    def __init__(self, base: Path, read: ReadText) -> None:
        self.base = base  # relative includes are relative to the main file, also within included ones
        self.read = read
        self.blocks = [Block(0)]
        self.notes: list[str] = []
        self.shell = False
        self.chains = count(1)
        self.depth = 0

    def run(self, name: str, text: str) -> Source:
        self.statements(_Stream(name, text), self.blocks[0], closing=False)
        return Source(tuple(self.blocks), tuple(dict.fromkeys(self.notes)), self.shell)

    def statements(self, stream: "_Stream", block: Block, *, closing: bool) -> None:
        """Read up to the end of the file, or up to the brace that closes the block."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _broken(stream.name, stream.peek().line, "includes or blocks are too deep")
        chain = 0  # that an `else` would go on with
        while True:
            stream.skip_lines()
            token = stream.next()
            if token.kind == "end" or token.text == "}":
                if closing != (token.text == "}"):
                    raise _broken(stream.name, token.line, "a block is not closed" if closing else "stray }")
                break
            if token.kind == "condition":
                chain = next(self.chains)
                self.conditional(stream, block, token, chain)
            elif token.text in _ELSE and chain:
                self.otherwise(stream, block, chain)
            elif token.kind == "name":
                chain = 0
                self.statement(stream, block, token)
            else:
                raise _broken(stream.name, token.line, f"{token.text} is out of place")
        self.depth -= 1

    def conditional(self, stream: "_Stream", parent: Block, subject: _Token, chain: int) -> None:
        operator = stream.expect("operator", "==", "!=", "=~", "!~", "=^", "=$")
        operand = self.expression(stream, parent)
        block = Block(len(self.blocks), parent, re.sub(r"\s", "", subject.text), operator.text, chain=chain)
        if isinstance(operand, Unknown):
            self.notes.append(f"{stream.name}:{subject.line}: a condition is not known: {operand.why}")
        block.operand = "?" if isinstance(operand, Unknown | Other) else str(operand)
        self.blocks.append(block)
        self.body(stream, block)

    def otherwise(self, stream: "_Stream", parent: Block, chain: int) -> None:
        if stream.peek().text == "if":
            stream.next()
        if stream.peek().kind == "condition":
            self.conditional(stream, parent, stream.next(), chain)
            return
        block = Block(len(self.blocks), parent, chain=chain)
        self.blocks.append(block)
        self.body(stream, block)

    def body(self, stream: "_Stream", block: Block) -> None:
        stream.skip_lines()
        stream.expect("operator", "{")
        self.statements(stream, block, closing=True)

    def statement(self, stream: "_Stream", block: Block, name: _Token) -> None:
        if name.text in ("global", "config") and stream.peek().text == "{":
            self.body(stream, self.blocks[0])  # `lighttpd -p` calls the whole server config { … }
        elif name.text == "include":
            self.include(stream, block, name)
        elif name.text == "include_shell":
            self.expression(stream, block)
            self.shell = True
            self.notes.append(
                f"{stream.name}:{name.line}: include_shell is not executed; what it would add is not known"
            )
        else:
            operator = stream.expect("operator", "=", "+=", ":=")
            value = self.expression(stream, block)
            key = _key(name.text)
            if operator.text == "+=":
                before = self.lookup(block, key)
                value = value if before is None else _sum(before, value)
            block.settings[key] = value

    def include(self, stream: "_Stream", block: Block, token: _Token) -> None:
        value = self.expression(stream, block)
        if not isinstance(value, str):
            why = value.why if isinstance(value, Unknown) else "it is no text"
            self.notes.append(f"{stream.name}:{token.line}: an include cannot be followed: {why}")
            return
        pattern = str(self.base / value)
        paths = [Path(pattern)]
        if glob.has_magic(pattern):
            paths = [Path(found) for found in sorted(glob.glob(pattern))]  # noqa: PTH207 -- Path.glob takes no absolute pattern
        for path in paths:
            self.statements(_Stream(str(path), self.read(path)), block, closing=False)

    def expression(self, stream: "_Stream", block: Block) -> Value:
        value = self.operand(stream, block)
        while stream.peek().text == "+":
            stream.next()
            value = _sum(value, self.operand(stream, block))
        return value

    def operand(self, stream: "_Stream", block: Block) -> Value:
        token = stream.next()
        if token.text == "(" and token.kind == "operator":
            return self.array(stream, block)
        if token.kind not in ("string", "number", "name"):
            raise _broken(stream.name, token.line, "a value is missing")
        return self.simple(block, token)

    def simple(self, block: Block, token: _Token) -> Value:
        """Return what a text, a number or a name stands for."""
        if token.kind == "string":
            return _unquote(token.text)
        if token.kind == "number":
            return int(token.text)
        key = _key(token.text)
        value = self.lookup(block, key)
        if value is not None:
            return value
        if key.startswith("env."):
            return Unknown(f"{key} is in lighttpd's environment")
        if key in _OF_THE_PROCESS:
            return Unknown(f"{key} is lighttpd's own")
        # Not an error: an include_shell may have set it.
        return Unknown(f"{token.text} is not set")

    def array(self, stream: "_Stream", block: Block) -> Other:
        """Read what follows a parenthesis. A stack and not recursion: a file may nest as it likes."""
        open_arrays: list[tuple[str | None, list[tuple[str | None, Value]]]] = [(None, [])]
        key: str | None = None
        while True:
            stream.skip_lines()
            token = stream.next()
            items = open_arrays[-1][1]
            if token.kind == "end":
                raise _broken(stream.name, token.line, "( is never closed")
            if token.text == "(" and token.kind == "operator":
                open_arrays.append((key, []))
                key = None
            elif token.text == ")" and token.kind == "operator":
                key, items = open_arrays.pop()
                if not open_arrays:
                    return Other(tuple(items))
                open_arrays[-1][1].append((key, Other(tuple(items))))
                key = None
            elif token.kind in ("string", "number", "name"):
                value = self.simple(block, token)
                while stream.peek().text == "+":
                    stream.next()
                    value = _sum(value, self.simple(block, stream.next()))
                stream.skip_lines()
                if stream.peek().text == "=>":
                    stream.next()
                    key = "?" if isinstance(value, Unknown | Other) else str(value)
                else:
                    items.append((key, value))
                    key = None

    @staticmethod
    def lookup(block: Block, key: str) -> Value | None:
        for around in reversed(block.path):
            if key in around.settings:
                return around.settings[key]
        return None


def _key(name: str) -> str:
    """A name without a dot is a variable's."""
    return name if "." in name else f"var.{name}"


def _sum(left: Value, right: Value) -> Value:
    for value in (left, right):
        if isinstance(value, Unknown):
            return value
    if isinstance(left, Other) and isinstance(right, Other):
        return Other(left.items + right.items)
    if isinstance(left, Other) or isinstance(right, Other):
        return Other()
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    return f"{left}{right}"


class _Stream:
    """The tokens of one file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._tokens = list(_tokens(name, text))
        self._at = 0

    def peek(self) -> _Token:
        return self._tokens[self._at]

    def next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def skip_lines(self) -> None:
        while self.peek().kind == "line":
            self.next()

    def expect(self, kind: str, *texts: str) -> _Token:
        token = self.next()
        if token.kind != kind or token.text not in texts:
            raise _broken(self.name, token.line, f"{' or '.join(texts)} is missing")
        return token
