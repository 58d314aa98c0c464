"""Memory that is used again, for a command that takes in much and is soon done."""

import atexit
import ctypes
import gc

import pyarrow as pa

# What glibc's malloc.h calls them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT = 1 << 30  # bytes


def keep() -> None:
    """Have this process keep the memory that it frees: it will soon ask for as much.

    The kernel clears each page that it hands out. For pieces of many MB that took as long as reading their
    lines. With one arena for all threads, what one has freed another can use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other systems' libraries have none
    if mallopt is not None:
        for what, value in ((_TRIM_THRESHOLD, _KEPT), (_MMAP_THRESHOLD, _KEPT), (_ARENA_MAX, 1)):
            mallopt(what, value)
    pa.set_memory_pool(pa.system_memory_pool())
    gc.freeze()  # what was imported stays: nobody needs to look for it among what can be freed
    atexit.register(gc.unfreeze)  # at last it goes, too
