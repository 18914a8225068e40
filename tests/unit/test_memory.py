"""The allocator: what was freed is given back, and threads share one heap."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from facerecon import memory

_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
_KEPT = """
import threading
from pathlib import Path
from facerecon.memory import give_back, one_heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def used():
    # Small pieces, each hundredth one kept until the end, so that the heap cannot shrink from its end.
    pieces = [bytearray(40_000) for _ in range(4000)]
    kept.extend(pieces[::100])

kept = []
if "%s" == "one":
    one_heap()
threads = [threading.Thread(target=used) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
before = resident()
give_back()
names = [line for line in Path("/proc/self/smaps").read_text().splitlines() if "-" in line.split(" ")[0]]
print(before - resident(), sum("---p 00000000 00:00 0" in line for line in names))
"""


def _run(heaps: str) -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", _KEPT % heaps], capture_output=True, text=True, check=True)
    freed, reserved = done.stdout.split()
    return int(freed), int(reserved)


@pytest.mark.skipif(not _GLIBC, reason="the C library is not glibc")
def test_what_was_freed_is_given_back_and_threads_share_one_heap() -> None:
    freed, reserved = _run("one")
    assert freed > 50_000_000
    # Each heap beside the first reserves 64 MB of addresses that cannot be used yet.
    assert reserved < _run("many")[1]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    memory.one_heap()
    memory.give_back()
