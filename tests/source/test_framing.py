"""Bytes → pieces of whole lines → blocks: nothing is lost, nothing is cut inside of a line."""

import errno
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpaudit.source import Framing, Input, Reader, blocks, first_line, framing

quick = settings(max_examples=200, deadline=None)
# Nothing that begins like compressed data.
contents = (
    st.lists(
        st.one_of(st.sampled_from([b"\n", b"\n\n", b"a\n", b"\r\n", b"abc"]), st.binary(max_size=12)),
        max_size=20,
    )
    .map(b"".join)
    .map(lambda data: b"-" + data if data[:1] in (b"\x1f", b"\x28", b"\xfd", b"B") else data)
)
sizes = st.integers(1, 40)


def reader(data: bytes, *, seekable: bool = True) -> Reader:
    return Reader(Input("x", Path("x")), io.BufferedReader(io.BytesIO(data)), rewindable=seekable)  # type: ignore[arg-type]


@quick
@given(data=contents, size=sizes, final=st.booleans())
def test_pieces_and_what_is_held_back_are_the_input(data: bytes, size: int, final: bool) -> None:
    framed = Framing(reader(data), size, final=final)
    pieces = list(framed)
    joined = b"".join(pieces)
    assert joined == data[: len(data) - framed.held_back]
    assert all(pieces)
    if final:
        assert framed.held_back == 0
        assert all(p.endswith(b"\n") for p in pieces[:-1])
    else:
        assert all(p.endswith(b"\n") for p in pieces)
        assert b"\n" not in data[len(joined) :]
        assert framed.held_back == len(data) - (data.rfind(b"\n") + 1)


@quick
@given(data=contents, size=sizes, final=st.booleans())
def test_pieces_do_not_depend_on_what_was_pushed_back(data: bytes, size: int, final: bool) -> None:
    peeked = reader(data)
    first_line(peeked, final=final)
    assert list(Framing(peeked, size, final=final)) == list(Framing(reader(data), size, final=final))


class _Broken(io.BytesIO):
    """A disk that has no more than 100 bytes of a file."""

    def readinto(self, buffer: Any) -> int:
        if self.tell() + len(buffer) <= 100:
            return super().readinto(buffer)
        if self.tell() < 100:
            return super().readinto(memoryview(buffer)[: 100 - self.tell()])
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("size", [30, 100, 300])
def test_what_cannot_be_read_is_damage_and_what_is_before_it_is_handed_out(size: int) -> None:
    data = b"0123456789abcdefgh\n" * 20
    raw = io.BufferedReader(_Broken(data), 10)  # type: ignore[arg-type]
    damaged = Reader(Input("x", Path("x")), raw, rewindable=True)
    pieces = list(Framing(damaged, size, final=True))
    assert damaged.damage is not None
    assert "input/output error" in damaged.damage.reason
    assert b"".join(pieces) == data[:95] if size < 100 else data.startswith(b"".join(pieces))


@quick
@given(data=contents, size=sizes, begin=st.integers(0, 60))
def test_whole_lines_end_where_the_last_line_does(data: bytes, size: int, begin: int) -> None:
    """Also behind the end: a file may have shrunk."""
    source = reader(data)
    source.seek(begin)
    expected = data[begin : begin + size].rfind(b"\n") + 1 or size
    assert source.whole_lines(size) == expected
    assert source.read(1 << 20) == data[begin:]  # nothing was consumed


@quick
@given(data=contents, size=sizes)
def test_blocks_are_the_piece(data: bytes, size: int) -> None:
    cut = list(blocks(data, size))
    assert b"".join(cut) == data
    assert all(cut)
    assert all(b.endswith(b"\n") for b in cut[:-1])
    for block in cut:
        # Hardly longer than asked for, but for its last line.
        assert block.rfind(b"\n", 0, -1) < 1.5 * size


def test_a_line_longer_than_all_patience_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "LONGEST", 10)
    for data in (
        b"x" * 25 + b"\n",
        b"x" * 35,
        b"x" * 35 + b"\ny\n",
        b"a\n" + b"x" * 20 + b"\n",
        b"x" * 10,
        b"x" * 10 + b"\n",
    ):
        for size in (1, 3, 7, 10, 50):
            framed = Framing(reader(data), size, final=True)
            pieces = list(framed)
            assert b"".join(pieces) == data
            assert framed.held_back == 0
            assert all(len(p) == 10 or p.endswith(b"\n") or p is pieces[-1] for p in pieces)
            open_end = Framing(reader(data), size, final=False)
            assert b"".join(open_end) == data[: len(data) - open_end.held_back]
            assert open_end.held_back <= 10


@pytest.mark.parametrize(
    ("data", "final", "expected"),
    [
        (b"", False, b""),
        (b"", True, b""),
        (b"a", False, b""),
        (b"a", True, b"a"),
        (b"a\nb", False, b"a\n"),
        (b"\n", False, b"\n"),
        (b"x" * 65_535, False, b""),
        (b"x" * 65_536, False, b"x" * 65_536),
        (b"x" * 65_535 + b"\n", False, b"x" * 65_535 + b"\n"),
        (b"x" * 65_536 + b"\n", False, b"x" * 65_536),
    ],
)
def test_first_line(data: bytes, final: bool, expected: bytes) -> None:
    source = reader(data)
    assert first_line(source, final=final) == expected
    assert source.read(1 << 20) == data  # nothing was consumed


def test_where_a_long_line_is_cut_does_not_depend_on_the_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "LONGEST", 10)
    data = b"ab\n" + b"x" * 25 + b"\ncd\n" + b"y" * 9 + b"\n" + b"z" * 10 + b"\n"
    for size in range(1, 60):
        rows = [
            line
            for piece in Framing(reader(data), size, final=True)
            for line in re.findall(rb"[^\n]*\n|[^\n]+", piece)
        ]
        assert rows == [
            b"ab\n",
            b"x" * 10,
            b"x" * 10,
            b"x" * 5 + b"\n",
            b"cd\n",
            b"y" * 9 + b"\n",
            b"z" * 10,
            b"\n",
        ]
