"""Putting a restored face back where it came from. Owns the mask: outside it no pixel changes (R16).

The mask is an ellipse over the face, the whole square, or what a face parser calls face. Each has weight 1 inside and
falls to exactly 0 toward its border.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.engines import chips
from facerecon.faces.alignment import Affine
from facerecon.records import RGB
from facerecon.stages import Levels

SIDE_PX = 512
Mask = npt.NDArray[np.float32]
# The part of the full square (512x512 px) that is pasted: an ellipse over the face (brow to chin), feathered border.
_CENTRE, _RADII = (256.0, 285.0), (165.0, 215.0)
_FEATHER = 0.25
# The border of the square over which it fades, as a share of its side.
_MARGIN = 0.1
Bounds = Literal["ellipse", "square"]
BOUNDS_TEXT: Mapping[Bounds, str] = {"ellipse": "elliptic feather", "square": "feathered square"}


def paste(canvas: RGB, square: RGB, from_square: Affine, weight: Mask, given: RGB | None = None) -> RGB:
    """Return `canvas` with the restored `square` (of any side) in it, as far as `weight` says.

    Args:
        canvas: the enlarged picture.
        square: the restored face.
        from_square: 2x3, maps the square's pixels to the canvas's.
        weight: float32 (height, width) in 0..1. Where it is 0 the pixels are the canvas's, exactly.
        given: the square before it was restored. Only the difference is pasted then, so that a face larger than the
            square keeps the detail that the square cannot show (a band of the Laplacian pyramid of Burt, Adelson,
            IEEE Trans. Communications 31(4), 1983).
    """
    height, width = canvas.shape[:2]
    face = chips.resample(square, from_square, width, height)
    base = canvas if given is None else chips.resample(given, from_square, width, height)
    mixed = canvas + weight[..., None] * (face.astype(np.float32) - base)
    return np.asarray(np.rint(np.clip(mixed, 0, 255)), dtype=np.uint8)


def paste_levels(levels: Levels, from_square: Affine, weight: Mask) -> Levels:
    """Return a square's levels, float32 (side, side), as the canvas sees them: interpolated linearly, times `weight`.

    The arguments are as in `paste`; where `weight` is 0 so is the result, exactly.
    """
    height, width = weight.shape
    spread = cv2.warpAffine(
        levels, from_square, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(weight * spread, dtype=np.float32)


def inverted(to_square: Affine, scale: int) -> Affine:
    """Return the 2x3 transform from the square to the crop enlarged by `scale` (pixel centres at integers in both)."""
    linear = np.linalg.inv(to_square[:, :2])
    matrix = np.column_stack((linear, -linear @ to_square[:, 2])) * scale
    matrix[:, 2] += (scale - 1) / 2
    return matrix


def window(from_square: Affine, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of a canvas that the square can touch; empty slices where it lies beyond."""
    corners = np.array([(x, y, 1.0) for x in (-1, SIDE_PX) for y in (-1, SIDE_PX)]) @ from_square.T
    (x0, y0), (x1, y1) = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    rows, columns = np.clip((y0, y1), 0, height), np.clip((x0, x1), 0, width)
    return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))


def bounded_mask(bounds: Bounds, from_square: Affine, width: int, height: int) -> Mask:
    """Return the weight of the restored square, float32 (height, width), by where the full square lies."""
    return (elliptic_mask if bounds == "ellipse" else square_mask)(from_square, width, height)


def square_mask(from_square: Affine, width: int, height: int) -> Mask:
    """Return the weight of the whole square, float32 (height, width): 1 inside, falling to 0 at its border."""
    points = _square_points(from_square, width, height)
    # To the centres of the outermost pixels: beyond them there is nothing to interpolate.
    depth = np.minimum(points, SIDE_PX - 1 - points).min(axis=-1)
    return _smooth(np.clip(depth / (_MARGIN * SIDE_PX), 0, 1))


def elliptic_mask(from_square: Affine, width: int, height: int) -> Mask:
    """Return the weight of the restored face, float32 (height, width): 1 inside, 0 outside the ellipse, smooth between.

    It is computed at each pixel of the result, not warped, so that outside is exactly 0.
    """
    points = _square_points(from_square, width, height)
    inside = np.logical_and(points > -0.5, points < SIDE_PX - 0.5).all(-1)
    radius = np.hypot(*((points[..., axis] - _CENTRE[axis]) / _RADII[axis] for axis in (0, 1)))
    return _smooth(np.clip((1 - radius) / _FEATHER, 0, 1) * inside)


def _square_points(from_square: Affine, width: int, height: int) -> npt.NDArray[np.float64]:
    """Return where each pixel of the result lies in the square, (height, width, 2)."""
    linear = np.linalg.inv(from_square[:, :2])
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.stack((x - from_square[0, 2], y - from_square[1, 2]), -1) @ linear.T)


def parsed_mask(ramp: Mask, from_square: Affine, width: int, height: int) -> Mask:
    """Return a parser's ramp, float32 (512, 512) in 0..1, as the weight at each pixel of the result.

    Interpolated linearly, and 0 beyond the square: a pixel has weight only beside a pixel that has.
    """
    size = (width, height)
    warped = cv2.warpAffine(ramp, from_square, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return _smooth(np.clip(warped, 0, 1))


def _smooth(ramp: npt.NDArray[np.floating]) -> Mask:
    return np.asarray(ramp * ramp * (3 - 2 * ramp), dtype=np.float32)
