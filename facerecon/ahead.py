"""Making the next items while the last ones are used: one thread, a bounded queue. Changes neither items nor order."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from facerecon.interruption import undivided, work_until
from facerecon.leaving import left_waiting

T = TypeVar("T")

_WAIT_S = 0.1
_SWITCH_S = 0.0005
"""How long a thread may keep the interpreter while another waits for it. A network's thread takes it anew for each
layer; at Python's 0.005 s, one that computes in Python holds it up (measured: a quarter of the time of `extract`)."""


@dataclass(frozen=True)
class _End:
    """The last thing in the queue: that there is no more, or what went wrong."""

    error: BaseException | None = None


def ahead(items: Iterator[T], depth: int) -> Generator[T, None, None]:
    """Yield what an iterator yields, which runs in a thread of its own, at most `depth` items ahead.

    An exception of the iterator comes when its turn comes. When the consumer stops early, for whatever reason, the
    iterator is closed in its thread before this one is left: no file stays open, and nothing goes on in the background.
    What takes long in that thread asks `check_wanted` on its way.

    Args:
        items: used by the thread alone from now on.
        depth: how many items may wait; each is held in memory.
    """
    sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_S))
    producer = _Producer(items, depth)
    try:
        with undivided():
            # Ctrl-C while it starts would leave it running, and nobody to stop it.
            producer.start()
        while not isinstance(item := producer.waiting.get(), _End):
            yield item
        if item.error is not None:
            try:
                raise item.error
            finally:
                # Nothing that the error's traceback holds may hold the error: memory may be short.
                del item
    finally:
        producer.stop()


class _Producer(threading.Thread, Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        super().__init__(name="ahead", daemon=True)
        self._items = items
        self._stopped = threading.Event()
        self.waiting: queue.Queue[T | _End] = queue.Queue(depth)

    def run(self) -> None:
        end = _End()
        work_until(self._stopped)
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:
            end = _End(error)
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put(end)
        # The traceback of an error holds this frame.
        del end

    def _put(self, item: T | _End) -> bool:
        """Put an item as soon as there is room; False when nobody waits any more."""
        while not self._stopped.is_set():
            try:
                self.waiting.put(item, timeout=_WAIT_S)
            except queue.Full:
                continue
            return True
        return False

    def stop(self) -> None:
        """End the thread, if it began, and wait until it has; a second Ctrl-C does not wait."""
        self._stopped.set()
        if self.ident is None:
            return
        try:
            self.join()
        except BaseException:
            left_waiting(self)
            raise
