"""lighttpd.conf → blocks of settings, as far as the file itself can say.

Written from lighttpd's src/configfile.c and configparser.y (1.4.69). The same grammar is
what `lighttpd -p` prints, with every variable and include resolved.

lighttpd's parser throws away every token that cannot follow the one before it, the end of a
line among them. That is why a value may stand below its `=`, and why `+` at the begin of a
line adds nothing: the statement has ended there. So do we, or we would refuse, or read
otherwise, what lighttpd runs with.

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


def _token(*, condition: bool, parens: bool) -> re.Pattern[str]:
    r"""Return what lighttpd tells apart: not the same within parentheses, nor from `$` to the comparison.

    A string knows one escape, \": every other backslash stands for itself. A NUL ends the
    file, and a name is none at the very end of it (configfile.c, config_tokenizer).
    """
    blank = ("" if parens else ",") + ("" if condition else r"\xa0")
    mark = "=>|[),]" if parens else "(?!)" if condition else "="
    compare = "!=|!~" if parens else r"[!=]=|[!=]~|=\^|=\$"
    word = (
        rf"(?P<compare>{compare})|(?P<subject>[A-Za-z_]++(?!\0|\Z))"
        if condition
        else r"(?P<number>[0-9]+)|(?P<name>[\w.-]++(?!\0|\Z))"
    )
    return re.compile(
        rf"""(?P<blank>[\t {blank}]|\#[^\r\n\0]*)
        |(?P<line>[\r\n](?:[\r\n\t ]|\#[^\r\n\0]*+)*+)
        |(?P<string>"(?:\\"|[^"\0])*+")
        |(?P<closing>\}}[\t ]*+(?=[^\r\n\#]))
        |(?P<mark>\+=|:=|[+({{}}$\[\]]|{mark})
        |(?P<end>\0)
        |{word}""",
        re.VERBOSE | re.ASCII,
    )


_TOKEN = {(c, p): _token(condition=c, parens=p) for c in (False, True) for p in (False, True)}
_BREAK = re.compile(r"\r\n?|\n")
_ELSE = ("else", "elseif", "elsif", "elif")
_INCLUDES = ("include", "include_shell")
_KEYWORDS = {word: word for word in (*_INCLUDES, "global")} | dict.fromkeys(_ELSE, "else") | {"if": "blank"}
_STATEMENTS = ("line", "name", "$", "global", *_INCLUDES)
_VALUES = ("string", "number", "name", "(")
_NOT_KNOWN = "?"
_UNCLOSED = "( is never closed"
# Where Python's glob is not glob(3). Of braces there is one pair: of many there may be too many patterns.
_ANOTHER_GLOB = re.compile(r"\\|\[\^|\[[:.=]|\{(?![^{}]+\}[^{}]*\Z)")


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

    Of the blocks of one ``chain`` (if, else if, else) at most one holds. In ``scope`` names are
    looked up: blocks with the same condition have one, for they are one to lighttpd.
    """

    index: int
    parent: "Block | None" = None
    subject: str = ""
    operator: str = ""
    operand: str = ""
    chain: int = 0
    settings: dict[str, Value] = field(default_factory=dict)
    scope: dict[str, Value] = field(default_factory=dict)

    @property
    def path(self) -> "tuple[Block, ...]":
        """The block and those around it, outermost first."""
        return (*(self.parent.path if self.parent else ()), self)

    @property
    def written(self) -> tuple[tuple[str, str, str], ...]:
        """The condition and those around it: what is written the same is the same to lighttpd."""
        return tuple((block.subject, block.operator, block.operand) for block in self.path[1:])

    @property
    def condition(self) -> str:
        """When the block holds, in lighttpd's words; empty for the whole server."""
        return " and ".join(
            f'{block.subject} {block.operator} "{block.operand}"' if block.subject else "otherwise"
            for block in self.path[1:]
        )


@dataclass(frozen=True, slots=True)
class Source:
    """What was read: blocks in their order, and what could not be resolved.

    ``shell`` says where an include_shell is, or may be: lighttpd must not be asked then.
    """

    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    shell: str


ReadText = Callable[[Path], str]


def read_text(path: Path) -> str:
    """Return a configuration file's text; bytes that are not UTF-8 survive. Raises ConfigError."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
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
    line, at, condition, depth = 1, 0, False, 0
    while at < len(text):
        match = _TOKEN[condition, depth > 0].match(text, at)
        if match is None:
            raise _broken(name, line, f"{text[at]!r} is out of place")
        kind, found, at = match.lastgroup or "", match.group(), match.end()
        if kind == "end":
            break
        if kind == "name":
            kind = _KEYWORDS.get(found, kind)
        elif kind == "mark":
            kind = found
            depth += {"(": 1, ")": -1}.get(found, 0)
        condition = kind == "$" or (condition and kind != "compare")
        if kind == "closing":  # what stands behind it in the same line is a statement of its own
            yield _Token("}", found, line)
            yield _Token("line", "", line)
        elif kind != "blank" and not (kind == "line" and depth):
            yield _Token(kind, found, line)
        line += len(_BREAK.findall(found))
    yield _Token("line", "", line)
    yield _Token("end", "", line)


def _broken(name: str, line: int, why: str) -> ConfigError:
    return ConfigError(
        f"cannot read {name} as lighttpd's configuration: line {line}: {why}",
        hint="`lighttpd -tt -f FILE` checks it; or give the accesslog.format itself",
    )


def _unquote(text: str) -> str:
    return text[1:-1].replace('\\"', '"')


@dataclass(slots=True)
class _Array:
    """An array that is not closed yet: its items, and the key and the sum of the one that is read."""

    items: list[tuple[str | None, Value]] = field(default_factory=list)
    key: str | None = None
    value: Value | None = None


class _Parser:
    def __init__(self, base: Path, read: ReadText) -> None:
        self.base = base  # relative includes are relative to the main file, also within included ones
        self.read = read
        self.blocks = [Block(0)]
        self.notes: list[str] = []
        self.shell = ""
        self.scopes: dict[tuple[tuple[str, str, str], ...], dict[str, Value]] = {}
        self.chains = count(1)
        self.depth = 0

    def run(self, name: str, text: str) -> Source:
        self.file(name, text, self.blocks[0])
        return Source(tuple(self.blocks), tuple(dict.fromkeys(self.notes)), self.shell)

    def file(self, name: str, text: str, block: Block) -> None:
        stream = _Stream(name, text)
        self.statements(stream, block, "end")
        if stream.thrown_away:  # another lighttpd may see a statement in it
            self.shell = self.shell or f"there may be one at {name}:{stream.thrown_away}"

    def statements(self, stream: "_Stream", block: Block, closing: str) -> None:
        """Read up to the end of the file, or up to the brace that closes the block."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _broken(stream.name, stream.peek().line, "includes or blocks are too deep")
        while (token := stream.until("a block is not closed", closing, *_STATEMENTS)).kind != closing:
            if token.kind == "$":
                self.conditionals(stream, block, token.line)
            elif token.kind != "line":
                self.statement(stream, block, token)
        self.depth -= 1

    def conditionals(self, stream: "_Stream", parent: Block, line: int) -> None:
        """Read a condition with every `else` that goes on with it: at most one line end is between them."""
        chain = next(self.chains)
        self.conditional(stream, parent, line, chain)
        while stream.peek().kind != "line" or stream.peek(1).kind == "else":
            stream.until("else is missing", "else")
            if stream.peek().kind == "$":
                self.conditional(stream, parent, stream.next().line, chain)
            else:
                self.body(stream, self.block(parent=parent, chain=chain))

    def conditional(self, stream: "_Stream", parent: Block, line: int, chain: int) -> None:
        name = stream.until("a condition's subject is missing", "subject").text
        stream.until("[ is missing", "[")
        key = self.expression(stream, parent)
        stream.until("] is missing", "]")
        operator = stream.until("== or != or =~ or !~ or =^ or =$ is missing", "compare").text
        operand = self.expression(stream, parent)
        if isinstance(operand, Unknown):
            self.notes.append(f"{stream.name}:{line}: a condition is not known: {operand.why}")
        subject = f'${name}["{_text(key)}"]'
        self.body(stream, self.block(parent, subject, operator, _text(operand), chain))

    def block(
        self, parent: Block, subject: str = "", operator: str = "", operand: str = "", chain: int = 0
    ) -> Block:
        block = Block(len(self.blocks), parent, subject, operator, operand, chain)
        if subject and operand != _NOT_KNOWN:
            block.scope = self.scopes.setdefault(block.written, block.scope)
        self.blocks.append(block)
        return block

    def body(self, stream: "_Stream", block: Block) -> None:
        stream.until("{ is missing", "{")
        self.statements(stream, block, "}")

    def statement(self, stream: "_Stream", block: Block, token: _Token) -> None:
        if token.kind == "global" or (token.text == "config" and stream.peek().kind == "{"):
            self.body(stream, self.blocks[0])  # `lighttpd -p` calls the whole server config { … }
        elif token.kind == "include":
            self.include(stream, block, token)
        elif token.kind == "include_shell":
            self.expression(stream, block)
            where = f"{stream.name}:{token.line}"
            self.shell = f"there is one at {where}"
            self.notes.append(f"{where}: include_shell is not executed; what it would add is not known")
        else:
            operator = stream.until("= or += or := is missing", "=", "+=", ":=").kind
            value = self.expression(stream, block)
            key = _key(token.text)
            if operator == "+=":
                before = self.lookup(block, key)
                value = value if before is None else _sum(before, value)
            block.settings[key] = block.scope[key] = value

    def include(self, stream: "_Stream", block: Block, token: _Token) -> None:
        value = self.expression(stream, block)
        where, why = f"{stream.name}:{token.line}", "it is no text"
        if isinstance(value, Unknown):
            why = value.why
        elif not isinstance(value, Other):
            paths, why = self.paths(str(value))
            for path in paths:
                self.file(str(path), self.read(path), block)
        if why:
            self.shell = self.shell or f"there may be one in what {where} includes"
            self.notes.append(f"{where}: an include cannot be followed: {why}")

    def paths(self, pattern: str) -> tuple[list[Path], str]:
        """Return the files of an include, or why they are not known."""
        if not pattern.startswith(("./", "../")):  # these are relative to where lighttpd runs
            pattern = str(self.base / pattern)
        if _ANOTHER_GLOB.search(pattern):
            return [], f"{pattern} is a pattern that only lighttpd knows"
        if not glob.has_magic(pattern) and "{" not in pattern:
            return [Path(pattern)], ""
        return [
            Path(found)
            for one in (_alternatives(pattern) if "{" in pattern else [pattern])
            for found in sorted(glob.glob(one))  # noqa: PTH207 -- Path.glob takes no absolute pattern
        ], ""

    def expression(self, stream: "_Stream", block: Block) -> Value:
        value = self.operand(stream, block)
        while stream.peek().kind == "+":
            stream.next()
            value = _sum(value, self.operand(stream, block))
        return value

    def operand(self, stream: "_Stream", block: Block) -> Value:
        token = stream.until("a value is missing", *_VALUES)
        return self.array(stream, block) if token.kind == "(" else self.simple(block, token)

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
        open_arrays = [_Array()]
        token = stream.until(_UNCLOSED, ")", *_VALUES)
        while True:
            if token.kind == "(":
                open_arrays.append(_Array())
                token = stream.until(_UNCLOSED, ")", *_VALUES)
                continue
            if token.kind == ")" and len(open_arrays) == 1:
                return Other(tuple(open_arrays[0].items))
            closed = token.kind == ")"
            value = Other(tuple(open_arrays.pop().items)) if closed else self.simple(block, token)
            token = self.after(stream, open_arrays[-1], value)

    @staticmethod
    def after(stream: "_Stream", array: _Array, value: Value) -> _Token:
        """Put a value into its array; return what begins the next one, or closes the array."""
        array.value = value if array.value is None else _sum(array.value, value)
        follows = stream.peek().kind
        if follows == "+" or (follows == "=>" and array.key is None):
            stream.next()
            if follows == "=>":
                array.key, array.value = _text(array.value), None
            return stream.until(_UNCLOSED, *_VALUES)
        array.items.append((array.key, array.value))
        array.key = array.value = None
        while (token := stream.until(_UNCLOSED, ")", ",")).kind == ",":
            if stream.peek().kind in _VALUES:
                return stream.next()
        return token

    @staticmethod
    def lookup(block: Block, key: str) -> Value | None:
        for around in reversed(block.path):
            if key in around.scope:
                return around.scope[key]
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


def _text(value: Value) -> str:
    return _NOT_KNOWN if isinstance(value, Unknown | Other) else str(value)


def _alternatives(pattern: str) -> list[str]:
    """Return a pattern with one after the other of what stands in its braces."""
    before, _, rest = pattern.partition("{")
    inner, _, after = rest.partition("}")
    return [before + one + after for one in inner.split(",")]


class _Stream:
    """The tokens of one file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.thrown_away = 0  # the line of an include that is none, where it stands
        self._tokens = list(_tokens(name, text))
        self._at = 0

    def peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def next(self) -> _Token:
        token = self.peek()
        self._at += 1
        return token

    def until(self, missing: str, *kinds: str) -> _Token:
        """Return the next token that may stand here. Others are thrown away, as lighttpd does."""
        line = self.peek().line
        while (token := self.next()).kind not in kinds:
            if token.kind == "end":
                raise _broken(self.name, line, missing)
            if token.kind in _INCLUDES:
                self.thrown_away = token.line
        return token
