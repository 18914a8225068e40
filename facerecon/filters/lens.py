"""Shape: lens distortion and aspect. Moves pixels, never changes their brightness by itself."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from facerecon.records import RGB

Model = Literal["brown-conrady", "fisheye"]


def undistort(
    pixels: RGB, *, k1: float, k2: float = 0.0, model: Model = "brown-conrady", focal_widths: float = 1.0
) -> RGB:
    """Straighten lines that the lens bent; places the lens did not see become black.

    Args:
        pixels: RGB picture, whose optical axis is taken to be its centre.
        k1: radial coefficient of the square (brown-conrady) or cube (fisheye); negative for barrel distortion.
        k2: the next coefficient.
        model: "brown-conrady" for common lenses, "fisheye" for equidistant projection.
        focal_widths: focal length as a multiple of the picture's width, above 0.

    Returns:
        RGB picture of the same size, interpolated bicubically.

    Reference: Brown, "Close-range camera calibration", Photogrammetric Engineering 37(8), 1971; Kannala, Brandt,
    "A generic camera model and calibration method", IEEE TPAMI 28(8), 2006 (fisheye; OpenCV's implementations).

    Raises:
        ValueError: `focal_widths` is not positive.
    """
    if focal_widths <= 0:
        raise ValueError(f"undistort needs focal_widths above 0, not {focal_widths}")
    height, width = pixels.shape[:2]
    focal = focal_widths * width
    camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    if model == "fisheye":
        lens = np.array([k1, k2, 0.0, 0.0])
        maps = cv2.fisheye.initUndistortRectifyMap(camera, lens, np.eye(3), camera, (width, height), cv2.CV_32FC1)
    else:
        lens = np.array([k1, k2, 0.0, 0.0, 0.0])
        maps = cv2.initUndistortRectifyMap(camera, lens, np.eye(3), camera, (width, height), cv2.CV_32FC1)
    return np.asarray(cv2.remap(pixels, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT), dtype=np.uint8)


def stretch(pixels: RGB, *, horizontal: float = 1.0, vertical: float = 1.0) -> RGB:
    """Change the proportions by given factors, for recordings whose pixels are not square.

    Args:
        pixels: RGB picture.
        horizontal: new width over old, above 0.
        vertical: new height over old, above 0.

    Returns:
        RGB picture, at least 1 px each way: Lanczos where it grows, means over areas where it shrinks.

    Reference: ITU-R BT.601-7, 2011 (non-square sampling); Duchon, "Lanczos filtering in one and two dimensions", 1979.

    Raises:
        ValueError: a factor is not positive.
    """
    if horizontal <= 0 or vertical <= 0:
        raise ValueError(f"stretch needs factors above 0, not {horizontal} and {vertical}")
    height, width = pixels.shape[:2]
    wider = _resized(pixels, max(1, round(width * horizontal)), height, horizontal)
    return _resized(wider, wider.shape[1], max(1, round(height * vertical)), vertical)


def _resized(pixels: RGB, width: int, height: int, factor: float) -> RGB:
    if (height, width) == pixels.shape[:2]:
        return pixels
    how = cv2.INTER_LANCZOS4 if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), dtype=np.uint8)
