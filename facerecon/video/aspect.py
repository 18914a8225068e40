"""Square pixels: widens or heightens pictures whose pixels are not square. Never reduces, never crops."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from facerecon.records import RGB

_CREDIBLE = (Fraction(1, 4), Fraction(4))


@dataclass(frozen=True)
class Stretch:
    """By how much a decoded picture, before any rotation, is widened and heightened; both at least 1, one of them 1."""

    across: Fraction
    down: Fraction

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return the width and height that a picture of this size gets, rounded to whole pixels."""
        return round(width_px * self.across), round(height_px * self.down)

    def apply(self, pixels: RGB) -> RGB:
        """Resample RGB, uint8, shape (height, width, 3), with an 8-tap Lanczos kernel.

        Duchon, "Lanczos Filtering in One and Two Dimensions", Journal of Applied Meteorology, 1979.
        """
        size = self.size_px(pixels.shape[1], pixels.shape[0])
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8)


def stretch_for(sample_aspect_ratio: Fraction | None) -> tuple[Stretch | None, str]:
    """Return the stretch that makes pixels square (None: none needed or stated) and what to say about it ('': nothing).

    `sample_aspect_ratio` is a pixel's width over its height as the header gives it. One beyond 1:4 or 4:1 is taken for
    an error of the header: it is not applied, and the text says so.
    """
    if not sample_aspect_ratio or sample_aspect_ratio == 1:
        return None, ""
    ratio = f"sample aspect ratio {sample_aspect_ratio.numerator}:{sample_aspect_ratio.denominator}"
    if not _CREDIBLE[0] <= sample_aspect_ratio <= _CREDIBLE[1]:
        return None, f"{ratio} in the header is not credible and was not applied"
    if sample_aspect_ratio > 1:
        return Stretch(sample_aspect_ratio, Fraction(1)), f"widened to square pixels ({ratio}, Lanczos)"
    return Stretch(Fraction(1), 1 / sample_aspect_ratio), f"heightened to square pixels ({ratio}, Lanczos)"
