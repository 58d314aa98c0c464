"""Layout × block of lines → the fields of the lines that are as they should be, by the core in C.

Where there is no core, or where a layout has something that it does not know, nothing is read here, and
the layout's expressions read all lines. They read what the core leaves, too, so a row is the same
either way.
"""

import ctypes
import re
import struct
from dataclasses import dataclass
from functools import cache

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.core import library, line_count
from lpaudit.core.texts import VIEW, Texts
from lpaudit.logformat.layout import Layout

_BEGIN, _END, _RUN, _TEXT, _LITERAL = range(5)  # as in fields.c
_HOLES, _WIDE = 3, 16
_ANY = 2**31 - 1
_MANY = 4  # steps that take longer than to compare what they read
_BYTES = bytes(range(256)).decode("latin-1")
_Step = tuple[int, int, int, int]

# What is understood of an expression: a group's begin or end; a set of characters, which may be repeated,
# also with escapes in between; a character, which may be optional.
_CHARACTER = r"\\x\{[0-9a-f]+\}|\\x[0-9a-f]{2}|\\[][+.-]|[^][(){}*+?|^$.\\]"
_SET = rf"\[(?:{_CHARACTER}|[+])+\]"
_PIECE = re.compile(
    r"\(\?P<(?P<begin>\w+)>|(?P<end>\))"
    rf"|(?P<set>{_SET}|\[{_SET}--{_SET}\])"
    r"(?P<times>(?P<text>\*\(\?:\\\\\[\\x20-\\x7e\](?P=set)\*\)\*)|\*|\+\??|\?|\{(?P<least>\d+)(?:,(?P<most>\d+))?\}|)"
    rf"|(?P<character>{_CHARACTER})(?P<optional>\??)"
)


@dataclass(frozen=True, slots=True)
class Fields:
    """What the core has found in a block, line by line.

    ``marks`` (UInt8) are 0 for a line that does not fit, 1 for one that does, 2 for one with a backslash;
    ``lengths`` (Int64) are bytes. A field of a line that does not fit is an empty text.
    """

    marks: pl.Series
    lengths: pl.Series
    _names: tuple[str, ...]
    _views: pa.Buffer
    _block: pa.Buffer

    def groups(self, places: pl.Series, others: pl.DataFrame) -> pl.DataFrame:
        """Return the fields of all lines: those at ``places`` (UInt32) have the texts of ``others``."""
        core, height = library(), len(self.marks)
        assert core is not None  # noqa: S101 -- for the type checker: it has found these
        where = places.to_arrow().buffers()[1]
        columns = []
        for number, name in enumerate(self._names):
            views = self._views.slice(number * height * VIEW, height * VIEW)
            some = Texts(others[name].to_arrow(compat_level=pl.CompatLevel.newest()))
            valid = None
            if some.array.null_count:
                valid = pa.py_buffer(bytearray(b"\xff") * ((height + 7) // 8))
            core.lpaudit_put(
                views.address,
                valid and valid.address,
                where.address,
                len(places),
                some.views.address,
                some.valid and valid and some.valid.address,
                1,
            )
            buffers = [valid, views, self._block, *some.buffers]
            columns.append(pl.Series(name, pa.Array.from_buffers(pa.string_view(), height, buffers)))
        return pl.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Program:
    """A layout's fast expression as the core wants it; ``shortest``: bytes of a line that fits."""

    names: tuple[str, ...]
    steps: bytes
    count: int
    sets: bytes
    literals: bytes
    shortest: int


def fields(layout: Layout, block: bytes, longest: int) -> Fields | None:
    """Read a block of lines; those of more than ``longest`` bytes do not fit.

    None without a core, or if hardly any line can fit: most are too short.
    """
    core, program = library(), _program(layout)
    if core is None or program is None or len(block) >= _ANY:
        return None
    height, count = line_count(block), len(program.names)
    if height > len(block) // program.shortest + 1:
        return None
    data = pa.py_buffer(block)
    sizes = (count * height * VIEW, height, 8 * height)
    views, marks, lengths = (pa.allocate_buffer(size) for size in sizes)
    pointers = [(ctypes.c_void_p * count)() for _ in range(2)]
    core.lpaudit_fields(
        data.address,
        len(block),
        height,
        longest,
        program.steps,
        program.count,
        count,
        program.sets,
        program.literals,
        *pointers,
        views.address,
        marks.address,
        lengths.address,
    )
    return Fields(
        pl.Series(pa.Array.from_buffers(pa.uint8(), height, [None, marks])),
        pl.Series(pa.Array.from_buffers(pa.int64(), height, [None, lengths])),
        program.names,
        views,
        data,
    )


def lines(block: bytes) -> pa.LargeBinaryArray:
    """Return the lines of a block with their ends."""
    whole = pa.py_buffer(block)
    one = pa.Array.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(struct.pack("=qq", 0, len(block))), whole]
    )
    ends = pc.cumulative_sum(pc.add(pc.binary_length(pc.split_pattern(one, b"\n").values), 1))
    begins = pa.concat_arrays([pa.array([0], pa.int64()), pc.min_element_wise(ends, len(block))]).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), line_count(block), [None, begins, whole])


