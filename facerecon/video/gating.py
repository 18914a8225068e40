"""The motion gate at the decoder: where luma is coded by itself, only frames in which something moved become RGB."""

from __future__ import annotations

from typing import Any

from facerecon.profiles import Motion
from facerecon.records import RGB, Timestamp
from facerecon.video.aspect import Stretch
from facerecon.video.colour import luma, to_rgb
from facerecon.video.motion import MotionGate, grey_of
from facerecon.video.sources import Step, Taken, Unmoved


class Gating:
    """Says of decoded PyAV frames what is told of them: the pixels, or that nothing moved."""

    def __init__(self, codec: str, stretch: Stretch | None, motion: Motion | None) -> None:
        """Take the codec's name and what makes pixels square; without `motion` every frame has pixels."""
        self._codec, self._stretch = codec, stretch
        self._gate = MotionGate(motion) if motion else None

    def step(self, image: Any, timestamp: Timestamp, keyframe: bool) -> Step:
        """Return what is told of a frame; frames are given in presentation order."""
        if self._gate is None:
            return Taken(timestamp, self._pixels(image), keyframe)
        now, coded, pixels = timestamp.seconds, luma(image, self._codec, self._stretch), None
        if coded is not None:
            look = self._gate.look_at(coded.levels, now, coded.size, limited=coded.limited)
        else:
            pixels = self._pixels(image)
            look = self._gate.look_at(grey_of(pixels), now, (pixels.shape[1], pixels.shape[0]))
        if not look.moved:
            return Unmoved(timestamp)
        return Taken(timestamp, self._pixels(image) if pixels is None else pixels, keyframe, look)

    def _pixels(self, image: Any) -> RGB:
        return to_rgb(image, self._codec, self._stretch)
