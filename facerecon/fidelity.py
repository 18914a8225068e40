"""How near a picture is to the true one: PSNR and SSIM. Pure functions of two pictures of one size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.records import RGB

Pixels = npt.NDArray[Any]
EQUAL_DB = 100.0
_WINDOW_SIGMA_PX = 1.5


def psnr_db(picture: Pixels, reference: RGB, *, ceiling_db: float = EQUAL_DB) -> float:
    """Return the peak signal-to-noise ratio over all three channels, in dB, at most `ceiling_db`.

    On RGB, not luminance, so that a colour cast counts.

    Raises:
        ValueError: the pictures differ in size.
    """
    if picture.shape != reference.shape:
        raise ValueError(f"pictures of {picture.shape} and {reference.shape} cannot be compared")
    error = float(((picture.astype(np.float64) - reference) ** 2).mean())
    return min(ceiling_db, 10 * float(np.log10(255**2 / error))) if error else ceiling_db


def ssim(picture: RGB, reference: RGB) -> float:
    """Return the mean structural similarity of the luminance (BT.601), at most 1.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 13(4), 2004, with its own constants: Gaussian window of sigma 1.5 px (11 x 11), K1 0.01, K2 0.03, population
    covariance, 8 bits. Computed by scikit-image, without the 5 px next to the border.

    Raises:
        ValueError: the pictures differ in size, or are smaller than the window.
    """
    from skimage.metrics import structural_similarity

    a, b = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in (picture, reference))
    value = structural_similarity(  # type: ignore[no-untyped-call]
        a, b, data_range=255, gaussian_weights=True, sigma=_WINDOW_SIGMA_PX, use_sample_covariance=False
    )
    return float(value)
