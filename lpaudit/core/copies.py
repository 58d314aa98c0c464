"""Copies of large blocks with something else in some places, by the core (``copies.c``).

What Python has for that stops every other thread while it copies.
"""

import ctypes
from collections.abc import Sequence
from itertools import chain

import pyarrow as pa

from lpaudit.core import library

# A new bytes object whose bytes nobody has written yet: it is filled before anybody else sees it.
_new = ctypes.pythonapi.PyBytes_FromStringAndSize
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)


def put_in(data: bytes, places: Sequence[tuple[int, int]], instead: Sequence[bytes]) -> bytes:
    """Return ``data`` with what is ``instead`` in each of the places (begin and end), which is as long."""
    if any(len(other) != end - start for (start, end), other in zip(places, instead, strict=True)):
        raise ValueError("what is put in is not as long as what it stands for")
    if not all(0 <= start <= end <= len(data) for start, end in places):
        raise IndexError("a place is not in the data")
    core = library()
    if core is None:
        out = bytearray(data)
        for (start, end), other in zip(places, instead, strict=True):
            out[start:end] = other
        return bytes(out)
    copy: bytes = _new(None, len(data))
    bounds = (ctypes.c_int64 * (2 * len(places)))(*chain.from_iterable(places))
    core.lpaudit_put_in(_at(data), len(data), bounds, len(places), b"".join(instead), _at(copy))
    return copy


def exchange(data: bytes, one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> bytes:
    """Return ``data`` with the second byte of a pair instead of each first one."""
    if one[0] not in data and other[0] not in data:
        return data
    core = library()
    if core is None:
        return data.translate(bytes.maketrans(one[0] + other[0], one[1] + other[1]))
    copy: bytes = _new(None, len(data))
    core.lpaudit_exchange(_at(data), len(data), *b"".join((*one, *other)), _at(copy))
    return copy


def _at(data: bytes) -> int:
    address: int = pa.py_buffer(data).address
    return address
