"""Size: nearest, bicubic and Lanczos enlargement, area reduction."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from facerecon.records import RGB

Method = Literal["nearest", "bicubic", "lanczos"]
_FLAGS = {"nearest": cv2.INTER_NEAREST, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}


def enlarge(pixels: RGB, scale: int, method: Method) -> RGB:
    """Enlarge by a whole factor; pixel centres stay where they are relative to the picture.

    Args:
        pixels: RGB picture (height, width, 3).
        scale: output size over input size, at least 1.
        method: "nearest" repeats pixels, "bicubic" is Keys (IEEE TASSP 29, 1981), "lanczos" is Duchon (1979), 8 taps.

    Returns:
        RGB picture (height * scale, width * scale, 3).
    """
    if scale == 1:
        return pixels
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    return np.asarray(cv2.resize(pixels, size, interpolation=_FLAGS[method]), dtype=np.uint8)


def reduce_by(pixels: RGB, scale: int) -> RGB:
    """Reduce by a whole factor: the mean of each scale x scale block, as a coarser sensor would see it."""
    if scale == 1:
        return pixels
    size = (pixels.shape[1] // scale, pixels.shape[0] // scale)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
