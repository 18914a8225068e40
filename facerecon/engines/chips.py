"""The square pictures that networks take: a face cut out by its five landmarks. Owns how pixels get there.

The geometry itself (the least-squares similarity) is facerecon.faces.alignment's.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np

from facerecon.errors import RestorationError
from facerecon.faces.alignment import Affine, similarity_transform
from facerecon.records import RGB, FaceView, Landmarks5

Upscale = Literal["bicubic", "lanczos", "linear"]
_FLAGS: dict[Upscale, int] = {
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "linear": cv2.INTER_LINEAR,
}


def transform_to(template: Landmarks5, face: FaceView) -> Affine:
    """Return the 2x3 similarity from the face's picture to the template.

    Raises:
        RestorationError: the landmarks coincide, so that none is defined.
    """
    try:
        return similarity_transform(face.landmarks, template)
    except ValueError as error:
        raise RestorationError(f"the face cannot be aligned: {error}") from error


def cut(pixels: RGB, to_chip: Affine, side_px: int, upscale: Upscale = "bicubic") -> RGB:
    """Return the square that `to_chip` cuts out of a picture, uint8 (side, side, 3); see `resample`."""
    return resample(pixels, to_chip, side_px, side_px, upscale)


def resample(pixels: RGB, matrix: Affine, width_px: int, height_px: int, upscale: Upscale = "bicubic") -> RGB:
    """Return the picture of the given size in which `matrix` (2x3, pixel centres at integers) puts `pixels`.

    Enlarging is by `upscale`. What shrinks is first sampled on a grid finer than its own pixels and then averaged over
    areas, since a warp alone would skip pixels. Beyond the picture its border is repeated: a black edge would be a
    feature to a network.
    """
    # By the direction that shrinks most; a similarity shrinks all alike.
    finer = max(1, math.ceil(1 / float(np.linalg.norm(matrix[:, :2], -2)) - 1e-6))
    # Pixel centre u of the result is the centre of `finer` pixels around finer * u + (finer - 1) / 2.
    refined = matrix * finer
    refined[:, 2] += (finer - 1) / 2
    size = (width_px * finer, height_px * finer)
    fine = cv2.warpAffine(pixels, refined, size, flags=_FLAGS[upscale], borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        fine = cv2.resize(fine, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, dtype=np.uint8)
