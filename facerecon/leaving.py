"""The end of the process while a thread still waits inside a library. Owns that such a thread cannot crash the end.

A thread that waits inside C code (a read from a camera that has fallen silent) can neither be ended nor be left to an
interpreter that is being taken down: the library calls back into it, and finds nothing there (a segmentation fault in
place of the exit code). Whatever had to be written is on the disk by then, so the process ends without taking the
interpreter down; who uses the tool as a library waits for the thread instead.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn

_waiting: list[threading.Thread] = []


def left_waiting(thread: threading.Thread) -> None:
    """Remember a daemon thread that ends by itself, but later than the work that it was for."""
    if not _waiting:
        atexit.register(_wait)
    _waiting.append(thread)


def leave(code: int) -> NoReturn:
    """End the process with an exit code, at once even where a thread still waits."""
    if not any(thread.is_alive() for thread in _waiting):
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _wait() -> None:
    for thread in _waiting:
        thread.join()
