"""The first picture of a connection, whose time FFmpeg does not hand on. Owns the one time that is ever estimated.

Of an RTSP stream FFmpeg gives the first picture, a keyframe, without its time. Left out, it would take all pictures up
to the next keyframe with it. It gets the time of the next picture less the distance from that to the one after, and is
counted as estimated; where the times do not go forward evenly enough to say (B frames), it is left without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facerecon.capture.clock import Moment

_LONGEST_WAIT_PACKETS = 64


@dataclass(frozen=True)
class Arrived:
    """A packet, and when it came. `estimated`: its time was not received."""

    packet: Any
    moment: Moment
    estimated: bool = False


class Beginning:
    """Holds the packets of a connection back until the time of its first picture is known."""

    def __init__(self, video: int) -> None:
        """Begin, with the index of the video stream."""
        self._video, self._held, self._over = video, list[Arrived](), False

    def taken(self, arrived: Arrived) -> list[Arrived]:
        """Take a packet, and return those that are ready, in the order in which they came."""
        if self._over:
            return [arrived]
        self._held.append(arrived)
        pictures = [each.packet for each in self._held if each.packet.stream.index == self._video]
        waiting = not pictures or pictures[0].pts is None
        if waiting and len(pictures) < 3 and len(self._held) < _LONGEST_WAIT_PACKETS:
            return []
        if waiting and len(pictures) >= 3 and pictures[0].is_keyframe:
            self._estimate(*pictures[:3])
        return self.rest()

    def rest(self) -> list[Arrived]:
        """Return what is held back, and hold nothing back any more."""
        held, self._held, self._over = self._held, [], True
        return held

    def _estimate(self, first: Any, second: Any, third: Any) -> None:
        if second.pts is None or third.pts is None or not 0 < third.pts - second.pts <= second.pts:
            return
        first.pts = first.dts = 2 * second.pts - third.pts
        self._held = [Arrived(each.packet, each.moment, each.packet is first) for each in self._held]
