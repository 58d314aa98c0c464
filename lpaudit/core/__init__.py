"""The core in C, which does what is done to every line: what is found there is found without it, too.

The files in C beside this module are compiled into one library where there is a compiler when lpaudit is
installed. Where there was none, each function of this package says None, and its caller does the same by
other means.
"""

import ctypes
import os
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).with_name("libcore.so")
SWITCH = "LPAUDIT_CORE"
"""Environment variable: where it is 0, the core is not used."""

_VERSION = 5
_Int, _Number, _Pointer = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p
_FUNCTIONS = {
    "lpaudit_fields": (
        None,
        (_Pointer, *(_Number,) * 3, _Pointer, *(_Number,) * 2, *(_Pointer,) * 7),
    ),
    "lpaudit_ends": (_Number, (_Pointer, _Number)),
    "lpaudit_put": (None, (*(_Pointer,) * 3, _Number, *(_Pointer,) * 2, _Int)),
    "lpaudit_secrets": (_Number, (_Pointer, *(_Number,) * 2, *(_Pointer,) * 2, _Number, _Pointer)),
    "lpaudit_codes": (_Number, (*(_Pointer,) * 3, _Number, _Pointer, *(_Number,) * 2, *(_Pointer,) * 2)),
    "lpaudit_halves": (None, (*(_Pointer,) * 3, _Number, ctypes.c_uint8, *(_Pointer,) * 3)),
    "lpaudit_size": (_Number, (*(_Pointer,) * 2, _Number)),
    "lpaudit_unescape": (_Number, (*(_Pointer,) * 3, _Number, _Int, _Pointer, _Int, _Pointer)),
    "lpaudit_put_in": (None, (_Pointer, _Number, _Pointer, _Number, *(_Pointer,) * 2)),
    "lpaudit_exchange": (None, (_Pointer, _Number, *(ctypes.c_uint8,) * 4, _Pointer)),
    "lpaudit_identities": (None, (_Pointer, *(_Int,) * 2, _Pointer, _Number, *(_Pointer,) * 2)),
}


def line_ends(block: bytes) -> int:
    """Return how many lines of a block end in it."""
    core = library()
    return block.count(b"\n") if core is None else core.lpaudit_ends(block, len(block))


@cache
def library() -> ctypes.CDLL | None:
    """Return the core, if there is one of this version for this machine."""
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        found = ctypes.CDLL(str(LIBRARY))
    except OSError:  # there is none, or it is of another machine
        return None
    if ctypes.c_int32.in_dll(found, "lpaudit_core").value != _VERSION:
        return None
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


def line_count(block: bytes) -> int:
    """Return how many lines a block has; its last one may lack its end."""
    return line_ends(block) + (not block.endswith(b"\n") and block != b"")
