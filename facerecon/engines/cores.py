"""One picture to a core: how small networks run on a CPU. Owns the threads; knows no network.

A convolution adds up in another order with another number of threads, or of pictures in a pass. A picture that is
computed by itself on one thread has the same result on every number of cores and in every company; and several such
threads are faster than one pass with all of them (measured for detection: by a quarter).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

from facerecon.interruption import check_wanted

A = TypeVar("A")
B = TypeVar("B")


def on_cores(call: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """Return what `call` gives for each item, in order; each call has a thread of its own and no gradients.

    As many run at a time as torch has threads.

    Raises:
        AbandonedError: nobody waits for it any more; the calls that have begun go on to their end.
        Exception: what the first failing call raised.
    """

    def alone(item: A) -> B:
        with torch.inference_mode():
            return call(item)

    found = []
    for result in _threads(torch.get_num_threads()).map(alone, items):
        check_wanted()
        found.append(result)
    return found


@lru_cache(maxsize=4)
def _threads(count: int) -> ThreadPoolExecutor:
    # torch.set_num_threads holds for the calling thread (OpenMP); the main thread keeps all of its own.
    return ThreadPoolExecutor(count, "picture", initializer=torch.set_num_threads, initargs=(1,))
