"""How long to wait before the next attempt to connect, and when to give up. Owns the delays, never sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FIRST_S, LONGEST_S, FACTOR = 0.5, 30.0, 2.0


@dataclass(frozen=True)
class Patience:
    """For how long a lost stream is tried again (s, 0 for never), counted from when its last packet came."""

    seconds: float = 600.0

    def exhausted(self, lost_for_s: float) -> bool:
        """Say whether to give up."""
        return lost_for_s >= self.seconds

    def delays_s(self) -> Iterator[float]:
        """Yield the waits between attempts: each twice as long as the one before, bounded, the same every time."""
        delay_s = FIRST_S
        while True:
            yield delay_s
            delay_s = min(delay_s * FACTOR, LONGEST_S)
