"""Light: coded levels to linear light and back, and the luminance of a picture. Owns these scales, changes no picture.

Linear light is proportional to what fell on the sensor, 0 to 1; coded levels, 0 to 255, are what a file stores.
Reference: IEC 61966-2-1:1999 (sRGB); ITU-R BT.709 (luminance weights).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from facerecon.records import RGB

Plane = npt.NDArray[np.float32]
"""Floating-point pixels: (height, width) or (height, width, 3)."""

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
_CODES = np.arange(256) / 255.0
LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light of each coded level, 256 values, 0 to 1."""


def to_linear(pixels: RGB) -> Plane:
    """Return linear light, 0 to 1, of coded levels; same shape."""
    return np.asarray(LINEAR[pixels], dtype=np.float32)


def to_levels(linear: Plane) -> RGB:
    """Return the nearest coded levels of linear light; what is outside 0 to 1 is clipped."""
    light = np.clip(linear, 0.0, 1.0)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 255.0), dtype=np.uint8)


def luminance(linear: Plane) -> Plane:
    """Return the luminance, (height, width), of linear light (height, width, 3)."""
    return np.asarray(linear @ _WEIGHTS, dtype=np.float32)


def luma(pixels: RGB) -> Plane:
    """Return the luma in levels, 0.0 to 255.0, (height, width), without rounding (ITU-R BT.601 weights)."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY), dtype=np.float32)


def add_luma(pixels: RGB, change: Plane) -> RGB:
    """Add a change of luma, in levels, (height, width), equally to the three channels, so that no hue is added."""
    changed = np.rint(pixels.astype(np.float32) + change[:, :, np.newaxis])
    return np.asarray(np.clip(changed, 0, 255), dtype=np.uint8)
