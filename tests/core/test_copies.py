"""Copies with something else in some places: what Python makes, with the core and without."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.core.copies import exchange, put_in

BLOCKS = st.lists(st.sampled_from([b"a", b"\x1a", b"\x1d", b"*", b"\0", b"\xff" * 40])).map(b"".join)
PAIRS = (b"\x1a", b"\x1d"), (b"\x1d", b"*")


@given(BLOCKS)
def test_two_bytes_are_exchanged_at_once(without, block):
    before = bytes(bytearray(block))
    wanted = block.replace(b"\x1d", b"*").replace(b"\x1a", b"\x1d")
    assert exchange(block, *PAIRS) == wanted
    assert without(exchange, block, *PAIRS) == wanted
    assert block == before, "a copy is made, or nothing is done"


def test_what_has_none_of_them_is_not_copied():
    block = b"nothing" * 100
    assert exchange(block, *PAIRS) is block


@given(BLOCKS, st.sets(st.integers(0, 60), max_size=8), st.booleans())
def test_something_else_is_put_in(without, block, cuts, touching):
    bounds = sorted(cut for cut in cuts if cut <= len(block))
    places = list(pairwise(bounds))[:: 1 if touching else 2]
    instead = [bytes([65 + number]) * (end - start) for number, (start, end) in enumerate(places)]
    wanted = bytearray(block)
    for (start, end), other in zip(places, instead, strict=True):
        wanted[start:end] = other
    before = bytes(bytearray(block))
    assert put_in(block, places, instead) == bytes(wanted)
    assert without(put_in, block, places, instead) == bytes(wanted)
    assert block == before


@pytest.mark.parametrize(
    ("places", "instead", "error"),
    [
        ([(0, 2), (2, 3)], [b"zz"], ValueError),
        ([(0, 2)], [b"zzz"], ValueError),
        ([(2, 4)], [b"zz"], IndexError),
    ],
)
def test_nothing_is_put_where_it_does_not_fit(places, instead, error):
    with pytest.raises(error):
        put_in(b"abc", places, instead)