@cache
def _program(layout: Layout) -> _Program | None:
    """Translate a layout's fast expression; None where the core could choose otherwise than it does."""
    program = _Translation()
    expression, position = "".join(layout.pieces), 0
    while position < len(expression):
        piece = _PIECE.match(expression, position)
        if piece is None or not program.add(piece):
            return None
        position = piece.end()
    return program.done()


class _Translation:
    """A program under construction."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._steps: list[_Step] = []
        self._sets: dict[bytes, int] = {}
        self._literals = b""
        self._lazy: bytes | None = None  # the set of a run that ends where what follows begins

    def add(self, piece: re.Match[str]) -> bool:
        """Add a piece of the expression; say whether that can be done."""
        if piece["begin"]:
            self._steps.append((_BEGIN, len(self._names), 0, 0))
            self._names.append(piece["begin"])
        elif piece["end"]:
            self._end()
        elif piece["character"] and not piece["optional"]:
            return self._literal(_members(f"[{piece['character']}]"))
        else:
            return self._run(piece)
        return True

    def _end(self) -> None:
        """End a field; of many steps, it can be skipped where the line before has had the same in it."""
        number = len(self._names) - 1
        begin = self._steps.index((_BEGIN, number, 0, 0))
        inside = self._steps[begin + 1 :]
        if len(inside) >= _MANY and all(what != _TEXT for what, *_ in inside):
            self._steps[begin] = (_BEGIN, number, 0, len(inside) + 1)
        self._steps.append((_END, number, 0, 0))

    def _literal(self, members: bytes | None) -> bool:
        if members is None or (self._lazy and self._lazy[members.index(1)]):
            return False
        self._lazy = None
        what, number, length, _ = self._steps[-1] if self._steps else (_BEGIN, 0, 0, 0)
        if what == _LITERAL:
            self._steps[-1] = (_LITERAL, number, length + 1, 0)
        else:
            self._steps.append((_LITERAL, len(self._literals), 1, 0))
        self._literals += bytes([members.index(1)])
        return True

    def _run(self, piece: re.Match[str]) -> bool:
        members = _members(piece["set"] or f"[{piece['character']}]")
        if members is None or self._lazy:
            return False
        number = self._sets.setdefault(members, len(self._sets))
        times = piece["times"] if piece["set"] else piece["optional"]
        least, most = {"": (1, 1), "?": (0, 1), "*": (0, _ANY), "+": (1, _ANY), "+?": (1, _ANY)}.get(
            times, (int(piece["least"] or 0), int(piece["most"] or piece["least"] or _ANY))
        )
        self._lazy = members if times == "+?" else None
        self._steps.append((_TEXT if piece["text"] else _RUN, number, least, most))
        return True

    def done(self) -> _Program | None:
        """Return the program."""
        if self._lazy:  # up to the line's end, which may be a \r
            return None
        shortest = sum(least for _, _, least, _ in self._steps)
        return _Program(
            tuple(self._names),
            b"".join(struct.pack("=4i", *step) for step in self._steps),
            len(self._steps),
            b"".join(map(_described, self._sets)),
            self._literals,
            max(1, shortest),
        )


def _members(characters: str) -> bytes | None:
    r"""Return which bytes are in a set: 256 times 0 or 1. None if it has only some of those beyond ASCII.

    Where it has all of them it is said to have none: then a line that holds one does not fit.
    """
    plain = re.sub(r"\\x\{([0-9a-f]{2})\}", r"\\x\1", characters.replace(r"-\x{10ffff}", ""))
    if r"\x{" in plain:
        return None
    if plain.startswith("[["):
        allowed, without = plain[1:-1].split("]--[")
        plain = f"(?![{without}){allowed}]"
    inside = {found.start() for found in re.finditer(plain, _BYTES)}
    members = bytes(code in inside for code in range(256))
    return None if members[ord("\n")] or any(members[128:]) else members


def _described(members: bytes) -> bytes:
    """Return a set as the core wants it: also where it begins, how far it goes and its few holes."""
    inside = [byte for byte, there in enumerate(members) if there]
    first, last = (inside[0], inside[-1]) if inside else (0, 0)
    holes = [byte for byte in range(first, last) if not members[byte]]
    wide = bool(inside) and len(holes) <= _HOLES
    holes += [ord("\n")] * _HOLES  # which is in no set
    told = (wide, first, last - first, *holes[:_HOLES])
    return members + b"".join(bytes([byte]) * _WIDE for byte in told)
