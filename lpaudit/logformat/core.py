"""Layout × block of lines → the fields of the lines that are as they should be, by a core in C.

``core.c`` beside this module is compiled where there is a compiler when lpaudit is installed. Where
there was none, or where a layout has something that the core does not know, nothing is read here, and
the layout's expressions read all lines. They read what the core leaves, too, so a row is the same
either way.
"""

import ctypes
import os
import re
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lpaudit.logformat.layout import Layout

LIBRARY = Path(__file__).with_name("libcore.so")
SWITCH = "LPAUDIT_CORE"
"""Environment variable: where it is 0, the core is not used."""

_FORM = 2
_BEGIN, _END, _RUN, _TEXT, _LITERAL = range(5)  # as in core.c
_ANY = 2**31 - 1
_VIEW = 16  # bytes
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
    """What the core has found in a block.

    ``groups`` are the fields of the lines that fit, in order, and ``escaped`` is which of these have a
    backslash. Of all lines ``fitting`` says which these are, ``lengths`` (Int64) how many bytes they have.
    """

    groups: pl.DataFrame
    escaped: pl.Series
    fitting: pl.Series
    lengths: pl.Series


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
    """Read a block of lines; those of more than ``longest`` bytes do not fit. None without a core."""
    library, program = _library(), _program(layout)
    if library is None or program is None or len(block) >= _ANY:
        return None
    lines = _line_count(block)
    room = min(lines, len(block) // program.shortest + 1)
    count = len(program.names)
    views, found, lengths = (pa.allocate_buffer(size) for size in (count * room * _VIEW, lines, 8 * lines))
    pointers = (ctypes.c_void_p * (2 * count))()
    fitting = library.lpaudit_fields(
        block,
        len(block),
        lines,
        longest,
        room,
        program.steps,
        program.count,
        count,
        program.sets,
        program.literals,
        pointers,
        ctypes.byref(pointers, count * ctypes.sizeof(ctypes.c_void_p)),
        ctypes.c_void_p(views.address),
        ctypes.c_void_p(found.address),
        ctypes.c_void_p(lengths.address),
    )
    whole, read = pa.py_buffer(block), pl.Series(pa.Array.from_buffers(pa.uint8(), lines, [None, found]))
    groups = {
        name: pl.Series(
            name,
            pa.Array.from_buffers(
                pa.string_view(), fitting, [None, views.slice(i * room * _VIEW, fitting * _VIEW), whole]
            ),
        )
        for i, name in enumerate(program.names)
    }
    return Fields(
        pl.DataFrame(groups),
        read.filter(read > 0) == 2,
        read > 0,
        pl.Series(pa.Array.from_buffers(pa.int64(), lines, [None, lengths])),
    )


def lines(block: bytes) -> pa.LargeBinaryArray:
    """Return the lines of a block with their ends; with a core, without copying them."""
    library, whole = _library(), pa.py_buffer(block)
    if library is not None:
        count = _line_count(block)
        begins = pa.allocate_buffer(8 * (count + 1))
        library.lpaudit_lines(block, len(block), count, ctypes.c_void_p(begins.address))
    else:
        one = pa.Array.from_buffers(
            pa.large_binary(), 1, [None, pa.py_buffer(struct.pack("=qq", 0, len(block))), whole]
        )
        ends = pc.cumulative_sum(pc.add(pc.binary_length(pc.split_pattern(one, b"\n").values), 1))
        count = _line_count(block)
        begins = pa.concat_arrays(
            [pa.array([0], pa.int64()), pc.min_element_wise(ends, len(block))]
        ).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), count, [None, begins, whole])


def _line_count(block: bytes) -> int:
    return block.count(b"\n") + (not block.endswith(b"\n") and block != b"")


@cache
def _library() -> ctypes.CDLL | None:
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError:  # there is none, or it is of another machine
        return None
    if ctypes.c_int32.in_dll(library, "lpaudit_core").value != _FORM:
        return None
    data, number, pointer = ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p
    library.lpaudit_fields.argtypes = (
        *(data, number, number, number, number),
        *(data, number, number, data, data),
        *(pointer,) * 5,
    )
    library.lpaudit_fields.restype = number
    library.lpaudit_lines.argtypes = (data, number, number, pointer)
    library.lpaudit_lines.restype = None
    return library


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
            self._steps.append((_END, len(self._names) - 1, 0, 0))
        elif piece["character"] and not piece["optional"]:
            return self._literal(_members(f"[{piece['character']}]"))
        else:
            return self._run(piece)
        return True

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
            b"".join(self._sets),
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
    members = bytes(re.fullmatch(plain, chr(code)) is not None for code in range(256))
    return None if members[ord("\n")] or any(members[128:]) else members
