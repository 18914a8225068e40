"""One function on several items at once, for what lets go of the interpreter: coding, warping, hashing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
_MOST_THREADS = 8


def side_by_side(call: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
    """Yield what `call` gives for each item, in order; as many run at a time as there are cores, up to 8.

    Raises:
        Exception: what a call raised, when its turn comes.
    """
    if not items:
        return
    with ThreadPoolExecutor(min(len(items), _MOST_THREADS, os.cpu_count() or 1), "beside") as threads:
        yield from threads.map(call, items)
