"""Noise: non-local means."""

from __future__ import annotations

import cv2
import numpy as np

from facerecon.records import RGB


def non_local_means(
    pixels: RGB, strength_levels: float, color_strength_levels: float, patch_px: int = 7, search_px: int = 21
) -> RGB:
    """Replace each pixel by a mean of pixels whose surroundings look alike.

    Args:
        pixels: RGB picture.
        strength_levels: filter strength for lightness, in grey levels; about the noise's standard deviation.
        color_strength_levels: the same for colour.
        patch_px: side of the compared surroundings, odd.
        search_px: side of the searched window, odd.

    Reference: Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005 (OpenCV's implementation,
    in CIE Lab).
    """
    denoised = cv2.fastNlMeansDenoisingColored(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), None, strength_levels, color_strength_levels, patch_px, search_px
    )
    return np.asarray(cv2.cvtColor(denoised, cv2.COLOR_BGR2RGB), dtype=np.uint8)
