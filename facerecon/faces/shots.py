"""Best shots: which few pictures of a track are kept, and how they are cut out. Memory does not grow with the track.

Beside the best shots, spread in time, a burst is kept: the frames round the very best one, for multi-frame fusion.
"""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction

import numpy as np

from facerecon.faces.alignment import scaled_template, similarity_transform, warp
from facerecon.profiles import Shots
from facerecon.records import RGB, Detection, FaceChip, FaceQuality, Frame

ALIGNED_PX = 256


class BestShots:
    """Keeps up to `best` chips of one track, at least `min_spacing_s` apart, highest quality first.

    While the track runs, the best shot of each half spacing is held, at most four times as many as are wanted; the
    choice among them, best first, is made when it is asked for. Deterministic.
    """

    _HELD_PER_WANTED = 4

    def __init__(self, settings: Shots) -> None:
        """Start empty."""
        self._settings = settings
        self._spacing = Fraction(settings.min_spacing_s)
        self._held: dict[Fraction, FaceChip] = {}

    def wants(self, quality: FaceQuality, at: Fraction) -> bool:
        """Tell whether a shot of this quality and time would be held, before anybody cuts it out."""
        rival = self._held.get(self._slot(at))
        if rival is None and len(self._held) >= self._HELD_PER_WANTED * self._settings.best:
            rival = min(self._held.values(), key=_rank)
        return rival is None or quality.score > rival.quality.score

    def add(self, chip: FaceChip) -> None:
        """Hold a shot that `wants` accepted."""
        self._held[self._slot(chip.timestamp.seconds)] = chip
        if len(self._held) > self._HELD_PER_WANTED * self._settings.best:
            worst = min(self._held.values(), key=_rank)
            del self._held[self._slot(worst.timestamp.seconds)]

    @property
    def chips(self) -> tuple[FaceChip, ...]:
        """The best shots, best first."""
        kept: list[FaceChip] = []
        for chip in sorted(self._held.values(), key=_rank, reverse=True):
            apart = all(abs(chip.timestamp.seconds - other.timestamp.seconds) >= self._spacing for other in kept)
            if apart and len(kept) < self._settings.best:
                kept.append(chip)
        return tuple(kept)

    def _slot(self, at: Fraction) -> Fraction:
        return Fraction(at // (self._spacing / 2)) if self._spacing else at


class Burst:
    """Keeps up to `size` chips in a row round the best one: half before it, the rest after."""

    def __init__(self, size: int) -> None:
        """Start empty; with size 0 nothing is ever kept."""
        self._before: deque[FaceChip] = deque(maxlen=size // 2)
        self._size = size
        self._kept: list[FaceChip] = []
        self._best: FaceChip | None = None
        self._after = 0

    def add(self, chip: FaceChip) -> None:
        """Take the track's next shot; every shot, in order of time."""
        if not self._size:
            return
        if self._best is None or _rank(chip) > _rank(self._best):
            self._best = chip
            self._kept = [*self._before, chip]
            self._after = self._size - len(self._kept)
        elif self._after:
            self._kept.append(chip)
            self._after -= 1
        self._before.append(chip)

    @property
    def chips(self) -> tuple[FaceChip, ...]:
        """The kept chips, in order of time; empty unless there are at least two."""
        return tuple(self._kept) if len(self._kept) > 1 else ()


def _rank(chip: FaceChip) -> tuple[float, Fraction]:
    return (chip.quality.score, -chip.timestamp.seconds)


def cut_chip(frame: Frame, track: str, detection: Detection, quality: FaceQuality, margin: float) -> FaceChip:
    """Copy the square around a face out of a frame, pixel for pixel, clipped at the frame's border.

    Args:
        frame: the decoded frame.
        track: the track's id.
        detection: the face, in frame pixels.
        quality: its quality.
        margin: what is added on each side, in box sizes.

    Returns:
        The chip; its pixels are a copy, so the frame can be let go.
    """
    x0, y0, x1, y1 = crop_bounds(detection, margin, frame.pixels.shape[1], frame.pixels.shape[0])
    pixels = frame.pixels[y0:y1, x0:x1].copy()
    return FaceChip(track, frame.id, frame.timestamp, (x0, y0), pixels, detection, quality)


def crop_bounds(detection: Detection, margin: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the crop (x0, y0, x1, y1) in whole pixels: a square about the box's centre, clipped to the picture."""
    left, top, right, bottom = detection.box
    half = max(right - left, bottom - top) * (0.5 + margin)
    cx, cy = (left + right) / 2, (top + bottom) / 2
    x0, y0 = max(0, math.floor(cx - half)), max(0, math.floor(cy - half))
    x1, y1 = min(width, math.ceil(cx + half)), min(height, math.ceil(cy + half))
    return min(x0, width - 1), min(y0, height - 1), max(x1, min(x0, width - 1) + 1), max(y1, min(y0, height - 1) + 1)


def aligned_picture(chip: FaceChip) -> tuple[RGB, tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Return the chip aligned to the FFHQ template at 256x256, and the transform from frame pixels to it."""
    local = similarity_transform(chip.view.landmarks, scaled_template(ALIGNED_PX))
    pixels = warp(chip.pixels, local, ALIGNED_PX)
    to_frame = local.copy()
    to_frame[:, 2] -= local[:, :2] @ np.asarray(chip.origin, dtype=np.float64)
    (a, b, c), (d, e, f) = np.round(to_frame, 6).tolist()
    return pixels, ((a, b, c), (d, e, f))
