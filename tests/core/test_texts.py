"""Columns of texts: what the core makes of them is what Python and Arrow make of them."""

import random

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.core import line_ends, texts
from lpaudit.logformat.escaping import unescape
from lpaudit.model import Escaping

PIECES = [
    "", "a", "b", "ab", "twelve bytes", "thirteen byte", "?", "é", "\\", '\\"', "\\\\", "\\x41", "\\xC3\\xA9", "\\xe2\\x82",
    "\\x82", "\\xED\\xA0\\x80", "\\xF0\\x9F\\x98\\x80", "\\xF4\\x90\\x80\\x80", "\\xFF", "\\x0", "\\xZ1", "\\t", "\\/", "\\u0041",
    "\\u00c3", "\\u00A9", "\\u01ff", "\\u00", "\\q", "x" * 40, "0f4b2b5e-8c1d-4b7a-9a55-6c1f5a1d2e3f", "\N{GRINNING FACE}", "\0",
]  # fmt: skip
TEXTS = st.lists(st.none() | st.lists(st.sampled_from(PIECES), max_size=5).map("".join), max_size=40)


def views(values, skip=0):
    """An array as polars hands it out; of a slice, the rest."""
    array = pl.Series(values, dtype=pl.String).to_arrow(compat_level=pl.CompatLevel.newest())
    return array[skip:]


@given(TEXTS, st.integers(0, 9))
def test_texts_that_are_alike_have_a_number(values, skip):
    array = views(values, skip)
    found = texts.coded(array, 100)
    if not len(array):
        assert found is None
        return
    found.validate(full=True)
    assert found.to_pylist() == values[skip:]
    known = found.dictionary.to_pylist()
    assert known == list(dict.fromkeys(value for value in values[skip:] if value is not None))


def test_where_too_many_texts_differ_nobody_numbers_them():
    array = views([f"text number {number}" for number in range(50)])
    assert texts.coded(array, 50).to_pylist() == array.to_pylist()
    assert texts.coded(array, 49) is None


def test_who_chooses_texts_that_seek_the_same_place_gains_nothing():
    """The time is in proportion to the texts: nobody is looked for in more than a few places."""
    size = 1 << (2 * 4096).bit_length()
    factor, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1

    def place(text):  # as texts.c
        total = 0
        for word in (len(text).to_bytes(4, "little") + text[:4], text[4:12].ljust(8, b"\0")):
            total = (total ^ int.from_bytes(word, "little")) * factor & mask
            total ^= total >> 29
        return (total >> 32) * size >> 32

    pick, alike = random.Random(1), []
    while len(alike) < 40:
        text = pick.randbytes(6).hex().encode()
        if place(text) < 2:
            alike.append(text.decode())
    assert texts.coded(views([text for text in alike[:20] for _ in range(3)]), 4096) is not None
    assert texts.coded(views(alike), 4096) is None


@given(TEXTS, st.integers(0, 9))
def test_texts_are_cut_at_the_first_sign(values, skip):
    heads, tails = texts.halves(views(values, skip), b"?")
    heads.validate(full=True)
    tails.validate(full=True)
    parts = [(None, None) if value is None else (*value.split("?", 1), None)[:2] for value in values[skip:]]
    assert list(zip(heads.to_pylist(), tails.to_pylist(), strict=True)) == parts


@given(TEXTS, st.sampled_from(Escaping))
def test_escapes_are_undone(without, values, escaping):
    column = pl.Series("name", values, dtype=pl.String)
    found = unescape(column, escaping)
    assert found.to_list() == without(unescape, column, escaping).to_list()
    found.to_arrow(compat_level=pl.CompatLevel.newest()).validate(full=True)


@pytest.mark.parametrize("start", [0, 7, 10**15 - 3])
def test_identities_have_as_many_digits_as_are_asked_for(start):
    offsets = pa.array(range(start, start + 3))
    found = texts.identities("3f9a2c01b7d4e6f8-", 15, offsets)
    found.validate(full=True)
    assert found.to_pylist() == [f"3f9a2c01b7d4e6f8-{offset:015d}" for offset in range(start, start + 3)]


def test_who_has_more_digits_gets_none():
    assert texts.identities("a-", 15, pa.array([0, 10**15])) is None
    assert texts.identities("a-", 15, pa.array([], pa.int64())) is None


@given(st.lists(st.sampled_from([b"\n", b"a", b"\r\n", b"b" * 40])).map(b"".join))
def test_line_ends_are_counted(block):
    assert line_ends(block) == block.count(b"\n")
