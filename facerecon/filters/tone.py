"""Brightness: power-law correction."""

from __future__ import annotations

import cv2
import numpy as np

from facerecon.records import RGB


def gamma(pixels: RGB, exponent: float) -> RGB:
    """Brighten dark parts: out = 255 * (in / 255) ** (1 / exponent), the same curve for every pixel and channel.

    Args:
        pixels: RGB picture.
        exponent: above 1 brightens, below 1 darkens, 1 changes nothing.

    Reference: Poynton, "Digital Video and HD", 2nd ed. 2012, ch. 27 (gamma).

    Raises:
        ValueError: `exponent` is not positive.
    """
    if exponent <= 0:
        raise ValueError(f"gamma exponent must be above 0, not {exponent}")
    levels = np.rint(255.0 * (np.arange(256) / 255.0) ** (1.0 / exponent)).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, levels), dtype=np.uint8)
