"""One picture to a core: how small networks run on a CPU. Owns the threads; knows no network and no library.

A convolution adds up in another order with another number of threads, or of pictures in a pass. A picture that is
computed by itself on one thread has the same result on every number of cores and in every company; and several such
threads are faster than one pass with all of them (measured for detection: by a quarter).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from facerecon.interruption import check_wanted

A = TypeVar("A")
B = TypeVar("B")


def core_count() -> int:
    """Return how many cores the networks may use: OMP_NUM_THREADS, or as many as this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_cores(call: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """Return what `call` gives for each item, in order; each call has a thread of its own.

    As many run at a time as there are cores.

    Raises:
        AbandonedError: nobody waits for it any more; the calls that have begun go on to their end.
        Exception: what the first failing call raised.
    """
    found = []
    for result in _threads(core_count()).map(call, items):
        check_wanted()
        found.append(result)
    return found


@lru_cache(maxsize=4)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "picture")
