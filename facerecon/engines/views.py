"""Which pictures of one face are shown to a recognizer, whose vectors are then averaged. Owns framing and jitter.

The choices are the user's (`recognize:` in a profile). They change vectors, so `Views.treatment` words them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facerecon.engines import chips
from facerecon.engines.chips import Upscale
from facerecon.errors import UsageError
from facerecon.faces.alignment import Affine
from facerecon.records import RGB, FaceView, Landmarks5

MOST_JITTER = 100
# The extent of the jitter in dlib's face recognition example: turns, shifts as a share of the side, enlargement.
_TURN_DEG, _SHIFT, _ENLARGEMENT = 3.0, 0.02, 1.03


@dataclass(frozen=True)
class Framing:
    """Where a model wants the five landmarks on its chip, and the chip's side.

    `widening` stretches the aligned face horizontally about the chip's middle, for models that were trained on
    oblong boxes squeezed into squares; `template` is where the landmarks lie before that. `name` is for the record.
    """

    name: str
    template: Landmarks5
    side_px: int
    widening: float = 1.0

    def transform(self, face: FaceView) -> Affine:
        """Return the 2x3 transform from the face's picture to the chip.

        Raises:
            RestorationError: the landmarks coincide.
        """
        middle = (self.side_px - 1) / 2
        return _composed(_about(middle, np.diag([self.widening, 1.0])), chips.transform_to(self.template, face))


@dataclass(frozen=True)
class Views:
    """The choices: the mirror image too (`flip`), `jitter` (0..100) random versions of the chip, how to enlarge.

    Raises:
        UsageError: `jitter` is out of range.
    """

    flip: bool = True
    jitter: int = 0
    upscale: Upscale = "linear"
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate the number of jittered chips."""
        if not 0 <= self.jitter <= MOST_JITTER:
            raise UsageError(f"recognize.jitter must be 0 to {MOST_JITTER}, not {self.jitter}")

    @property
    def count(self) -> int:
        """How many pictures there are per face."""
        return 1 + self.flip + self.jitter

    @property
    def treatment(self) -> str:
        """The choices in words, for the record: "bicubic, mean of chip and mirror"."""
        parts = ["chip"] + ["mirror"] * self.flip
        if self.jitter:
            parts.append(f"{self.jitter} jittered (seed {self.seed})")
        return f"{self.upscale}, " + (f"mean of {' and '.join(parts)}" if len(parts) > 1 else "chip only")

    def cut(self, face: FaceView, framing: Framing) -> Iterator[RGB]:
        """Yield the face's `count` chips, uint8 (side, side, 3): as it is, mirrored, jittered.

        Raises:
            RestorationError: the landmarks coincide.
        """
        to_chip = framing.transform(face)
        chip = chips.cut(face.pixels, to_chip, framing.side_px, self.upscale)
        yield chip
        if self.flip:
            yield np.fliplr(chip)
        for change in self._changes(framing.side_px):
            # One resampling of the picture, not a second one of the chip.
            yield chips.cut(face.pixels, _composed(change, to_chip), framing.side_px, self.upscale)

    def _changes(self, side_px: int) -> Iterator[Affine]:
        """Yield the jitter's transforms of the chip; the same for every face, so that order does not matter."""
        rng = np.random.default_rng(self.seed)
        for _ in range(self.jitter):
            turn, shift_x, shift_y, size, mirror = rng.uniform(-1, 1, 5)
            yield _jittered(turn, (shift_x, shift_y), size, side_px, mirrored=mirror < 0)


def _jittered(turn: float, shift: tuple[float, float], size: float, side_px: int, *, mirrored: bool) -> Affine:
    """Return one change of the chip, each part -1..1 of its extent: turn, enlarge, mirror about the middle, shift."""
    angle = np.deg2rad(turn * _TURN_DEG)
    scale = 1 + (size + 1) / 2 * (_ENLARGEMENT - 1)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = _about((side_px - 1) / 2, rotation @ np.diag([-1.0 if mirrored else 1.0, 1.0]))
    matrix[:, 2] += np.array(shift) * _SHIFT * side_px
    return matrix


def _about(middle: float, linear: Affine) -> Affine:
    """Return the 2x3 transform that applies the 2x2 `linear` about the point (middle, middle)."""
    centre = np.array([middle, middle])
    return np.column_stack([linear, centre - linear @ centre])


def _composed(second: Affine, first: Affine) -> Affine:
    """Return the 2x3 transform that is `first`, then `second`."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])
