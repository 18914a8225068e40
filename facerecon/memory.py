"""The allocator's settings, and giving back what is free. Owns neither what is allocated nor any limit.

The C library of most Linux systems keeps a heap for every thread (an "arena"), and keeps in it what was freed: after
a stage of 1080p footage two thirds of a process's memory are free, and the next stage's comes on top. With one heap
for all threads, and what is free given back after each stage, the peak is that of the hungriest stage. Nothing here
changes a result; on systems with another C library nothing happens.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h."""
_MMAP_BYTES, _TRIM_BYTES = 32 << 20, 128 << 20


def one_heap() -> None:
    """Let all threads that are started from now on share the process's first heap (mallopt(3)).

    Blocks as large as a frame come from it, too, and some free memory stays: fresh pages for each frame, which the
    system has to clear, were 609,000 page faults in a minute of 640x360 footage; 132,000 are left.
    """
    if _glibc() is not None:
        _glibc().mallopt(_ARENA_MAX, 1)
        _glibc().mallopt(_MMAP_THRESHOLD, _MMAP_BYTES)
        _glibc().mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)


def give_back() -> None:
    """Give free memory back to the system (malloc_trim(3)); it takes milliseconds."""
    if _glibc() is not None:
        _glibc().malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
