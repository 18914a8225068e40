"""One picture to a core: how small networks run on a CPU. Owns the threads; knows no network and no library.

A convolution adds up in another order with another number of threads, or of pictures in a pass. A picture that is
computed by itself on one thread has the same result on every number of cores and in every company; and several such
threads are faster than one pass with all of them (measured for detection: by a quarter).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Generic, TypeVar

from facerecon.interruption import check_wanted

A = TypeVar("A")
B = TypeVar("B")


def core_count() -> int:
    """Return how many cores the networks may use: OMP_NUM_THREADS, or as many as this process may run on.

    MKL_NUM_THREADS counts where the other is not set, as torch has it.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        wanted = os.environ.get(name, "")
        if wanted.isdecimal() and int(wanted):
            return int(wanted)
    return available_cores()


def available_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_cores(call: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """Return what `call` gives for each item, in order; as many calls run at a time as there are cores.

    The calling thread is one of those that work: handing an item to another costs as much as a small one takes.

    Raises:
        AbandonedError: nobody waits for it any more.
        Exception: what a call raised, of those that did the first one's; the calls that have begun go on to their end.
    """
    shared, helpers = _Shared(call, items), list[Future[None]]()
    count = core_count()
    try:
        for _ in range(min(count, len(items)) - 1):
            helpers.append(_threads(count).submit(shared.work))
        shared.work(check_wanted)
    finally:
        shared.ended = True
        # One that still waits for a thread, which another caller has, has nothing to do any more.
        wait([each for each in helpers if not each.cancel()])
    return shared.results()


def on_own_threads(call: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """Return what `call` gives for each item, in order; none is called in the calling thread.

    Raises:
        AbandonedError: nobody waits for it any more; the calls that have begun go on to their end.
        Exception: what the first failing call raised.
    """
    found = []
    for result in _threads(core_count()).map(call, items):
        check_wanted()
        found.append(result)
    return found


class _Shared(Generic[A, B]):
    """Items that several threads work through, each taking the next one."""

    def __init__(self, call: Callable[[A], B], items: Sequence[A]) -> None:
        self._call, self._items = call, items
        self._next = itertools.count()
        self._found: dict[int, B] = {}
        self._failed: dict[int, BaseException] = {}
        self.ended = False

    def work(self, before_each: Callable[[], None] = lambda: None) -> None:
        """Take items until there are no more, or one has failed."""
        # Taking the next number is one step of the interpreter: no two threads get the same.
        while not self.ended and (number := next(self._next)) < len(self._items):
            before_each()
            try:
                self._found[number] = self._call(self._items[number])
            except BaseException as error:
                self._failed[number] = error
                self.ended = True

    def results(self) -> list[B]:
        """Return them in order.

        Raises:
            BaseException: what the first failing call raised.
        """
        if self._failed:
            first = min(self._failed)
            # Nothing that the error's traceback holds may hold the error: memory may be short.
            self._found, self._failed = {}, {first: self._failed[first]}
            raise self._failed.pop(first)
        return [self._found[number] for number in range(len(self._items))]


@lru_cache(maxsize=4)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "picture")
