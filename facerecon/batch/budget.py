"""How many workers a machine bears: cores, and memory that is free now. Reads the system's own figures only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facerecon.engines.cores import available_cores

WORKER_GB = 1.8
"""Measured peak of one worker: 1080p footage through the profile standard, models loaded, on a CPU."""
SHARE = 0.8
"""How much of the free memory a batch takes when it is not told."""
_GB = 1e9


@dataclass(frozen=True)
class Staff:
    """How many workers, and why. Each computes with as many threads as a run alone: see `ProcessEngine`."""

    jobs: int
    why: str
    short_of_memory: bool


def staff(jobs: int | None, memory_gb: float | None) -> Staff:
    """Return the workers for this machine.

    Args:
        jobs: how many the user wants; None: as many as cores and memory allow.
        memory_gb: what all of them may take together; None: `SHARE` of what is free.
    """
    cores, free = available_cores(), available_gb()
    budget = memory_gb if memory_gb is not None else (None if free is None else SHARE * free)
    fitting = cores if budget is None else max(1, int(budget / WORKER_GB))
    chosen = jobs or max(1, min(cores, fitting))
    memory = "memory unknown" if budget is None else f"{budget:.1f} GB of memory at {WORKER_GB} GB each"
    return Staff(chosen, f"{cores} core(s), {memory}" + (", as told" if jobs else ""), chosen > fitting)


def available_gb() -> float | None:
    """Return the memory that is free now and within this process's control group; None when the system does not say."""
    found = [size for size in (_free_bytes(), _group_bytes()) if size is not None]
    return min(found) / _GB if found else None


def _free_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(sizes[0]) * 1024 if sizes else None


def _group_bytes() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        return max(0, int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text()))
    except (OSError, ValueError):
        return None
