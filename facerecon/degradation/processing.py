"""What happens to a picture between sensor and coding: the camera sharpens it, a recorder scales it there and back.

Both act on code values, as these devices do. Never codes and never draws random numbers.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.records import RGB

_MASK_SIGMA_PX = 1.0


def sharpened(levels: npt.NDArray[np.float64], amount: float) -> npt.NDArray[np.float64]:
    """Return levels plus `amount` times what a Gaussian of 1 px takes away: an unsharp mask, halos and noise included.

    Polesel, Ramponi and Mathews, IEEE TIP 9(3), 2000, sec. II (linear unsharp masking).

    Args:
        levels: the sensor's picture with its noise, in levels, not rounded.
        amount: 0..3; a step between two pixels overshoots by `amount` x 0.3 of its height.
    """
    blurred = cv2.GaussianBlur(levels, (0, 0), _MASK_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(levels + amount * (levels - blurred))


def rescaled(pixels: RGB, factor: float) -> RGB:
    """Return the picture reduced by `factor` (area means) and enlarged back (bilinear), rounded to 8 bits in between.

    A recorder that keeps CIF and exports D1 does this, and so does every step that stores at another size: Wang et
    al., "Real-ESRGAN", ICCV Workshops 2021 (resizing again and again), after Zhang et al., ICCV 2021.

    Args:
        pixels: RGB picture.
        factor: 1..4, of both sides.
    """
    height, width = pixels.shape[:2]
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
