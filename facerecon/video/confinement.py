"""What a decoder's process may do: how much memory and time, and of the system hardly anything. Linux only.

Nothing is ever loosened here, and nothing is undone: the limits hold until the process ends.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass

from facerecon.video.syscalls import deny

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_MOST_FILES = 32
# Between the signal that can be told by its number and the one that cannot be caught.
_GRACE_S = 5


@dataclass(frozen=True)
class Limits:
    """What a decoder may use: memory of its own in bytes, and processor time in seconds."""

    memory_bytes: int
    processor_s: int


def available() -> bool:
    """Say whether this system can confine a process."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def die_with(parent: int) -> None:
    """Make sure that this process ends when its parent does, whatever ends that."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def confine(limits: Limits) -> None:
    """Limit this process for good: memory, time, no core dump, no new rights, no file beside those that are open.

    Raises:
        OSError: the system does not do it.
    """
    _limit(resource.RLIMIT_DATA, limits.memory_bytes)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.processor_s, limits.processor_s + _GRACE_S))
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _MOST_FILES)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    deny()


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
