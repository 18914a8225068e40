"""How much space stays free on a disk: a batch puts its work away before the last is gone. Only asks the system."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from facerecon.errors import ResourceError

_EVERY_S = 1.0
_GB = 1e9


class Reserve:
    """The free space that must be left where the cases are; `gb` 0: never looked at."""

    def __init__(self, folder: Path, gb: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Look at nothing yet."""
        self._folder, self._gb, self._clock = folder, gb, clock
        self._next_s = 0.0

    def reached(self) -> bool:
        """Say whether too little is free; looks once a second at most, and says no in between."""
        if self._gb <= 0 or self._clock() < self._next_s:
            return False
        self._next_s = self._clock() + _EVERY_S
        return self._free_gb() < self._gb

    def require(self) -> None:
        """Make sure that enough is free to begin.

        Raises:
            ResourceError: it is not.
        """
        if self._gb > 0 and self._free_gb() < self._gb:
            raise self.error("nothing was begun")

    def error(self, kept: str) -> ResourceError:
        """Return what is raised for a disk that gets full."""
        return ResourceError(
            f"less than {self._gb:g} GB are free at {self._folder} (--min-free-gb); {kept}; free some space, and the "
            "same command goes on"
        )

    def _free_gb(self) -> float:
        try:
            return shutil.disk_usage(self._folder).free / _GB
        except OSError:
            # Whoever writes there next says what is wrong with it.
            return float("inf")
