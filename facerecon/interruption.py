"""Ctrl-C and SIGTERM, for a while handled otherwise. Owns which signals end a run, and that their handlers return.

Signals reach the main thread alone; who works for it in another thread asks `check_wanted` now and then.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], object] | signal.Handlers
_THREAD = threading.local()


class AbandonedError(Exception):
    """Nobody waits any more for what this thread makes."""


def work_until(left: threading.Event) -> None:
    """Tell which event says that nobody waits any more for what the calling thread makes."""
    _THREAD.left = left


def check_wanted() -> None:
    """Go on where somebody waits for what this thread makes; the main thread's work is always waited for.

    Raises:
        AbandonedError: nobody does.
    """
    left: threading.Event | None = getattr(_THREAD, "left", None)
    if left is not None and left.is_set():
        raise AbandonedError


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Give both signals to `handler` inside the block; in another thread than the main one they are not ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, previous in zip(SIGNALS, before, strict=True):
            signal.signal(number, previous)


@contextlib.contextmanager
def held() -> Iterator[list[int]]:
    """Hold both signals back inside the block; the list tells what arrived, for the block to act on."""
    arrived: list[int] = []
    with handled(lambda number, _frame: arrived.append(number)):
        yield arrived


@contextlib.contextmanager
def undivided() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until file, ledger and manifest are all written: between them no case verifies."""
    with held() as arrived:
        yield
    if arrived:
        # Not a KeyboardInterrupt of our own: an enclosing block holds it back too.
        signal.raise_signal(arrived[0])
