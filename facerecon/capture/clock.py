"""The machine's two clocks, and the capture's timeline. Owns what "now" is; never a time that the stream states."""

from __future__ import annotations

import time
from dataclasses import dataclass

_NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Moment:
    """One instant, by the clock on the wall (ns since 1970, UTC, may be set) and by the steady one (ns, never set)."""

    utc_ns: int
    steady_ns: int


class Clock:
    """Reads both clocks of this machine."""

    def now(self) -> Moment:
        """Return the present instant."""
        return Moment(time.time_ns(), time.monotonic_ns())


@dataclass(frozen=True)
class Timeline:
    """Milliseconds since the first start of a capture, steady while the process lives.

    Attributes:
        begun: when this process began.
        begun_ms: where on the timeline that was.
    """

    begun: Moment
    begun_ms: int

    @classmethod
    def resumed(cls, now: Moment, first_utc_ns: int, covered_ms: int) -> Timeline:
        """Go on with a timeline that another process began.

        Only the clock on the wall connects the two. Where it was set back meanwhile, the timeline goes on from
        `covered_ms`, up to where it has been accounted for.
        """
        return cls(now, max((now.utc_ns - first_utc_ns) // _NS_PER_MS, covered_ms))

    def at_ms(self, moment: Moment) -> int:
        """Return where on the timeline an instant of this process lies."""
        return self.begun_ms + max(0, moment.steady_ns - self.begun.steady_ns) // _NS_PER_MS
