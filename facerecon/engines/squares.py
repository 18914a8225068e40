"""The aligned square that a face restorer sees: where the face lies in it, and how its pixels get there.

Owns the one rule for pictures that a network learns from and for pictures that it later restores. The face lies as in
the FFHQ alignment; masks and parsers speak of that alignment's 512x512 px, whatever the side of a network's square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facerecon.engines import chips
from facerecon.engines.chips import Upscale
from facerecon.engines.pasting import SIDE_PX
from facerecon.faces.alignment import FFHQ_512, Affine
from facerecon.records import RGB, FaceView


@dataclass(frozen=True)
class Square:
    """A square of `side_px`; small faces are enlarged into it by `upscale`, large ones averaged over areas."""

    side_px: int = SIDE_PX
    upscale: Upscale = "bicubic"

    def cut(self, face: FaceView) -> RGB:
        """Return the face's square, uint8 (side, side, 3); beyond the picture its border is repeated.

        Raises:
            RestorationError: the landmarks coincide.
        """
        return self.cut_by(face.pixels, to_full(face))

    def cut_by(self, pixels: RGB, full: Affine) -> RGB:
        """Return the square of a face whose 2x3 transform to the full square is known."""
        factor = self.side_px / SIDE_PX
        matrix = full * factor
        # Pixel centres lie at integers in both squares.
        matrix[:, 2] += (factor - 1) / 2
        return chips.cut(pixels, matrix, self.side_px, self.upscale)

    def onto(self, from_full: Affine) -> Affine:
        """Return the 2x3 transform from this square to where `from_full` maps the full one."""
        factor = SIDE_PX / self.side_px
        linear = from_full[:, :2]
        return np.column_stack((linear * factor, from_full[:, 2] + linear.sum(axis=1) * ((factor - 1) / 2)))


def to_full(face: FaceView) -> Affine:
    """Return the 2x3 similarity from the face's picture to the full square of 512x512 px.

    Raises:
        RestorationError: the landmarks coincide.
    """
    return chips.transform_to(FFHQ_512, face)
