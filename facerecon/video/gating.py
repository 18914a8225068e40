"""The motion gate at the decoder: RGB is made of frames in which something moved, and of no other."""

from __future__ import annotations

from typing import Any

from facerecon.profiles import Motion
from facerecon.records import Frame, Timestamp
from facerecon.video.aspect import Stretch
from facerecon.video.colour import luma, to_rgb
from facerecon.video.motion import MotionGate
from facerecon.video.sources import Step, Taken, Unmoved


class Pixels:
    """Makes of decoded PyAV frames what is told of them: pixels, unless nothing moved."""

    def __init__(self, codec: str, stretch: Stretch | None, motion: Motion | None) -> None:
        """Take the codec's name and what makes pixels square; without `motion` every frame has pixels."""
        self._codec, self._stretch = codec, stretch
        self._gate = MotionGate(motion) if motion else None

    def step(self, image: Any, timestamp: Timestamp, keyframe: bool) -> Step:
        """Return what is told of a frame; frames are given in presentation order."""
        if self._gate is None:
            return Taken(timestamp, to_rgb(image, self._codec, self._stretch), keyframe)
        seen = luma(image, self._codec, self._stretch)
        if seen is None:
            pixels = to_rgb(image, self._codec, self._stretch)
            look = self._gate.look(Frame(0, timestamp, pixels, keyframe))
            return Taken(timestamp, pixels, keyframe, look) if look.moved else Unmoved(timestamp)
        look = self._gate.look_at(seen.levels, timestamp.seconds, seen.size, limited=seen.limited)
        if not look.moved:
            return Unmoved(timestamp)
        return Taken(timestamp, to_rgb(image, self._codec, self._stretch), keyframe, look)
