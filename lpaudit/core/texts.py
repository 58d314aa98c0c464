"""Columns of texts, a column at a time: what the core does with Arrow's string_view (``texts.c``)."""

import ctypes

import pyarrow as pa

from lpaudit.core import library

VIEW = 16  # bytes


class Texts:
    """An array's buffers as the core wants them; they live as long as this does."""

    def __init__(self, array: pa.Array) -> None:
        if array.offset:
            array = pa.concat_arrays([array, array[:0]])  # which copies
        self.array = array
        self.valid, self.views, *self.buffers = array.buffers()
        self._addresses = (ctypes.c_void_p * (len(self.buffers) + 1))(*(b.address for b in self.buffers))

    @property
    def arguments(self) -> tuple[object, ...]:
        """The first arguments of the core's functions."""
        valid = self.valid.address if self.valid is not None else None
        return self.views.address, self._addresses, valid, len(self.array)

    def others(self, views: pa.Buffer, *more: pa.Buffer) -> pa.Array:
        """Return other texts in the places of these, of the same buffers and ``more``."""
        return pa.Array.from_buffers(
            pa.string_view(), len(self.array), [self.valid, views, *self.buffers, *more]
        )


def coded(array: pa.Array, most: int) -> pa.DictionaryArray | None:
    """Return texts (string_view) with a number for each that differs; None if more than ``most`` do."""
    core = library()
    if core is None or not len(array):
        return None
    texts = Texts(array)
    size = 1 << (2 * most).bit_length()
    slots, codes, views = (pa.allocate_buffer(n) for n in (4 * size, 4 * len(array), VIEW * most))
    found = core.lpaudit_codes(*texts.arguments, slots.address, size - 1, most, codes.address, views.address)
    if found < 0:
        return None
    numbers = pa.Array.from_buffers(pa.int32(), len(array), [texts.valid, codes])
    known = pa.Array.from_buffers(pa.string_view(), found, [None, views, *texts.buffers])
    return pa.DictionaryArray.from_arrays(numbers, known.cast(pa.string()), safe=False)


def halves(array: pa.Array, sign: bytes) -> tuple[pa.Array, pa.Array] | None:
    """Cut texts at the first ``sign``: what is before it, or all, and what is behind it, or null."""
    core = library()
    if core is None:
        return None
    texts, height = Texts(array), len(array)
    heads, tails = (pa.allocate_buffer(VIEW * height) for _ in range(2))
    there = zeros((height + 7) // 8)
    core.lpaudit_halves(*texts.arguments, sign[0], heads.address, tails.address, there.address)
    behind = pa.Array.from_buffers(pa.string_view(), height, [there, tails, *texts.buffers])
    return texts.others(heads), behind


def unescaped(array: pa.Array, *, json: bool) -> pa.Array | None:
    """Undo the escapes of accesslog.escaping."""
    core = library()
    if core is None:
        return None
    texts = Texts(array)
    views, _, valid, height = texts.arguments
    size = core.lpaudit_size(views, valid, height)
    if size >= 1 << 31:
        return None
    out, plain = pa.allocate_buffer(size), pa.allocate_buffer(VIEW * len(array))
    core.lpaudit_unescape(*texts.arguments, json, out.address, len(texts.buffers), plain.address)
    return texts.others(plain, out)


def identities(prefix: str, digits: int, offsets: pa.Array) -> pa.Array | None:
    """Return ``prefix`` with each number (Int64, no nulls) in decimal digits; None if one has more."""
    core, height, size = library(), len(offsets), len(prefix) + digits
    if core is None or not height or offsets.offset or offsets[-1].as_py() >= 10**digits:
        return None
    out, ends = pa.allocate_buffer(size * height), pa.allocate_buffer(4 * (height + 1))
    core.lpaudit_identities(
        prefix.encode(), len(prefix), digits, offsets.buffers()[1].address, height, out.address, ends.address
    )
    return pa.Array.from_buffers(pa.string(), height, [None, ends, out])


def zeros(size: int) -> pa.Buffer:
    """Return so many bytes 0 that can be written."""
    return pa.py_buffer(bytearray(size))
